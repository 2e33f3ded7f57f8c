"""The fused log-probability against torch's own chain."""

import pytest
import torch

from lhy_rl.functional.fused.categorical import linear_log_prob


def tensors(n, h, v, seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*s, generator=generator, dtype=torch.double, **options) for s in ((n, h), (v, h), (v,))]


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_equals_log_softmax(temperature):
    h, w, b = tensors(300, 4, 7)
    actions = torch.arange(300) % 7
    expected = torch.log_softmax((h @ w.T + b) / temperature, -1).gather(1, actions[:, None])[:, 0]
    torch.testing.assert_close(linear_log_prob(h, w, b, actions, temperature), expected)


def test_gradient_against_finite_differences():
    h, w, b = tensors(5, 3, 4, requires_grad=True)
    actions = torch.tensor([0, 3, 1, 1, 2])
    assert torch.autograd.gradcheck(lambda *x: linear_log_prob(*x, actions, 0.7), (h, w, b))


def test_an_impossible_action_has_a_finite_log_probability():
    h = torch.ones(1, 1)
    weight, bias = torch.tensor([[0.0], [-500.0]]), torch.zeros(2)
    assert linear_log_prob(h, weight, bias, torch.tensor([1])).item() == pytest.approx(-500.0)
