"""A former name of :mod:`lhy_rl.nn.backbones.base`, which the documentation has shown."""

from lhy_rl.nn.backbones.base import SequenceBackbone, State, step_by_step

__all__ = ["SequenceBackbone", "State", "step_by_step"]
