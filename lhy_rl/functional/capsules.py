"""Capsules: vectors whose length is the probability that an entity is present and whose direction is its pose.

Sabour, Frosst and Hinton 2017, "Dynamic routing between capsules".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PRESENT, ABSENT, DOWN_WEIGHT = 0.9, 0.1, 0.5  # m+, m- and lambda of section 3


def squash(s: Tensor) -> Tensor:
    """v = |s|^2 / (1 + |s|^2) s / |s|, along the last dimension: short vectors to almost 0, long ones to almost 1.

    Section 2, equation 1. Its gradient at 0 is 0.
    """
    squared = s.square().sum(-1, keepdim=True)
    return s * (squared / (1 + squared) * (squared + 1e-12).rsqrt())


def routing(predictions: Tensor, iterations: int) -> Tensor:
    """Routing by agreement (section 2, procedure 1).

    b = 0; then, ``iterations`` times: c_i = softmax_k(b_i), v_k = squash(sum_i c_ik u_ik), b_ik += u_ik . v_k

    Args:
        predictions: (N, I, K, D) predictions u of each of I lower capsules for each of K higher capsules.
        iterations: At least 1; with 1 all predictions have the same weight.

    Returns:
        (N, K, D), v.
    """
    logits = predictions.new_zeros(predictions.shape[:3])  # (N, I, K)
    fixed = predictions.detach()  # gradients flow through the last iteration only, which is cheaper
    for _ in range(iterations - 1):
        v = squash(torch.einsum("nik,nikd->nkd", logits.softmax(-1), fixed))
        logits = logits + torch.einsum("nikd,nkd->nik", fixed, v)
    return squash(torch.einsum("nik,nikd->nkd", logits.softmax(-1), predictions))


def margin_loss(lengths: Tensor, labels: Tensor) -> Tensor:
    """Mean of sum_k T_k max(0, 0.9 - |v_k|)^2 + 0.5 (1 - T_k) max(0, |v_k| - 0.1)^2 (section 3, equation 4).

    Args:
        lengths: (N, K) lengths of the capsules of K classes.
        labels: (N,) int64; T_k is 1 for k = label.
    """
    present = F.one_hot(labels, lengths.shape[1]).to(lengths.dtype)
    missed, false = (PRESENT - lengths).relu().square(), (lengths - ABSENT).relu().square()
    return (present * missed + DOWN_WEIGHT * (1 - present) * false).sum(1).mean()
