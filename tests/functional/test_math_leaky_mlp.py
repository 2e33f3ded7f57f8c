"""Fused leaky layers against chains of torch's operations: values, gradients, and those of a gradient penalty."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lhy_rl.functional.adversarial_penalties import gradient_penalty
from lhy_rl.functional.fused.leaky_mlp import leaky_layers
from lhy_rl.functional.fused.plain import plain_operations


def parameters(*sizes: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    made = []
    for before, after in pairwise(sizes):
        made += [torch.randn(shape, generator=generator, dtype=torch.double) for shape in ((after, before), (after,))]
    return [p.requires_grad_() for p in made]


@pytest.mark.parametrize("sizes", [(3, 2), (3, 5, 2), (3, 5, 4, 1)])
def test_values_and_gradients_are_those_of_the_chain(sizes: tuple[int, ...]) -> None:
    p, x = parameters(*sizes), torch.randn(7, 3, dtype=torch.double).requires_grad_()
    with plain_operations():
        wanted = leaky_layers(x, 0.2, *p)
        theirs = torch.autograd.grad(wanted.square().sum(), [x, *p])
    found = leaky_layers(x, 0.2, *p)
    torch.testing.assert_close(found, wanted)
    for ours, other in zip(torch.autograd.grad(found.square().sum(), [x, *p]), theirs, strict=True):
        torch.testing.assert_close(ours, other)
    assert torch.autograd.gradcheck(lambda *a: leaky_layers(a[0], 0.2, *a[1:]), (x, *p))
    assert torch.autograd.gradgradcheck(lambda *a: leaky_layers(a[0], 0.2, *a[1:]).square(), (x, *p))


def test_a_gradient_penalty_has_the_gradients_of_the_chain() -> None:
    p, generator = parameters(3, 5, 4, 1), torch.Generator()
    real, fake = torch.randn(2, 9, 3, dtype=torch.double)

    def gradients() -> tuple[Tensor, ...]:
        penalty = gradient_penalty(lambda x: leaky_layers(x, 0.2, *p)[:, 0], real, fake, generator.manual_seed(1))
        return penalty.detach(), *torch.autograd.grad(penalty, p[::2])

    with plain_operations():
        wanted = gradients()
    for ours, theirs in zip(gradients(), wanted, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_what_is_frozen_or_not_asked_for_is_left_out() -> None:
    p = parameters(3, 5, 2)
    x = torch.randn(4, 3, dtype=torch.double)
    frozen = [q.detach() for q in p]
    (grad,) = torch.autograd.grad(leaky_layers(x.requires_grad_(), 0.2, *frozen).sum(), x)
    slopes = torch.where(F.linear(x, p[0], p[1]) > 0, 1.0, 0.2)
    torch.testing.assert_close(grad, (slopes * p[2].sum(0)) @ p[0])
