"""The curvature of a loss: products with its Hessian, the whole of a small one, and its extreme eigenvalues."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import grad, hessian, vjp

from lhy_rl.diagnostics.subject import Subject
from lhy_rl.functional.curvature import GradientNoise, Spectrum, gradient_noise, lanczos
from lhy_rl.functional.fused.plain import plain_operations
from lhy_rl.nn.backbones.base import SequenceBackbone

STEP = 1e-4  # of the central differences, as a share of the weights' length


def hessian_product(subject: Subject) -> Callable[[Tensor], Tensor]:
    """(P,) to the loss's Hessian times it, at the weights that the network has now.

    By ``torch.func``, the gradient of the gradient's product; where a recurrent layer is fused, which torch cannot
    differentiate twice, by central differences of the gradient in double precision.
    """
    if any(isinstance(module, SequenceBackbone | nn.RNNBase) for module in subject.network.modules()):
        return lambda v: _central_difference(subject, v)
    with plain_operations():
        backward = vjp(grad(subject.loss_at), subject.weights())[1]

    def product(v: Tensor) -> Tensor:
        with plain_operations():
            found: Tensor = backward(v)[0]
        return found

    return product


def _central_difference(subject: Subject, v: Tensor) -> Tensor:
    """(g(w + e v) - g(w - e v)) / 2e."""
    weights = subject.weights()
    length = float(v.norm())
    if length == 0:
        return torch.zeros_like(v)
    e: float = STEP * max(1.0, float(weights.norm())) / length / len(v) ** 0.5
    gradients = []
    for sign in (1, -1):
        subject.set_weights(weights + sign * e * v)
        gradients.append(subject.gradient())
    subject.set_weights(weights)
    return (gradients[0] - gradients[1]) / (2 * e)


def extreme_eigenvalues(subject: Subject, steps: int = 40, generator: torch.Generator | None = None) -> Spectrum:
    """Ritz values of the loss's Hessian, of so many products; the first and the last converge first."""
    return lanczos(hessian_product(subject), len(subject.weights()), steps, generator)


def whole_hessian(subject: Subject) -> Tensor:
    """(P, P), for networks of a few hundred weights."""
    with plain_operations():
        return hessian(subject.loss_at)(subject.weights())  # type: ignore[no-any-return]


def noise_of(subject: Subject, batches: int = 16, generator: torch.Generator | None = None) -> GradientNoise:
    """How noisy the gradient is, from so many separate batches of the examples."""
    size = max(1, subject.count // batches)
    order = torch.randperm(subject.count, generator=generator)
    gradients = [subject.gradient(order[i * size : (i + 1) * size]) for i in range(subject.count // size)]
    return gradient_noise(torch.stack(gradients), size)
