"""Divergences at a temperature, by hand, by autograd and by torch's distributions."""

from __future__ import annotations

import math

import pytest
import torch

from lhy_rl.functional.distillation import gaussian_kl, tempered_gaussian_kl, tempered_kl


def test_two_actions_by_hand() -> None:
    teacher, student = torch.tensor([math.log(3.0), 0.0]), torch.zeros(2)  # 3/4 and 1/4; 1/2 and 1/2
    assert tempered_kl(teacher, student).item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    p = math.sqrt(3.0) / (1 + math.sqrt(3.0))  # at T = 2
    by_hand = 4 * (p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p)))
    assert tempered_kl(teacher, student, 2.0).item() == pytest.approx(by_hand)


def test_the_gradient_is_t_times_the_difference_of_the_probabilities() -> None:
    teacher, temperature = torch.randn(5, 4, dtype=torch.float64), 3.0
    student = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    tempered_kl(teacher, student, temperature).sum().backward()
    difference = (student.detach() / temperature).softmax(-1) - (teacher / temperature).softmax(-1)
    torch.testing.assert_close(student.grad, temperature * difference)


def test_at_a_high_temperature_logits_are_matched() -> None:
    """Hinton et al. 2015, eq. 4: the gradient is the difference of the centred logits by the number of actions."""
    teacher = torch.tensor([1.0, -2.0, 4.0], dtype=torch.float64)
    student = torch.tensor([0.5, 0.0, 1.0], dtype=torch.float64, requires_grad=True)
    tempered_kl(teacher, student, 1e4).backward()
    centred = (student.detach() - student.detach().mean() - teacher + teacher.mean()) / 3
    torch.testing.assert_close(student.grad, centred, atol=1e-3, rtol=0)


def test_masked_actions_add_nothing_and_have_no_gradient() -> None:
    teacher = torch.tensor([0.3, -torch.inf, 1.0])
    student = torch.tensor([0.7, -torch.inf, 0.1], requires_grad=True)
    both = tempered_kl(teacher[[0, 2]], student[[0, 2]], 2.0)
    found = tempered_kl(teacher, student, 2.0)
    assert found.item() == pytest.approx(both.item())
    found.backward()
    assert student.grad is not None and student.grad[1] == 0 and student.grad.isfinite().all()


def test_normal_distributions_are_torchs() -> None:
    mean_p, mean_q, log_p, log_q = torch.randn(4, 6, 3, dtype=torch.float64)
    p, q = (torch.distributions.Normal(m, s.exp()) for m, s in ((mean_p, log_p), (mean_q, log_q)))
    torch.testing.assert_close(
        gaussian_kl(mean_p, log_p, mean_q, log_q), torch.distributions.kl_divergence(p, q).sum(-1)
    )
    hot = (torch.distributions.Normal(m, 2 * s.exp()) for m, s in ((mean_p, log_p), (mean_q, log_q)))
    torch.testing.assert_close(
        tempered_gaussian_kl(mean_p, log_p, mean_q, log_q, 2.0), 4 * torch.distributions.kl_divergence(*hot).sum(-1)
    )


def test_of_equal_deviations_the_temperature_changes_nothing() -> None:
    mean_p, mean_q, log_std = torch.randn(3, 5, 2)
    cold, hot = (tempered_gaussian_kl(mean_p, log_std, mean_q, log_std, t) for t in (1.0, 5.0))
    torch.testing.assert_close(cold, hot, rtol=1e-4, atol=1e-4)
