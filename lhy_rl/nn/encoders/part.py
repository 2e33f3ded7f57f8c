"""Encoders that read one part of a Dict; the policy does not see the other parts, which a reward model may read."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
from torch import Tensor

from lhy_rl.nn.encoders.base import Encoder, EncoderOptions, refuse
from lhy_rl.nn.encoders.select import make_encoder


class PartEncoder(Encoder):
    """A part of a Dict through the encoder that fits it."""

    key: ClassVar[str]

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        super().__init__()
        if not isinstance(space, gym.spaces.Dict) or self.key not in space.spaces:
            raise refuse(self.key, space, f"Dict spaces with a key {self.key!r}")
        self.part = make_encoder("auto", space[self.key], options)
        self.output_size = self.part.output_size
        self.owns_initialization = self.part.owns_initialization

    def forward(self, obs: Any) -> Tensor:
        encoded: Tensor = self.part(obs[self.key])
        return encoded


class StateEncoder(PartEncoder):
    """The part ``state``, usually numbers."""

    key = "state"


class ImageEncoder(PartEncoder):
    """The part ``image``."""

    key = "image"
