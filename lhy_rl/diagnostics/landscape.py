"""The loss on a line or a plane through the weights (Goodfellow et al. 2015; Li et al. 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lhy_rl.diagnostics.subject import Subject


def loss_on_line(subject: Subject, begin: Tensor, end: Tensor, places: Tensor) -> Tensor:
    """The loss at (1 - a) begin + a end.

    Args:
        begin, end: Weights (P,).
        places: (K,) values of a; 0 is the beginning, 1 the end.

    Returns:
        (K,).
    """
    return subject.losses(begin + places[:, None] * (end - begin))


def loss_on_plane(subject: Subject, origin: Tensor, across: Tensor, up: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The loss at origin + x across + y up.

    Args:
        origin, across, up: (P,).
        x: (X,).
        y: (Y,).

    Returns:
        (Y, X).
    """
    return torch.stack([subject.losses(origin + b * up + x[:, None] * across) for b in y])


def filter_normalized_direction(network: nn.Module, generator: torch.Generator | None = None) -> Tensor:
    """A random direction (P,) in which each unit's weights are as long as they are (Li et al. 2018, section 4).

    So the picture does not depend on how weights are scaled between layers. Biases stay where they are.
    """
    parts = []
    for parameter in network.parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        if parameter.dim() < 2:
            direction.zero_()
        else:
            rows, weights = direction.flatten(1), parameter.detach().double().flatten(1)
            rows.mul_(weights.norm(dim=1, keepdim=True) / rows.norm(dim=1, keepdim=True).clamp(min=1e-12))
        parts.append(direction.flatten())
    return torch.cat(parts)
