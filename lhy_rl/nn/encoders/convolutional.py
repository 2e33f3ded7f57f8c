"""Convolutional encoders of images: the Nature network and small ones, with pooling by name.

Inside, images are stored with the channels last and bytes stay bytes until the first convolution, whose weights
absorb the division by 255. On a CPU this makes forward and backward of the Nature network about 1.4 times as fast as
the plain way (oneDNN's kernels for that layout; no pass over the image for the scaling).
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import gymnasium as gym
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.nn.acceleration.inventory import hooked
from lhy_rl.nn.encoders.base import Encoder, EncoderOptions, refuse
from lhy_rl.nn.encoders.image_spaces import SMALLEST_IMAGE, byte_scale, channel_first, image_size
from lhy_rl.nn.layers.activations import initialize, make_activation
from lhy_rl.nn.layers.dense import dense, norm_of_maps
from lhy_rl.nn.layers.pooling import Window, make_pooling
from lhy_rl.nn.layers.spatial_transformer import SpatialTransformer


class Convolution(NamedTuple):
    """One layer: its maps, and its kernel, stride and padding in pixels."""

    maps: int
    kernel: int
    stride: int
    padding: int = 0


class ConvolutionalEncoder(Encoder):
    """Convolutions, then a linear layer to E: Box of three dimensions, channel first or last, to (..., E).

    With four dimensions the first is a stack of frames: (K, C, H, W) and (K, H, W, C) are images of K*C channels.

    ``hidden_sizes`` replaces the linear layer by several, each with norm and activation.
    A layer is convolution, norm, activation, pooling; ``norm="layer"`` is over all maps and places of an image.
    The linear layer reads the last maps place by place (height, width, maps). An optional spatial transformer resamples
    the images first.
    """

    name: ClassVar[str]
    smallest: ClassVar[int]
    """Side of the smallest image that it reads."""
    plan: ClassVar[tuple[Convolution, ...]]

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        super().__init__()
        channels, height, width = self.size(space)
        self.shape = space.shape or ()
        self.scale = byte_scale(space)
        self.front = None
        if options.spatial_transformer:
            self.front = SpatialTransformer(channels, options.crop, options.map_rate, options.norm)
        if self.front is not None:
            height, width = (round(options.crop * side) for side in (height, width))
            if min(height, width) < self.smallest:
                raise UserError(
                    f"crop={options.crop} leaves {height}x{width} of an image, and encoder {self.name!r} reads images "
                    f"from {self.smallest}x{self.smallest} up"
                )
        activation = options.activation_or("relu")
        convolutions, after = [], []
        for maps, kernel, stride, padding in self.plan:
            pooled = stride > 1 and options.pooling != "strided"
            windows = self.window(kernel), self.window(1 if pooled else stride), self.window(padding, 0)
            convolution = nn.Conv2d(channels, maps, *windows)
            initialize(convolution, activation)
            convolutions.append(convolution)
            pooling = [make_pooling(options.pooling, self.window(stride))] if pooled else []
            after.append(nn.Sequential(*norm_of_maps(maps, options.norm), make_activation(activation), *pooling))
            channels = maps
            height, width = (
                (side + 2 * p - k) // s + 1
                for side, k, s, p in zip(
                    (height, width), self.window(kernel), self.window(stride), self.window(padding, 0), strict=True
                )
            )
        self.convolutions = nn.ModuleList(convolutions)
        self.after = nn.ModuleList(after)
        features = channels * self.places(height, width)
        widths = (options.embedding_size,) if options.hidden_sizes is None else options.widths
        self.dense = dense(features, widths, activation, options.norm, options.dropout, options.dense_layers)
        self.output_size = (features, *widths)[-1]
        self.owns_initialization = activation == "selu"

    def size(self, space: gym.Space[Any]) -> tuple[int, int, int]:
        """Channels, height and width of the images.

        Raises:
            UserError: The encoder does not read this space.
        """
        if not isinstance(space, gym.spaces.Box) or len(space.shape) not in (3, 4):
            raise refuse(self.name, space, "Box spaces of three dimensions (images) or four (stacks of images)")
        channels, height, width = image_size(space)
        if min(height, width) < self.smallest:
            raise UserError(
                f"encoder {self.name!r} reads images from {self.smallest}x{self.smallest} up, not {height}x{width}; "
                f"encoder={'cnn_small' if min(height, width) >= SMALLEST_IMAGE else 'mlp'!r} reads this one"
            )
        self.channel_first = channel_first(space.shape[-3:])
        return channels, height, width

    def window(self, places: int, across: int = 1) -> Window:
        """Height and width of a window; encoders of series use ``across`` for the missing second dimension."""
        return places, places

    def images(self, obs: Tensor) -> Tensor:
        """(N, *space.shape) to (N, C, H, W), stored with the channels last."""
        return _channels_last(_flat_stack(obs, self.channel_first), self.channel_first)

    def maps(self, obs: Tensor) -> Tensor:
        """(N, *space.shape) to (N, maps, height, width) of the last convolution."""
        h, scale = self.images(obs), self.scale
        if self.front is not None:
            h, scale = self.front(h.to(self.front.bias.dtype) * scale), 1.0
        for i, (convolution, after) in enumerate(zip(self.convolutions, self.after, strict=True)):
            assert isinstance(convolution, nn.Conv2d)
            weight = convolution.weight
            if i == 0:
                h = h.to(weight.dtype)
            if hooked(convolution):
                h = after(convolution(h * scale if i == 0 else h))
                continue
            if i == 0 and scale != 1:
                weight = weight * scale
            h = after(F.conv2d(h, weight, convolution.bias, convolution.stride, convolution.padding))
        return h

    def forward(self, obs: Tensor) -> Tensor:
        leading = obs.shape[: -len(self.shape)]
        h = self.maps(obs.reshape(leading.numel(), *self.shape))
        y: Tensor = self.dense(self.flat(h))  # (N, E)
        return y.view(*leading, self.output_size)

    def places(self, height: int, width: int) -> int:
        """The number of inputs of the dense layers from each map of that size."""
        return height * width

    def flat(self, maps: Tensor) -> Tensor:
        """(N, maps, height, width) to the dense layers' inputs, (N, maps * places)."""
        return maps.permute(0, 2, 3, 1).flatten(1)  # in this order it is not copied


