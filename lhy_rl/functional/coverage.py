"""What keeps an attention from looking at the same place again and again: two penalties on its weights.

a (T, B, L) are the weights of T steps on L places; c_t = sum_{t' < t} a_t' is how much each has been looked at.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lhy_rl.functional.policy_gradient import masked_mean


def coverage_loss(weights: Tensor, mask: Tensor) -> Tensor:
    """L = E_t[ sum_l min(a_tl, c_tl) ]     (See et al. 2017, eqs. 10 and 12): 0 where no place is looked at twice.

    Args:
        weights: (T, B, L).
        mask: (T, B) bool: the steps that count.
    """
    counted = weights * mask[..., None]
    covered = counted.cumsum(0) - counted
    return masked_mean(torch.minimum(counted, covered).sum(-1), mask)


def doubly_stochastic_loss(weights: Tensor, mask: Tensor, places: Tensor) -> Tensor:
    """L = E_b[ sum_l (1 - sum_t a_tl)^2 ] / E_b[steps]     (Xu et al. 2015, eq. 14): every place is looked at once.

    Per step, as a likelihood per token is, so that one coefficient fits sources of all lengths.

    Args:
        weights: (T, B, L).
        mask: (T, B) bool: the steps that count.
        places: (B, L) bool: the places that there are.
    """
    left = 1 - (weights * mask[..., None]).sum(0)
    return (left.square() * places).sum() / mask.sum()
