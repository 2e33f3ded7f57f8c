"""The environment that an agent learns in, from whatever the user gave."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from lhy_rl.errors import UserError

Environment = str | gym.Env[Any, Any] | VectorEnv[Any, Any, Any] | Callable[[], gym.Env[Any, Any]]


def make_vector_env(env: Environment, num_envs: int) -> VectorEnv[Any, Any, Any]:
    """A vector environment from whatever the user gave.

    Raises:
        UserError: an unknown id, or something that is no environment.
    """
    if isinstance(env, VectorEnv):
        return env
    if isinstance(env, gym.Env):
        return SyncVectorEnv([lambda: env], autoreset_mode=AutoresetMode.SAME_STEP)
    if isinstance(env, str):
        import lhy_rl  # noqa: F401  (registers the environments)

        try:
            return gym.make_vec(env, num_envs=num_envs, **same_step(env))
        except gym.error.UnregisteredEnv as error:
            raise UserError(f"unknown environment {env!r}: {' '.join(str(error).split())}") from error
    if callable(env):
        return SyncVectorEnv([env] * num_envs, autoreset_mode=AutoresetMode.SAME_STEP)
    raise UserError(f"{env!r} is no environment; allowed: an id, an Env, a VectorEnv, a callable that makes an Env")


def same_step(env_id: str) -> dict[str, Any]:
    """Options of ``gymnasium.make_vec`` for episodes that begin in the step that ends the last one, where possible."""
    entry = gym.spec(env_id).vector_entry_point
    if entry is None:
        return {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}}
    constructor = load_env_creator(entry) if isinstance(entry, str) else entry
    known = "autoreset_mode" in inspect.signature(constructor).parameters
    return {"autoreset_mode": AutoresetMode.SAME_STEP} if known else {}
