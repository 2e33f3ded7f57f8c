"""Which observation spaces are images, how their dimensions are ordered, and how their bytes are scaled."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np

SMALLEST_IMAGE = 8
"""Pixels of the shorter side of the smallest image that a convolutional encoder reads."""


def channel_first(shape: tuple[int, ...]) -> bool:
    """Whether a shape of three dimensions is (C, H, W) rather than (H, W, C).

    The order in which the image is square, if only one is; else the one with fewer channels; else channel first.
    """
    first, second, last = shape
    if (second == last) != (first == second):
        return second == last
    return first <= last


def image_size(space: gym.Space[Any]) -> tuple[int, int, int]:
    """Channels, height and width of a Box of three dimensions, in either order of :func:`channel_first`.

    With four dimensions the first is a stack of frames, as ``gymnasium.wrappers.FrameStackObservation`` makes it of
    colour images; the channels of all frames are counted together.
    """
    *stack, a, b, c = space.shape  # type: ignore[misc]
    channels, height, width = (a, b, c) if channel_first((a, b, c)) else (c, a, b)
    return channels * math.prod(stack), height, width


def axes_channel_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The permutation of the axes of images (N, *shape) that puts the channels last.

    With a stack of frames it gives (N, H, W, K, C).
    """
    first = channel_first(shape[-3:])
    if len(shape) == 3:
        return (0, 2, 3, 1) if first else (0, 1, 2, 3)
    return (0, 3, 4, 1, 2) if first else (0, 2, 3, 1, 4)


def looks_like_image(space: gym.Space[Any]) -> bool:
    """Whether a space looks like images: three dimensions, sides of at least :data:`SMALLEST_IMAGE`, and at most 16
    channels or as many as the shorter side has pixels; or a stack of such images, each of 1, 3 or 4 channels."""
    if not isinstance(space, gym.spaces.Box) or len(space.shape) not in (3, 4):
        return False
    channels, height, width = image_size(space)
    if len(space.shape) == 4 and channels // max(space.shape[0], 1) not in (1, 3, 4):
        return False
    return min(height, width) >= SMALLEST_IMAGE and channels <= max(16, min(height, width))


def byte_scale(space: gym.Space[Any]) -> float:
    """The factor that observations are multiplied by: 1 / maximum for uint8 (1/255 for images), 1 for all others.

    Bytes in three dimensions too small for an image are symbols (Minigrid's 7x7x3: objects, colours and states, from 0
    to 10) and are not scaled; divided by 255 they would be almost 0.
    """
    if not isinstance(space, gym.spaces.Box) or space.dtype != np.uint8 or not space.high.size:
        return 1.0
    if len(space.shape) in (3, 4) and min(image_size(space)[1:]) < SMALLEST_IMAGE:
        return 1.0
    return 1.0 / max(int(space.high.max()), 1)
