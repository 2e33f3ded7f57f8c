"""The likelihood of actions of a normal distribution that are clipped to the bounds of a box."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


def censored_residual(mean: Tensor, action: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """r = a - mu, and 0 where the action is at a bound and the mean beyond it.

    Actions are clipped to their box, so that all means beyond a bound act alike; an action at the bound says only that
    the mean is at or beyond it (the squared-error form of Tobin's 1958 likelihood of censored observations).
    """
    beyond = ((action >= high) & (mean > high)) | ((action <= low) & (mean < low))
    return (action - mean).masked_fill(beyond, 0.0)


def likeliest_log_std(mean_square: Tensor, entropy_coef: float = 0.0) -> Tensor:
    """log s, where s maximises E[log N(r; 0, s)] + c H:   s^2 = E[r^2] / (1 - c)."""
    return 0.5 * torch.log(mean_square / (1.0 - entropy_coef))


def gaussian_nll(mean_square: Tensor, log_std: Tensor) -> Tensor:
    """-E[log N(r; 0, s)] summed over the last dimension, given E[r^2]."""
    return (0.5 * mean_square * torch.exp(-2 * log_std) + log_std + LOG_SQRT_2PI).sum(-1)
