"""The parts of the bound by hand, and principal components against what they are known to be."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from lhy_rl.functional.variational import (
    bernoulli_log_likelihood,
    gaussian_log_likelihood,
    normal_kl,
    pca_error,
    principal_subspace,
    probabilistic_pca_log_likelihood,
)


def test_the_parts_are_those_of_torch() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(4, 3), torch.randn(4, 3)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(normal_kl(mean, log_variance), expected)
    x, drawn = torch.randn(4, 2, 3), torch.randn(4, 2, 3)
    expected = Normal(drawn, 0.3).log_prob(x).sum((1, 2))
    torch.testing.assert_close(gaussian_log_likelihood(x, drawn, torch.tensor(math.log(0.3))), expected)
    p, share = torch.rand(4, 5).clamp(0.1, 0.9), torch.randint(2, (4, 5)).float()
    torch.testing.assert_close(bernoulli_log_likelihood(share, p.logit()), Bernoulli(p).log_prob(share).sum(1))
    sure = torch.tensor([[40.0, -40.0]], requires_grad=True)  # and wrong
    bernoulli_log_likelihood(torch.tensor([[0.0, 1.0]]), sure).backward()
    torch.testing.assert_close(sure.grad, torch.tensor([[-1.0, 1.0]]))


def test_principal_components_of_a_known_cloud() -> None:
    """Four points: variances 4.5 along x, 0.5 along y."""
    x = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    directions, variances = principal_subspace(x, 1)
    torch.testing.assert_close(directions.abs(), torch.tensor([[1.0], [0.0]]))
    torch.testing.assert_close(variances, torch.tensor([4.5, 0.5]))
    assert pca_error(x, 1) == pytest.approx(0.25) and pca_error(x, 2) == 0


def test_the_likelihood_of_probabilistic_pca_is_that_of_its_normal_distribution() -> None:
    torch.manual_seed(0)
    x = torch.randn(500, 5) @ torch.randn(5, 5) + torch.arange(5)
    directions, variances = principal_subspace(x.double(), 2)
    noise = variances[2:].mean()
    weights = directions * (variances[:2] - noise).sqrt()
    model = MultivariateNormal(x.double().mean(0), weights @ weights.T + noise * torch.eye(5).double())
    expected = float(model.log_prob(x.double()).mean())
    assert probabilistic_pca_log_likelihood(x, 2) == pytest.approx(expected, abs=1e-6)
    assert probabilistic_pca_log_likelihood(x, 3) > expected
