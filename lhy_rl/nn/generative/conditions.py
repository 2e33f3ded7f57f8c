"""Encodes the condition of a sample as numbers: a class, a caption, a sketch, or nothing."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
from torch import Tensor, nn

from lhy_rl.core.trees import leading, leaves
from lhy_rl.nn.encoders.base import EncoderOptions
from lhy_rl.nn.encoders.select import make_encoder
from lhy_rl.nn.generative.sample_space import SampleSpace


class ConditionEncoder(nn.Module):
    """Observations (N, ...) to (N, G).

    G is 0 if there is only one observation (``Discrete(1)``); a picture of the samples' size and channels is used
    itself; anything else goes through the encoder that fits the observation space.

    Args:
        space: Space of the observations.
        samples: The space of the samples.
        size: G, if an encoder is used.
    """

    def __init__(self, space: gym.Space[Any], samples: SampleSpace, size: int) -> None:
        super().__init__()
        self.space, self.encoder, self.picture = space, None, picture_like(space, samples)
        if is_nothing(space):
            self.output_size = 0
        elif self.picture is not None:
            self.output_size = math.prod(self.picture.shape)
        else:
            options = EncoderOptions(size, 2, "auto")
            self.encoder = make_encoder("auto", space, options)
            self.output_size = self.encoder.output_size

    def forward(self, conditions: Any) -> Tensor:
        if self.picture is not None:
            return self.picture.to_network(conditions).flatten(1)
        if self.encoder is not None:
            features: Tensor = self.encoder(conditions)
            return features
        first: Tensor = leaves(conditions)[0]
        assert leading(first, self.space) == 1
        return first.new_zeros(len(first), 0, dtype=None).float()


def is_nothing(space: gym.Space[Any]) -> bool:
    """Whether there is only one observation, so that samples have no condition."""
    return isinstance(space, gym.spaces.Discrete) and int(space.n) == 1


def picture_like(space: gym.Space[Any], samples: SampleSpace) -> SampleSpace | None:
    """The observations as a space of pictures, if they have the samples' size; else None."""
    if isinstance(space, gym.spaces.Box) and samples.is_picture and space.shape == samples.box.shape:
        found = SampleSpace(space)
        return found if found.is_picture else None
    return None
