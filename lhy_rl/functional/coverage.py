"""Two penalties on attention weights that discourage attending to the same place again and again.

a (T, B, L) are the weights of T steps on L places; c_t = sum_{t' < t} a_t' is the coverage of each place so far.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lhy_rl.functional.policy_gradient import masked_mean


def coverage_loss(weights: Tensor, mask: Tensor) -> Tensor:
    """L = E_t[ sum_l min(a_tl, c_tl) ]     (See et al. 2017, eqs. 10 and 12): 0 if no place is attended to twice.

    Args:
        weights: (T, B, L).
        mask: (T, B) bool: the steps that count.
    """
    counted = weights * mask[..., None]
    covered = counted.cumsum(0) - counted
    return masked_mean(torch.minimum(counted, covered).sum(-1), mask)


def doubly_stochastic_loss(weights: Tensor, mask: Tensor, places: Tensor) -> Tensor:
    """L = E_b[ sum_l (1 - sum_t a_tl)^2 ] / E_b[steps]     (Xu et al. 2015, eq. 14): 0 if each place's sum is 1.

    It is divided by the steps, like a likelihood per token, so that one coefficient fits sources of all lengths.

    Args:
        weights: (T, B, L).
        mask: (T, B) bool: the steps that count.
        places: (B, L) bool: the places that exist.
    """
    left = 1 - (weights * mask[..., None]).sum(0)
    return (left.square() * places).sum() / mask.sum()
