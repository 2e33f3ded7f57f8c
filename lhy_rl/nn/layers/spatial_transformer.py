"""The spatial transformer, which turns, moves and scales a picture as what reads it needs it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN = 32
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class SpatialTransformer(nn.Module):
    """Six numbers of an affine map, found from the picture, and the picture resampled by it (Jaderberg et al. 2015).

    (N, C, H, W) to (N, C, H, W). At first it changes nothing.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.localization = nn.Sequential(
            nn.Conv2d(channels, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 16, 5, 2, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
            nn.Flatten(), nn.Linear(256, HIDDEN), nn.ReLU(),
        )  # fmt: skip
        self.affine = nn.Linear(HIDDEN, 6)
        nn.init.zeros_(self.affine.weight)
        with torch.no_grad():
            self.affine.bias.copy_(torch.tensor(IDENTITY))

    def theta(self, pictures: Tensor) -> Tensor:
        """(N, 2, 3): where in the picture, from -1 to 1, each place of the result looks."""
        theta: Tensor = self.affine(self.localization(pictures))
        return theta.view(-1, 2, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        grid = F.affine_grid(self.theta(pictures), list(pictures.shape), align_corners=False)
        return F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
