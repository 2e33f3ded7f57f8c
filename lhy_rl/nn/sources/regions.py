"""Regions of a picture, for an attention to read (Xu et al. 2015).

Three convolutions, each of which halves the picture, make a vector of each 8 x 8 pixels; a learned position embedding
is added to it. The convolutions are initialised so that the contrast is kept from layer to layer (He et al. 2015): with
torch's smaller default weights, regions would at first differ by their positions alone, and an attention would learn to
look at fixed ones. Only the first convolution reads a pixel beyond its square, so that a region's vector describes that
region.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError, brief
from lhy_rl.nn.encoders.image_spaces import byte_scale, channel_first, image_size, looks_like_image
from lhy_rl.nn.sources.base import Reading, SourceEncoder, SourceOptions

HALVINGS = 3
SIDE = 2**HALVINGS
"""Side of a region in pixels."""


class RegionEncoder(SourceEncoder):
    """A picture, Box (H, W, C) or (C, H, W), to L = H/8 * W/8 regions in reading order; the summary is their mean.

    If a side is no multiple of 8, its last pixels are lost.
    """

    annotates_tokens = False
    has_directions = False

    def __init__(self, space: gym.Space[Any], options: SourceOptions) -> None:
        super().__init__()
        if not looks_like_image(space) or len(space.shape or ()) != 3:
            raise UserError(f"source_encoder 'regions' reads images, Box (H, W, C) from 8x8 up, not {brief(space)}")
        channels, height, width = image_size(space)
        self.grid = height // SIDE, width // SIDE
        self.places = self.grid[0] * self.grid[1]
        self.channel_first, self.scale = channel_first(space.shape), byte_scale(space)  # type: ignore[arg-type]
        maps = (max(8, options.size // 8), max(8, options.size // 4), options.size)
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(zip((channels, *maps), maps, strict=False)):
            kernel, padding = (2, 0) if number else (4, 1)
            convolution = nn.Conv2d(before, after, kernel, 2, padding)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers += [convolution, nn.ReLU()]
        self.convolutions = nn.Sequential(*layers[:-1])
        self.where = nn.Parameter(0.1 * torch.randn(self.places, options.size))

    def forward(self, source: Tensor, mask: Tensor) -> Reading:
        pictures = source if self.channel_first else source.permute(0, 3, 1, 2)
        maps = self.convolutions(pictures.to(self.where.dtype) * self.scale)  # (N, E, H/8, W/8)
        annotations = maps.flatten(2).transpose(1, 2) + self.where  # (N, L, E)
        return Reading(annotations.mean(1), annotations, mask.new_ones(annotations.shape[:2]))
