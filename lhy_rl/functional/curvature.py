"""What a loss is like around its weights: extreme eigenvalues of its Hessian, and how noisy its gradient is."""

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
    """(m,) an eigenvalue of the matrix is at most so far from each."""
    vectors: Tensor
    """(P, m) unit vectors to which they belong."""


def lanczos(
    product: Callable[[Tensor], Tensor], size: int, steps: int, generator: torch.Generator | None = None
) -> Spectrum:
    """The extreme eigenvalues of a symmetric matrix of which only products are known (Lanczos 1950).

        A q_k = b_{k-1} q_{k-1} + a_k q_k + b_k q_{k+1}

    In exact arithmetic the tridiagonal matrix of a and b has A's extreme eigenvalues first. All vectors are kept and
    each new one is made orthogonal to them twice, so that no eigenvalue appears more often than it should.

    Args:
        product: (P,) double to A times it.
        size: P.
        steps: m, products that are made; fewer where the space is exhausted.
        generator: Of the first vector.
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
    """tr(S) / |G|^2: the batch size, in examples, at which noise and gradient are equally long."""
    variance: float
    """tr(S), of the gradient of one example."""
    squared_norm: float
    """|G|^2 of the true gradient; an estimate without bias, which may be negative where noise is all there is."""


def gradient_noise(gradients: Tensor, batch_size: float) -> GradientNoise:
    """B = tr(S) / |G|^2 from gradients of equal, separate batches (McCandlish et al. 2018, appendix A.1).

    A batch of B examples has a gradient of squared length |G|^2 + tr(S) / B in the mean; from a small and a large B
    both terms follow.

    Args:
        gradients: (K, P) of K batches, at least two.
        batch_size: Examples of each.
    """
    k = len(gradients)
    small, large = float(gradients.square().sum(1).mean()), float(gradients.mean(0).square().sum())
    squared = (k * large - small) / (k - 1)
    variance = batch_size * k * (small - large) / (k - 1)
    scale = variance / squared if squared > 0 else float("inf") if variance > 0 else 0.0
    return GradientNoise(scale, variance, squared)
