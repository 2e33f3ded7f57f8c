"""The terms of a variational autoencoder's bound, and closed forms to compare it with.

log p(x) >= E_q[log p(x | z)] - KL(q(z | x) || N(0, I))          (Kingma and Welling 2014, eq. 3)
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def normal_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(m, s^2) || N(0, I)) = 1/2 sum (m^2 + s^2 - log s^2 - 1), of (N, Z): (N,) nats (their appendix B)."""
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)


def gaussian_log_likelihood(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """log N(x; m, s^2 I) of samples (N, ...), with one s for all entries: (N,) nats."""
    z = (x - mean) * torch.exp(-log_std)
    return -(0.5 * z.square() + log_std + 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)


def bernoulli_log_likelihood(x: Tensor, logits: Tensor) -> Tensor:
    """sum x log p + (1 - x) log(1 - p), p = sigmoid(logits), of samples (N, ...) from 0 to 1: (N,) nats.

    It takes logits, not p, because their gradient x - p stays exact however large they are.
    """
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def principal_subspace(x: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The directions in which samples (N, D) vary most, (D, size), and the variances along all D, the largest first."""
    centred = x - x.mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
    return vectors.flip(1)[:, :size], values.flip(0).clamp_min(0)


def pca_error(x: Tensor, size: int) -> float:
    """Mean squared error per entry when samples (N, D) are encoded in ``size`` numbers by PCA and decoded: the least of
    any linear autoencoder (Baldi and Hornik 1989)."""
    return float(principal_subspace(x, size)[1][size:].sum() / x.shape[1])


def probabilistic_pca_log_likelihood(x: Tensor, size: int) -> float:
    """The greatest mean log p(x) of x = W z + m + s e, in nats per sample (Tipping and Bishop 1999, eqs. 3 to 8).

    -1/2 (D log 2 pi + sum_{i <= q} log l_i + (D - q) log s^2 + D),   s^2 = mean of the other l_i

    Args:
        x: (N, D) samples.
        size: q, the dimension of z.
    """
    variances = principal_subspace(x.double(), size)[1]
    d = x.shape[1]
    noise = variances[size:].mean()
    logs = variances[:size].log().sum() + (d - size) * noise.log()
    return float(-0.5 * (d * math.log(2 * math.pi) + logs + d))
