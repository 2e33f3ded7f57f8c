"""Environments: ``gymnasium.make`` and ``gymnasium.make_vec`` make them by id; every environment derives from these
classes."""

from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.single import SingleEnv

__all__ = ["BatchedEnv", "SingleEnv"]
