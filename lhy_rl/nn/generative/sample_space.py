"""Samples in the networks' scale: pictures (N, C, H, W) from -1 to 1, and anything else as vectors (N, D)."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from torch import Tensor

from lhy_rl.core.errors import UserError
from lhy_rl.nn.generative.pictures import BOUNDS, MOST_CHANNELS, SMALLEST, from_pictures, to_pictures

SPREAD = 4.0
"""Points are scaled to -4 to 4: networks learn small details of larger numbers sooner."""


class SampleSpace:
    """The space of a task's samples, and their conversion to and from the networks' scale.

    Args:
        space: The action space, a ``Box`` whose bounds are the same everywhere, or without bounds.

    Attributes:
        box: The space.
        is_picture: Whether samples are pictures that convolutions fit: (H, W, C), from 8 x 8 up.
        shape: Shape of a sample in a network: (C, H, W), or (D,).
        low, high: The bounds; -4 and 4 without bounds, so that numbers are not scaled.

    Raises:
        UserError: The space is another.
    """

    def __init__(self, space: gym.Space[Any]) -> None:
        if not isinstance(space, gym.spaces.Box):
            raise UserError(f"the action space is {space}; must be a Box of points or images")
        low, high = float(space.low.min()), float(space.high.max())
        even = (space.low == low).all() and (space.high == high).all()
        if not even or math.isinf(low) != math.isinf(high):
            raise UserError(f"the action space is {space}; must have one lower and one upper bound, or none")
        self.box = space
        self.low, self.high = (-SPREAD, SPREAD) if math.isinf(low) else (low, high)
        shape = space.shape
        self.is_picture = (
            len(shape) == 3 and min(shape[:2]) >= SMALLEST and shape[2] <= MOST_CHANNELS and (low, high) in BOUNDS
        )
        self.shape = (shape[2], *shape[:2]) if self.is_picture else (math.prod(shape),)

    @property
    def middle(self) -> float:
        """The middle between the bounds."""
        return (self.low + self.high) / 2

    @property
    def factor(self) -> float:
        """The factor of a number's distance from the middle, if samples are no pictures."""
        return SPREAD * 2 / (self.high - self.low)

    @property
    def size(self) -> int:
        """The number of numbers in a sample."""
        return math.prod(self.shape)

    def to_network(self, stored: Tensor) -> Tensor:
        """(N, ...) of the space to (N, *shape): pictures from -1 to 1, anything else from -4 to 4."""
        if self.is_picture:
            return to_pictures(stored, self.box)
        return (stored.flatten(1).float() - self.middle) * self.factor

    def from_network(self, samples: Tensor) -> Tensor:
        """The inverse of :meth:`to_network`."""
        if self.is_picture:
            return from_pictures(samples, self.box)
        return (samples / self.factor + self.middle).view(-1, *self.box.shape)

    def as_bytes(self, stored: np.ndarray) -> np.ndarray:
        """Pictures (N, ...) of the space as bytes, for display."""
        share = (np.clip(stored, self.low, self.high) - self.low) / (self.high - self.low)
        pictures: np.ndarray = np.rint(255 * share).astype(np.uint8)
        return pictures
