"""The operations fused for speed equal the formulas that they replace, values and gradients."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from lhy_rl.functional.fused.categorical import log_prob_and_entropy
from lhy_rl.functional.fused.tanh_mlp import tanh_layers
from lhy_rl.functional.policy_gradient import categorical_entropy


def leaf(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


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
