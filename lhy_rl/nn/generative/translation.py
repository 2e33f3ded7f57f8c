"""Translation of pictures by a U-Net, whose skip connections keep things where they are."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.nn.generative.pictures import GROUPS, LEAK, eighth


class PictureTranslator(nn.Module):
    """A U-Net (Ronneberger et al. 2015; Isola et al. 2017, section 3.2): each layer of the way up also reads the layer
    of its size on the way down. The noise enters at the bottom.

    Args:
        shape: (C, H, W) of both pictures; sides that are no multiples of 8 are padded, and cropped again.
        width: Maps of the first layer; the later ones have twice and four times as many.
        noise_size: Size of the noise.
    """

    def __init__(self, shape: tuple[int, ...], width: int, noise_size: int) -> None:
        super().__init__()
        channels, height, across = shape
        self.shape, self.noise_size = shape, noise_size
        self.bottom = (4 * width, eighth(height), eighth(across))
        downs, maps = [], channels
        for after in (width, 2 * width, 4 * width):
            norm: list[nn.Module] = [nn.GroupNorm(GROUPS, after)] if maps != channels else []
            downs.append(nn.Sequential(nn.Conv2d(maps, after, 4, 2, 1), *norm, nn.LeakyReLU(LEAK)))
            maps = after
        self.downs = nn.ModuleList(downs)
        self.noise = nn.Linear(noise_size, math.prod(self.bottom))
        self.ups = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(before, after, 4, 2, 1), nn.GroupNorm(GROUPS, after), nn.ReLU())
            for before, after in ((8 * width, 2 * width), (4 * width, width))
        )
        self.last = nn.Sequential(nn.ConvTranspose2d(2 * width, channels, 4, 2, 1))

    def forward(self, given: Tensor) -> Tensor:
        """(N, noise_size + C * H * W) to (N, C, H, W)."""
        return self.before_tanh(given).tanh()

    def before_tanh(self, given: Tensor) -> Tensor:
        """The output before the tanh."""
        noise, h = given[:, : self.noise_size], given[:, self.noise_size :].view(-1, *self.shape)
        _, height, across = self.shape
        h = F.pad(h, (0, -across % 8, 0, -height % 8), "replicate")
        levels = []
        for down in self.downs:
            h = down(h)
            levels.append(h)
        h = self.noise(noise).view(-1, *self.bottom)
        for up in self.ups:
            h = up(torch.cat([h, levels.pop()], 1))
        picture: Tensor = self.last(torch.cat([h, levels.pop()], 1))
        return picture[..., :height, :across]
