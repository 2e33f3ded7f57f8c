"""A frame of one view as it would look in another: the camera is turned back, and the colours are replaced.

    G(o)(p) = c(o(A^-1 p))      A: an affine map of the picture's plane, one for all frames
                                c: a network from colours to colours, one for all pixels

So little freedom leaves a frame no choice what to show: nothing can be drawn that is not there, and nothing left out
but by giving it the ground's colour.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
HIDDEN, LEAK = 32, 0.2
FLOOR = 0.003  # of the largest variance of colours, which is added to all: rounding is not to be seen as a colour
CHUNK = 1024  # frames that are drawn at once


class ViewTranslator(nn.Module):
    """From frames of one view to frames of another; at first the camera stays where it is.

    Args:
        colours: (N, 3) from -1 to 1 of the first view, by which its colours are brought to mean 0 and variance 1/9 in
            all directions, so that two dark ones are as far apart as the ground is from them.
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
        """A network from colours to colours that nothing was learned by."""
        layers: list[nn.Module] = []
        for size in (3, HIDDEN):
            layers += [nn.Linear(size, HIDDEN), nn.LeakyReLU(LEAK)]
        return nn.Sequential(*layers, nn.Linear(HIDDEN, 3), nn.Tanh())

    def colours(self, given: Tensor) -> Tensor:
        """(..., 3) colours of the first view, from -1 to 1, as the other view has them."""
        colours: Tensor = self.network((given - self.mean) @ self.whitening)
        return colours

    def places(self, given: Tensor) -> Tensor:
        """Where (N, 2) places of the first view, right and down from -1 to 1, lie in the other."""
        return given @ self.camera[:, :2].T + self.camera[:, 2]

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 of the first view to as many of the other."""
        back = torch.linalg.inv(self.camera[:, :2])
        theta = torch.cat([back, -back @ self.camera[:, 2:]], 1)
        drawn = []
        for part in torch.split(frames, CHUNK):
            pictures = part.permute(0, 3, 1, 2).float() / 127.5 - 1
            grid = F.affine_grid(theta.expand(len(part), 2, 3), list(pictures.shape), align_corners=False)
            pictures = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
            drawn.append(((self.colours(pictures.permute(0, 2, 3, 1)) + 1) * 127.5).round().to(torch.uint8))
        return torch.cat(drawn)
