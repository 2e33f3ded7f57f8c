"""Formulas of imitation: the likelihood of actions that a box cuts off, and who acts in DAgger."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


def censored_residual(mean: Tensor, action: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """r = a - mu, and 0 where the action is at a bound and the mean beyond it.

    The box of actions cuts off what lies beyond, so that all means there act alike; an action at the bound says only
    that the mean is there or beyond (the squared-error form of Tobin's 1958 likelihood of cut-off observations).
    """
    beyond = ((action >= high) & (mean > high)) | ((action <= low) & (mean < low))
    return (action - mean).masked_fill(beyond, 0.0)


def likeliest_log_std(mean_square: Tensor, entropy_coef: float = 0.0) -> Tensor:
    """log s, where s maximises E[log N(r; 0, s)] + c H:   s^2 = E[r^2] / (1 - c)."""
    return 0.5 * torch.log(mean_square / (1.0 - entropy_coef))


def gaussian_nll(mean_square: Tensor, log_std: Tensor) -> Tensor:
    """-E[log N(r; 0, s)] summed over the last dimension, given E[r^2]."""
    return (0.5 * mean_square * torch.exp(-2 * log_std) + log_std + LOG_SQRT_2PI).sum(-1)


def expert_share(schedule: str, round: int, rounds: float, decay: float) -> float:
    """beta_i, how often the expert acts in round i = 0, 1, ... (Ross et al. 2011, section 3 and 5).

    Args:
        schedule: ``first`` (1 in round 0, then 0), ``linear`` (down to 0 after ``rounds``), ``exponential`` (decay^i).
        round: i.
        rounds: Rounds until a linear share is 0.
        decay: Of an exponential share, between 0 and 1.
    """
    match schedule:
        case "first":
            return float(round == 0)
        case "linear":
            return max(0.0, 1.0 - round / rounds)
        case "exponential":
            return decay**round
    raise ValueError(schedule)
