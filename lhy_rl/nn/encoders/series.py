"""A convolutional encoder of series: images of one dimension."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from torch import Tensor

from lhy_rl.core.errors import UserError
from lhy_rl.nn.encoders.base import EncoderOptions, refuse
from lhy_rl.nn.encoders.convolutional import Convolution, ConvolutionalEncoder
from lhy_rl.nn.layers.pooling import Window

SHORTEST = 8


class SeriesEncoder(ConvolutionalEncoder):
    """Three convolutions of 25 maps along series of L points, each of which halves them: (L,) or (C, L) to (..., E).

    It is the network of Greydanus (2020) for MNIST-1D, with selectable pooling. A series is treated as an image of
    height 1, with the same options, except for the spatial transformer.
    """

    name = "cnn_series"
    smallest = SHORTEST
    plan = (Convolution(25, 5, 2, 2), Convolution(25, 3, 2, 1), Convolution(25, 3, 2, 1))

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        if options.spatial_transformer:
            raise UserError(f"encoder {self.name!r} has no spatial_transformer, which is for images; it must be false")
        super().__init__(space, options)

    def size(self, space: gym.Space[Any]) -> tuple[int, int, int]:
        shape = space.shape or ()
        if not isinstance(space, gym.spaces.Box) or len(shape) not in (1, 2) or shape[-1] < self.smallest:
            raise refuse(self.name, space, f"Box spaces of series, (L,) or (channels, L), from L = {self.smallest} up")
        self.channels = shape[0] if len(shape) == 2 else 1
        return self.channels, 1, shape[-1]

    def window(self, places: int, across: int = 1) -> Window:
        return across, places

    def images(self, obs: Tensor) -> Tensor:
        return obs.view(len(obs), self.channels, 1, obs.shape[-1])
