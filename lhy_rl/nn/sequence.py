"""The names of :mod:`lhy_rl.nn.backbones.base`, at the place that earlier documents show."""

from lhy_rl.nn.backbones.base import SequenceBackbone, State, step_by_step

__all__ = ["SequenceBackbone", "State", "step_by_step"]
