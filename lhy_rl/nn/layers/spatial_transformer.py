"""The spatial transformer, which learns to rotate, move and scale a picture for the network that reads it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.nn.layers.dense import after_linear, norm_of_maps

HIDDEN = 32
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class SpatialTransformer(nn.Module):
    """Computes the six numbers of an affine map from a picture, and resamples the picture (Jaderberg et al. 2015).

    (N, C, H, W) to (N, C, H, W). Initially the map is the identity: the last layer's output, 0 at first, is added to
    it. That layer is no ``nn.Linear``, so that it stays 0 when a policy initialises its linear layers again.

    Args:
        channels: C.
        crop: Share of the sides that is passed on, (N, C, crop * H, crop * W); the middle at first.
        rate: Factor of the last layer's output. The length of Adam's steps does not depend on the gradient's, so that
            with 0.1 the map learns ten times slower than the network after it: fast maps leave the picture before that
            network has learned anything.
        norm: ``none``, ``batch`` or ``layer``, before each activation of the network that computes the map. Without
            one, pictures that are mostly empty differ so little there that all get the same map for a long time.
    """

    def __init__(self, channels: int, crop: float = 1.0, rate: float = 1.0, norm: str = "none") -> None:
        super().__init__()
        self.crop, self.rate = crop, rate
        layers: list[nn.Module] = []
        for maps in (channels, 16):
            layers += [nn.Conv2d(maps, 16, 5, 2, 2), *norm_of_maps(16, norm), nn.ReLU()]
        layers += [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, HIDDEN), *after_linear(HIDDEN, "relu", norm)]
        self.localization = nn.Sequential(*layers)
        self.weight = nn.Parameter(torch.zeros(6, HIDDEN))
        self.bias = nn.Parameter(torch.zeros(6))

    def theta(self, pictures: Tensor) -> Tensor:
        """(N, 2, 3) affine maps from places of the result to places of the picture, from -1 to 1."""
        change = self.rate * F.linear(self.localization(pictures), self.weight, self.bias)
        return (change + self.crop * change.new_tensor(IDENTITY)).view(-1, 2, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        sides = [round(self.crop * side) for side in pictures.shape[2:]]
        grid = F.affine_grid(self.theta(pictures), [*pictures.shape[:2], *sides], align_corners=False)
        return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
