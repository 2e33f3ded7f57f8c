"""The operations fused for speed equal the formulas that they replace, values and gradients."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from lhy_rl.functional.fused.categorical import log_prob_and_entropy
from lhy_rl.functional.fused.tanh_mlp import tanh_layers
from lhy_rl.functional.policy_gradient import (
    approximate_kl,
    categorical_entropy,
    clipped_surrogate,
    masked_mean,
    proximal_loss,
    value_loss,
)


def leaf(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("masked", [False, True])
def test_proximal_loss_is_the_sum_of_its_parts(masked):
    torch.manual_seed(0)
    log_prob, values, entropy = leaf(6, 5), leaf(6, 5), leaf(6, 5)
    old, advantage, returns = (torch.randn(6, 5, dtype=torch.float64) for _ in range(3))
    mask = torch.rand(6, 5) < 0.6 if masked else None
    ratio = log_prob - old
    parts = (
        clipped_surrogate(ratio, advantage, 0.2, mask),
        value_loss(values, returns, mask),
        masked_mean(entropy, mask),
    )
    expected = parts[0] + 0.7 * parts[1] - 0.03 * parts[2]
    loss, said = proximal_loss(log_prob, values, entropy, old, advantage, returns, 0.2, 0.7, 0.03, mask)
    assert_close(loss, expected)
    beyond = masked_mean(((ratio.exp() - 1).abs() > 0.2).double(), mask)
    assert_close(said, torch.stack([*parts, approximate_kl(ratio, mask), beyond]).detach())
    inputs = (log_prob, values, entropy)
    assert_close(torch.autograd.grad(2 * loss, inputs), torch.autograd.grad(2 * expected, inputs))


def test_proximal_loss_by_hand():
    """Ratio 1.5 against eps 0.2: held at 1.2 where the advantage is 2, not held where it is -2."""
    log_prob = torch.full((2,), math.log(1.5), requires_grad=True)
    zero, advantage = torch.zeros(2), torch.tensor([2.0, -2.0])
    loss, said = proximal_loss(log_prob, zero, zero, zero, advantage, torch.tensor([1.0, 3.0]), 0.2, 0.5)
    assert_close(said, torch.tensor([-(2.4 - 3.0) / 2, 5.0, 0.0, 0.5 - math.log(1.5), 1.0]))
    assert float(loss) == pytest.approx(0.3 + 2.5)
    assert_close(torch.autograd.grad(loss, log_prob)[0], torch.tensor([0.0, 1.5]))


def test_what_the_mask_hides_may_be_anything():
    mask = torch.tensor([True, False])
    tensors = [torch.tensor([0.5, bad]) for bad in (-math.inf, math.inf, math.nan, 0.0, math.inf, math.nan)]
    for tensor in tensors[:3]:
        tensor.requires_grad_()
    loss, said = proximal_loss(*tensors, 0.2, 0.5, 0.1, mask)
    assert loss.isfinite() and said.isfinite().all()
    for slope in torch.autograd.grad(loss, tensors[:3]):
        assert slope.isfinite().all() and slope[1] == 0


@pytest.mark.parametrize("shape", [(7, 4), (3, 2, 5)])
def test_log_prob_and_entropy(shape):
    torch.manual_seed(1)
    logits = leaf(*shape)
    actions = torch.randint(shape[-1], shape[:-1])
    log_prob, entropy = log_prob_and_entropy(logits, actions)
    other = torch.distributions.Categorical(logits=logits)
    assert_close(log_prob, other.log_prob(actions))
    assert_close(entropy, other.entropy())
    weight = torch.randn(shape[:-1], dtype=torch.float64)
    ours = torch.autograd.grad((log_prob * weight + entropy * weight.square()).sum(), logits)
    theirs = torch.autograd.grad((other.log_prob(actions) * weight + other.entropy() * weight.square()).sum(), logits)
    assert_close(ours, theirs)


def test_log_prob_and_entropy_of_masked_actions():
    logits = torch.tensor([[0.3, -torch.inf, 1.0]], requires_grad=True)
    log_prob, entropy = log_prob_and_entropy(logits, torch.tensor([2]))
    assert_close(entropy, categorical_entropy(logits))
    (slope,) = torch.autograd.grad((log_prob + entropy).sum(), logits)
    assert slope.isfinite().all() and slope[0, 1] == 0
    assert_close(torch.tensor([0.3, 1.0]).log_softmax(0)[1], log_prob[0])


@pytest.mark.parametrize("depth", [1, 3])
def test_tanh_layers(depth):
    torch.manual_seed(2)
    x, sizes = leaf(9, 4), [4, 6, 5, 3][: depth + 1]
    parameters = [leaf(*s) for i, o in pairwise(sizes) for s in ((o, i), (o,))]
    expected = x
    for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
        expected = torch.tanh(expected @ weight.T + bias)
    assert_close(tanh_layers(x, *parameters), expected)
    assert torch.autograd.gradcheck(tanh_layers, (x, *parameters))
    frozen = x.detach()
    assert torch.autograd.gradcheck(lambda *p: tanh_layers(frozen, *p), tuple(parameters))
