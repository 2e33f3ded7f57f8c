"""Penalties that adversarial objectives add to their losses: they bound a critic's gradient and keep samples apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from lhy_rl.functional.fused.leaky_mlp import gradients_of_inputs_alone


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """E[(||grad_z s(z)|| - 1)^2],   z = u x + (1 - u) g,   u ~ U[0, 1] per row   (Gulrajani et al. 2017, eq. 3).

    Args:
        critic: Maps (N, ...) continuous inputs (embeddings, not token ids) to scores with N first; row n's scores
            depend on row n alone (no batch normalisation).
        real: (N, ...).
        fake: Same shape.
        generator: Random numbers for u.

    Returns:
        A scalar, not yet multiplied with the objective's ``penalty_weight``; differentiable with respect to the critic.
    """
    owner = real.device if generator is None else generator.device
    u = torch.rand(len(real), *[1] * (real.dim() - 1), generator=generator, device=owner, dtype=real.dtype)
    u = u.to(real.device)
    between = (u * real + (1 - u) * fake).detach().requires_grad_()
    with gradients_of_inputs_alone():
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norm: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return (norm - 1).square().mean()


def pulling_away(codes: Tensor) -> Tensor:
    """1 / (N (N - 1)) sum_i sum_{j != i} (c_i . c_j / |c_i| |c_j|)^2   (Zhao et al. 2017, eq. 4), of codes (N, K).

    It is small where the codes of a batch point in different directions. Added to the loss of an energy-based GAN's
    generator it keeps its samples apart.
    """
    directions = F.normalize(codes, dim=1)
    n = len(codes)
    return ((directions @ directions.T).square().sum() - n) / (n * (n - 1))


@torch.no_grad()
def clip_weights(parameters: Iterable[Tensor], bound: float) -> None:
    """Clamp every weight to [-bound, bound], in place (Arjovsky et al. 2017, algorithm 1, line 7)."""
    for parameter in parameters:
        parameter.clamp_(-bound, bound)
