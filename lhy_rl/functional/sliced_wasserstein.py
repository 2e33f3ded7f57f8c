"""The sliced Wasserstein distance of two clouds of points, which compares their sorted projections on lines."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def sliced_wasserstein(first: Tensor, second: Tensor, directions: Tensor) -> Tensor:
    """E_u[W_2(u first, u second)^2], the mean over directions u of the squared distance along them.

        W_2(a, b)^2 = 1/N sum_i (a_(i) - b_(i))^2       a_(1) <= a_(2) <= ..., N numbers in each

    (Bonneel et al. 2015, section 3; as a loss of generated samples: Deshpande et al. 2018.)

    Args:
        first, second: (N, F) points.
        directions: (F, K) vectors u of any length but 0.
    """
    lines = F.normalize(directions, dim=0)
    distance: Tensor = ((first @ lines).sort(0).values - (second @ lines).sort(0).values).square().mean()
    return distance


def random_directions(size: int, count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """(size, count) directions, uniform on the sphere."""
    return torch.randn((size, count), generator=generator).to(device)
