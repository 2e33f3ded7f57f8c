"""Domain confusion by hand."""

from __future__ import annotations

import math

import pytest
import torch

from lhy_rl.functional.gradient_reversal import confusion_loss, reversal_ramp, reverse_gradient


def test_the_gradient_is_turned_round_and_the_value_is_not() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = reverse_gradient(x, 0.5)
    assert torch.equal(y, x)
    (y * torch.tensor([3.0, 4.0])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [-1.5, -2.0]


@pytest.mark.parametrize(("progress", "expected"), [(0.0, 0.0), (0.5, 0.98661429815), (2.0, 0.99990920426)])
def test_the_ramp(progress: float, expected: float) -> None:
    assert math.isclose(reversal_ramp(progress), expected, rel_tol=1e-9, abs_tol=1e-12)


def test_confusion_is_least_where_nobody_can_tell() -> None:
    assert math.isclose(float(confusion_loss(torch.zeros(3))), math.log(2), rel_tol=1e-6)
    # -(log sigmoid(2) + log sigmoid(-2)) / 2 = (0.126928 + 2.126928) / 2
    assert math.isclose(float(confusion_loss(torch.tensor([2.0]))), 1.126928, rel_tol=1e-5)
    assert float(confusion_loss(torch.tensor([2.0]))) == float(confusion_loss(torch.tensor([-2.0])))
