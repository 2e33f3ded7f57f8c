"""Translates frames of one view to another: undoes the camera's motion and replaces the colours.

    G(o)(p) = c(o(A^-1 p))      A: an affine map of the picture's plane, one for all frames
                                c: a network from colours to colours, one for all pixels

With so few degrees of freedom the content of a frame is kept: nothing can be added, and nothing can be removed except
by giving it the background's colour.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
HIDDEN, LEAK = 32, 0.2
FLOOR = 0.003  # share of the largest variance of colours that is added to all, so that rounding is no colour
CHUNK = 1024  # frames translated at once


class ViewTranslator(nn.Module):
    """Maps frames of one view to frames of another; initially the camera's map is the identity.

    Args:
        colours: (N, 3) colours of the first view, from -1 to 1. Its colours are whitened by their statistics, to mean 0
            and variance 1/9 in all directions, so that two dark ones are as far apart as they are from the background.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, colours: Tensor) -> None:
        super().__init__()
        variances, axes = torch.linalg.eigh(torch.cov(colours.T))
        deviation = (variances + FLOOR * variances.max()).clamp(min=1e-6).sqrt()
        self.register_buffer("mean", colours.mean(0))
        self.register_buffer("whitening", axes / (3 * deviation) @ axes.T)
        self.camera = nn.Parameter(torch.tensor(IDENTITY))
        self.network = self.new_network().to(colours.device)
        self.camera.data = self.camera.data.to(colours.device)

    def new_network(self) -> nn.Sequential:
        """A new, untrained network from colours to colours."""
        layers: list[nn.Module] = []
        for size in (3, HIDDEN):
            layers += [nn.Linear(size, HIDDEN), nn.LeakyReLU(LEAK)]
        return nn.Sequential(*layers, nn.Linear(HIDDEN, 3), nn.Tanh())

    def colours(self, given: Tensor) -> Tensor:
        """Map colours (..., 3) of the first view, from -1 to 1, to those of the other."""
        colours: Tensor = self.network((given - self.mean) @ self.whitening)
        return colours

    def places(self, given: Tensor) -> Tensor:
        """Map places (N, 2) of the first view, right and down from -1 to 1, to places in the other."""
        return given @ self.camera[:, :2].T + self.camera[:, 2]

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """Frames (N, H, W, 3) uint8 of the first view to frames of the other."""
        back = torch.linalg.inv(self.camera[:, :2])
        theta = torch.cat([back, -back @ self.camera[:, 2:]], 1)
        drawn = []
        for part in torch.split(frames, CHUNK):
            pictures = part.permute(0, 3, 1, 2).float() / 127.5 - 1
            grid = F.affine_grid(theta.expand(len(part), 2, 3), list(pictures.shape), align_corners=False)
            pictures = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
            drawn.append(((self.colours(pictures.permute(0, 2, 3, 1)) + 1) * 127.5).round().to(torch.uint8))
        return torch.cat(drawn)
