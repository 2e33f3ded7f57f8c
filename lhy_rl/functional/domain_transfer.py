"""The losses of domain transfer (Taigman, Polyak and Wolf 2017, section 4), except the constancy losses. The generator
is G = g(f(.)), features f and a decoder g; s are pictures of the source domain, t of the target domain."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

FROM_SOURCE, FROM_TARGET, REAL = 0, 1, 2
"""The discriminator's classes: G(s), G(t), t."""


def discriminator_loss(from_source: Tensor, from_target: Tensor, real: Tensor) -> Tensor:
    """L_D = -E[log D_1(G(s))] - E[log D_2(G(t))] - E[log D_3(t)]   (eq. 3), of logits (N, 3) each."""
    classes = ((from_source, FROM_SOURCE), (from_target, FROM_TARGET), (real, REAL))
    return torch.stack([_cross_entropy(logits, number) for logits, number in classes]).sum()


def generator_loss(from_source: Tensor, from_target: Tensor) -> Tensor:
    """L_GANG = -E[log D_3(G(s))] - E[log D_3(G(t))]   (eq. 4), of logits (N, 3) each."""
    return _cross_entropy(from_source, REAL) + _cross_entropy(from_target, REAL)


def total_variation(pictures: Tensor) -> Tensor:
    """E[sqrt((z_{i,j+1} - z_{ij})^2 + (z_{i+1,j} - z_{ij})^2)], (N, C, H, W): their eq. 7 with B = 1, as a mean.

    The gradient is 0 where neighbouring pixels are equal.
    """
    right = pictures[..., :-1, 1:] - pictures[..., :-1, :-1]
    down = pictures[..., 1:, :-1] - pictures[..., :-1, :-1]
    return (right.square() + down.square() + 1e-12).sqrt().mean()


def _cross_entropy(logits: Tensor, number: int) -> Tensor:
    return F.cross_entropy(logits, torch.full((len(logits),), number, device=logits.device))
