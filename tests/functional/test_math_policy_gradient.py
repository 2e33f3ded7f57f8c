"""Losses of policies and critics: hand-computed numbers, gradients and identities."""

from math import exp, log

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from lhy_rl.functional import (
    actor_critic_loss,
    approximate_kl,
    categorical_entropy,
    categorical_kl,
    clip_fraction,
    clipped_surrogate,
    masked_mean,
    reinforce_loss,
    value_loss,
)


def tensor(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def gradient(loss, at):
    at = at.clone().requires_grad_()
    return torch.autograd.grad(loss(at), at)[0]


def test_masked_mean():
    x = tensor(1.0, 2.0, float("inf"), float("nan"))
    assert masked_mean(x, torch.tensor([True, True, False, False])).item() == 1.5
    assert masked_mean(x, torch.zeros(4, dtype=torch.bool)).item() == 0.0
    assert masked_mean(x[:2]).item() == 1.5


def test_masked_entries_get_no_gradient():
    mask = torch.tensor([True, False])
    slope = gradient(lambda x: masked_mean(x.log(), mask), tensor(2.0, 0.0))
    assert slope[0].item() == 0.5


LOSSES = {
    "reinforce_loss": lambda x, y, mask: reinforce_loss(x, y, mask),
    "value_loss": lambda x, y, mask: value_loss(x, y, mask),
    "actor_critic_loss": lambda x, y, mask: actor_critic_loss(x, y, x, y, x, 0.5, 0.1, mask),
    "clipped_surrogate": lambda x, y, mask: clipped_surrogate(x - y, y, 0.2, mask),
    "approximate_kl": lambda x, y, mask: approximate_kl(x - y, mask),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("x", [float("inf"), -float("inf"), float("nan"), 1e200, 0.0])
@pytest.mark.parametrize("y", [float("inf"), -float("inf"), float("nan"), 0.0])
def test_what_the_mask_hides_may_be_anything(loss, x, y):
    mask, inputs, others = torch.tensor([True, False]), tensor(0.5, x), tensor(0.3, y)
    expected = loss(inputs[:1], others[:1], None)
    assert_close(loss(inputs, others, mask), expected)
    slope = gradient(lambda at: loss(at, others, mask), inputs)
    assert_close(slope, torch.cat([gradient(lambda at: loss(at, others[:1], None), inputs[:1]), tensor(0.0)]))


def test_reinforce_by_hand():
    # -(-1*2 + -3*(-1)) / 2 = -0.5;  with the second entry masked: 2
    log_prob, advantage = tensor(-1.0, -3.0), tensor(2.0, -1.0)
    assert reinforce_loss(log_prob, advantage).item() == -0.5
    assert reinforce_loss(log_prob, advantage, torch.tensor([True, False])).item() == 2.0


def test_no_gradient_through_advantage_and_returns():
    advantage = tensor(2.0).requires_grad_()
    log_prob = tensor(-1.0).requires_grad_()
    reinforce_loss(log_prob, advantage).backward()
    value_loss(log_prob, advantage).backward()
    clipped_surrogate(log_prob, advantage, 0.2).backward()
    assert advantage.grad is None
    assert log_prob.grad is not None


def test_value_loss_by_hand():
    assert value_loss(tensor(1.0, 2.0), tensor(3.0, 1.0)).item() == 2.5  # (4 + 1) / 2
    assert gradient(lambda v: value_loss(v, tensor(3.0, 1.0)), tensor(1.0, 2.0)).tolist() == [-2.0, 1.0]


def test_actor_critic_by_hand():
    # policy -0.5 as above, value 0.5 * 2.5, entropy 0.1 * 0.6
    loss = actor_critic_loss(
        tensor(-1.0, -3.0), tensor(2.0, -1.0), tensor(1.0, 2.0), tensor(3.0, 1.0), tensor(0.4, 0.8), 0.5, 0.1
    )
    assert_close(loss.item(), -0.5 + 1.25 - 0.06)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        # inside the range: -r A, slope in log r is -r A
        (1.1, 2.0, -2.2, -2.2),
        (0.9, -2.0, 1.8, 1.8),
        # moved too far in the good direction: clipped, no slope
        (1.5, 2.0, -2.4, 0.0),
        (0.5, -2.0, 1.6, 0.0),
        # moved too far in the bad direction: not clipped, so that it comes back
        (0.5, 2.0, -1.0, -1.0),
        (1.5, -2.0, 3.0, 3.0),
    ],
)
def test_clipped_surrogate_by_hand(ratio, advantage, loss, slope):
    def surrogate(log_ratio):
        return clipped_surrogate(log_ratio, tensor(advantage), 0.2)

    assert_close(surrogate(tensor(log(ratio))).item(), loss)
    assert_close(gradient(surrogate, tensor(log(ratio))).item(), slope)


