"""The spatial transformer, which turns, moves and scales a picture as what reads it needs it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.nn.layers.dense import after_linear, norm_of_maps

HIDDEN = 32
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class SpatialTransformer(nn.Module):
    """Six numbers of an affine map, found from the picture, and the picture resampled by it (Jaderberg et al. 2015).

    (N, C, H, W) to (N, C, H, W). At first it changes nothing. The last layer is added to the map that changes nothing,
    and it is no ``nn.Linear``, so that it begins at 0 also where a policy draws its linear layers anew.

    Args:
        channels: C.
        crop: Share of the sides that is handed on, (N, C, crop * H, crop * W); at first it is the middle.
        rate: Factor of what the last layer adds to the map. Adam's steps are as long whatever the gradient's length is,
            so that with 0.1 the map learns ten times slower than what reads the picture: fast maps leave the picture
            before anything in it is known.
        norm: ``none``, ``batch`` or ``layer``, before each activation of what finds the map. Without one, pictures that
            are mostly empty differ so little there that all of them get the same map for long.
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
        """(N, 2, 3): where in the picture, from -1 to 1, each place of the result looks."""
        change = self.rate * F.linear(self.localization(pictures), self.weight, self.bias)
        return (change + self.crop * change.new_tensor(IDENTITY)).view(-1, 2, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        sides = [round(self.crop * side) for side in pictures.shape[2:]]
        grid = F.affine_grid(self.theta(pictures), [*pictures.shape[:2], *sides], align_corners=False)
        return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
