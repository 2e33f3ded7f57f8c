"""The shape of a loss around given weights: extreme eigenvalues of its Hessian, and the noise of its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Spectrum(NamedTuple):
    """The result of :func:`lanczos`."""

    eigenvalues: Tensor
    """(m,) Ritz values, the smallest first: the first and the last few are eigenvalues where they have converged."""
    residuals: Tensor
    """(m,) bounds on the distance of each Ritz value to an eigenvalue of the matrix."""
    vectors: Tensor
    """(P, m) unit Ritz vectors."""


def lanczos(
    product: Callable[[Tensor], Tensor], size: int, steps: int, generator: torch.Generator | None = None
) -> Spectrum:
    """The extreme eigenvalues of a symmetric matrix that is known by its products only (Lanczos 1950).

        A q_k = b_{k-1} q_{k-1} + a_k q_k + b_k q_{k+1}

    In exact arithmetic the extreme eigenvalues of the tridiagonal matrix of a and b converge to A's first. All vectors
    are kept and each new one is orthogonalised against them twice, so that no eigenvalue appears too often.

    Args:
        product: Maps a vector (P,) of doubles to A times it.
        size: P.
        steps: m, the number of products; fewer where the space is exhausted.
        generator: Random numbers for the first vector.
    """
    steps = min(steps, size)
    q = torch.randn(size, generator=generator, dtype=torch.float64)
    basis, diagonal, beside = [q / q.norm()], [], []
    scale = 0.0
    for _ in range(steps):
        v = product(basis[-1])
        diagonal.append(float(v @ basis[-1]))
        known = torch.stack(basis, 1)
        for _ in range(2):
            v = v - known @ (known.T @ v)
        norm = float(v.norm())
        scale = max(scale, abs(diagonal[-1]), norm)
        beside.append(norm)
        if norm <= 1e-10 * max(scale, 1e-300):
            break
        basis.append(v / norm)
    m = len(diagonal)
    tridiagonal = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    if m > 1:
        off = torch.tensor(beside[: m - 1], dtype=torch.float64)
        tridiagonal = tridiagonal + torch.diag(off, 1) + torch.diag(off, -1)
    values, inner = torch.linalg.eigh(tridiagonal)
    return Spectrum(values, beside[m - 1] * inner[-1].abs(), torch.stack(basis[:m], 1) @ inner)


class GradientNoise(NamedTuple):
    """The result of :func:`gradient_noise`."""

    scale: float
    """tr(S) / |G|^2: the batch size, in examples, at which noise and gradient have equal norms."""
    variance: float
    """tr(S), the variance of the gradient of one example."""
    squared_norm: float
    """|G|^2 of the true gradient; an unbiased estimate, which may be negative if the gradient is only noise."""


def gradient_noise(gradients: Tensor, batch_size: float) -> GradientNoise:
    """B = tr(S) / |G|^2 from gradients of disjoint batches of equal size (McCandlish et al. 2018, appendix A.1).

    The gradient of a batch of B examples has the expected squared norm |G|^2 + tr(S) / B; from a small and a large B
    both terms follow.

    Args:
        gradients: (K, P) gradients of K batches, at least two.
        batch_size: Examples in each batch.
    """
    k = len(gradients)
    small, large = float(gradients.square().sum(1).mean()), float(gradients.mean(0).square().sum())
    squared = (k * large - small) / (k - 1)
    variance = batch_size * k * (small - large) / (k - 1)
    scale = variance / squared if squared > 0 else float("inf") if variance > 0 else 0.0
    return GradientNoise(scale, variance, squared)
