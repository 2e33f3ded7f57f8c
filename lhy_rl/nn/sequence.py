"""A former name of :mod:`lhy_rl.nn.backbones.base`, kept because the documentation has shown it."""

from lhy_rl.nn.backbones.base import SequenceBackbone, State, step_by_step

__all__ = ["SequenceBackbone", "State", "step_by_step"]