class NatureEncoder(ConvolutionalEncoder):
    """The network of Mnih et al. 2015 (Nature 518, methods): 32, 64 and 64 maps; its last layer is E instead of 512."""

    name = "cnn"
    smallest = 36
    plan = (Convolution(32, 8, 4), Convolution(64, 4, 2), Convolution(64, 3, 1))


class SmallEncoder(ConvolutionalEncoder):
    """Two 3x3 convolutions of 16 and 32 maps, padded so that no border is lost; the second halves the image."""

    name = "cnn_small"
    smallest = SMALLEST_IMAGE
    plan = (Convolution(16, 3, 1, 1), Convolution(32, 3, 2, 1))


class PooledEncoder(ConvolutionalEncoder):
    """Two 3x3 convolutions of 16 and 32 maps, each of which halves the image; then mean and largest of each map.

    Positions are lost: it sees what there is and what touches what, so that moving the camera changes little.
    """

    name = "cnn_pooled"
    smallest = SMALLEST_IMAGE
    plan = (Convolution(16, 3, 2, 1), Convolution(32, 3, 2, 1))

    def places(self, height: int, width: int) -> int:
        return 2

    def flat(self, maps: Tensor) -> Tensor:
        stored = maps.permute(0, 2, 3, 1).flatten(1, 2)  # hot: as it lies in memory, (N, places, maps)
        return torch.cat([stored.mean(1), stored.max(1).values], 1)


def _flat_stack(images: Tensor, first: bool) -> Tensor:
    """Stacks of frames (N, K, ...) as images whose channels are those of all frames, the oldest first."""
    if images.ndim == 4:
        return images
    # (N, K, C, H, W) to (N, K*C, H, W), or (N, K, H, W, C) to (N, H, W, K*C)
    return images.flatten(1, 2) if first else images.permute(0, 2, 3, 1, 4).flatten(3)


def _channels_last(images: Tensor, first: bool) -> Tensor:
    """Images as (N, C, H, W) in channels-last memory format."""
    stored = images.permute(0, 2, 3, 1) if first else images  # (N, H, W, C)
    n, height, width, channels = stored.shape
    # through (N, H*W*C), because a permuted dimension of size 1 keeps a stride that reads as channel first
    return stored.reshape(n, height * width * channels).view(n, height, width, channels).permute(0, 3, 1, 2)
