"""Capsules, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from lhy_rl.functional.capsules import margin_loss, routing, squash


def test_squash_keeps_the_direction_and_shortens() -> None:
    s = torch.tensor([[3.0, 4.0], [0.3, -0.4], [0.0, 0.0]])
    # |s| = 5: 25/26 (0.6, 0.8); |s| = 0.5: 0.25/1.25 (0.6, -0.8)
    expected = torch.tensor([[25 / 26 * 0.6, 25 / 26 * 0.8], [0.12, -0.16], [0.0, 0.0]])
    torch.testing.assert_close(squash(s), expected)
    x = torch.zeros(2, 3, requires_grad=True)
    squash(x).sum().backward()
    assert torch.equal(x.grad, torch.zeros(2, 3))


def test_one_iteration_is_the_squashed_mean() -> None:
    u = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(routing(u, 1), squash(u.sum(1) / 3))


def test_two_iterations_by_hand() -> None:
    """Two capsules below, two above of one number: both expect 1 of the first; they expect 1 and -1 of the second."""
    u = torch.tensor([[[[1.0], [1.0]], [[1.0], [-1.0]]]])  # (1, I, K, D)
    # first: c = 1/2, s = (1, 0), v = (1/2, 0); b = u v = 1/2 for the first above, 0 for the second
    share = math.exp(0.5) / (math.exp(0.5) + 1)
    s = 2 * share
    expected = torch.tensor([[[s * s / (1 + s * s)], [0.0]]])
    torch.testing.assert_close(routing(u, 2), expected)
    assert routing(u, 5)[0, 0, 0] > routing(u, 2)[0, 0, 0] > routing(u, 1)[0, 0, 0]  # what is agreed on grows


@pytest.mark.parametrize("iterations", [1, 3])
def test_the_gradient_is_that_of_the_last_iteration(iterations: int) -> None:
    u = torch.randn(1, 4, 2, 3, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    logits = torch.zeros(1, 4, 2, dtype=torch.double)
    for _ in range(iterations - 1):
        v = squash((logits.softmax(-1)[..., None] * u).sum(1))
        logits = logits + (u * v[:, None]).sum(-1)

    def last(u: torch.Tensor) -> torch.Tensor:
        return squash((logits.softmax(-1)[..., None] * u).sum(1))

    a, b = u.clone().requires_grad_(), u.clone().requires_grad_()
    torch.testing.assert_close(routing(a, iterations), last(b))
    routing(a, iterations)[0, 0].prod().backward()
    last(b)[0, 0].prod().backward()
    torch.testing.assert_close(a.grad, b.grad)
    assert torch.autograd.gradcheck(last, (u.requires_grad_(),))


def test_margin_loss_by_hand() -> None:
    lengths = torch.tensor([[0.95, 0.3], [0.5, 0.05]])
    # label 0: 0 + 0.5 * 0.2^2 = 0.02; label 1: 0.5 * 0.4^2 + 0.85^2 = 0.08 + 0.7225
    assert margin_loss(lengths, torch.tensor([0, 1])).item() == pytest.approx((0.02 + 0.8025) / 2)