@settings(max_examples=30)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.floats(0.01, 0.5))
def test_clipped_surrogate_has_the_policy_gradient_at_ratio_one(advantages, clip_range):
    advantage = tensor(*advantages)
    old = torch.linspace(-2, -1, len(advantages), dtype=torch.float64)
    surrogate = gradient(lambda new: clipped_surrogate(new - old, advantage, clip_range), old)
    assert_close(surrogate, gradient(lambda new: reinforce_loss(new, advantage), old))


def test_clip_fraction_by_hand():
    log_ratio = tensor(log(1.5), log(1.1), log(0.7), log(0.9))
    assert_close(clip_fraction(log_ratio, 0.2).item(), 0.5)
    assert_close(clip_fraction(log_ratio, 0.2, torch.tensor([True, True, False, True])).item(), 1 / 3)


def test_entropy_and_kl_by_hand():
    p, q = tensor(0.5, 0.25, 0.25).log(), tensor(0.25, 0.25, 0.5).log()
    assert_close(categorical_entropy(p).item(), 1.5 * log(2))
    assert_close(categorical_kl(p, q).item(), 0.25 * log(2))  # 0.5 log 2 + 0 + 0.25 log(1/2)
    assert_close(categorical_entropy(torch.zeros(2, 7)), torch.full((2,), log(7)))
    assert_close(categorical_kl(p + 3.0, p).item(), 0.0)  # a constant added to logits changes nothing


def test_masked_actions_keep_entropy_kl_and_their_gradients_finite():
    logits = tensor(0.0, 0.0, -torch.inf)
    assert_close(categorical_entropy(logits).item(), log(2))
    assert_close(categorical_kl(logits, logits).item(), 0.0)
    assert_close(gradient(lambda x: categorical_entropy(x).sum(), logits), tensor(0.0, 0.0, 0.0))
    assert_close(gradient(lambda x: categorical_kl(x, logits).sum(), logits), tensor(0.0, 0.0, 0.0))


@settings(max_examples=30)
@given(
    st.lists(st.floats(-4, 4), min_size=3, max_size=3),
    st.lists(st.floats(-4, 4), min_size=3, max_size=3),
)
def test_kl_is_cross_entropy_minus_entropy_and_its_estimate_is_unbiased(a, b):
    p, q = tensor(*a), tensor(*b)
    probabilities, log_ratio = p.softmax(-1), q.log_softmax(-1) - p.log_softmax(-1)
    cross_entropy = -(probabilities * q.log_softmax(-1)).sum()
    kl = categorical_kl(p, q)
    assert kl > -1e-9
    assert_close(kl, cross_entropy - categorical_entropy(p))
    # The estimate, averaged exactly over the actions of p, is the divergence.
    assert_close((probabilities * torch.stack([approximate_kl(r) for r in log_ratio])).sum(), kl)


def test_approximate_kl_by_hand():
    assert_close(approximate_kl(tensor(0.0, 1.0)).item(), (exp(1) - 2) / 2)
