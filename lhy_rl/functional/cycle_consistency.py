"""Temporal cycle-consistency: two videos are aligned if a frame's nearest neighbour leads back to the frame."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def cycle_consistency(first: Tensor, second: Tensor, temperature: float = 0.1) -> Tensor:
    """Cross-entropy of the position of the nearest neighbour's nearest neighbour (Dwibedi et al. 2019, section 3.2).

        v = sum_j softmax_j(-|u_i - v_j|^2 / temperature) v_j,     L = -log softmax_k(-|v - u_k|^2 / temperature)[i]

    Args:
        first: u, embeddings of the frames of one video of each of B pairs, (B, L, F).
        second: v, those of the other video, (B, M, F).
    """
    towards = torch.softmax(-torch.cdist(first, second).square() / temperature, -1)
    back = -torch.cdist(towards @ second, first).square() / temperature  # (B, L, L)
    own = torch.arange(first.shape[1], device=first.device).expand(len(first), -1)
    return F.cross_entropy(back.flatten(0, 1), own.flatten())
