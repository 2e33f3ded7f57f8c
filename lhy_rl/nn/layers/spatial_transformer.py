"""The spatial transformer, which turns, moves and scales a picture as what reads it needs it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN = 32
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class SpatialTransformer(nn.Module):
    """Six numbers of an affine map, found from the picture, and the picture resampled by it (Jaderberg et al. 2015).

    (N, C, H, W) to (N, C, H, W). At first it changes nothing. The last layer is added to the map that changes nothing,
    and it is no ``nn.Linear``, so that it begins at 0 also where a policy draws its linear layers anew.

    Args:
        channels: C.
        crop: Share of the sides that is handed on, (N, C, crop * H, crop * W); at first it is the middle.
    """

    def __init__(self, channels: int, crop: float = 1.0) -> None:
        super().__init__()
        self.crop = crop
        self.localization = nn.Sequential(
            nn.Conv2d(channels, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 16, 5, 2, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
            nn.Flatten(), nn.Linear(256, HIDDEN), nn.ReLU(),
        )  # fmt: skip
        self.weight = nn.Parameter(torch.zeros(6, HIDDEN))
        self.bias = nn.Parameter(torch.zeros(6))

    def theta(self, pictures: Tensor) -> Tensor:
        """(N, 2, 3): where in the picture, from -1 to 1, each place of the result looks."""
        change = F.linear(self.localization(pictures), self.weight, self.bias)
        return (change + self.crop * change.new_tensor(IDENTITY)).view(-1, 2, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        sides = [round(self.crop * side) for side in pictures.shape[2:]]
        grid = F.affine_grid(self.theta(pictures), [*pictures.shape[:2], *sides], align_corners=False)
        return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
