"""Generators and what they are made of: spaces there and back, priors, readers that heed conditions, translation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from lhy_rl.core.errors import UserError
from lhy_rl.nn.generative.generator_policy import GeneratorPolicy, Prior
from lhy_rl.nn.generative.sample_discriminator import SampleDiscriminator
from lhy_rl.nn.generative.sample_networks import SampleNetworkOptions
from lhy_rl.nn.generative.sample_space import SampleSpace
from lhy_rl.nn.generative.translation import PictureTranslator

PICTURE, PLANE = Box(0, 255, (8, 16, 3), np.uint8), Box(-2.0, 6.0, (3,), np.float32)
SMALL = SampleNetworkOptions(width=4, hidden_size=8, code_size=4)


def test_samples_go_to_the_network_and_back() -> None:
    space = SampleSpace(PICTURE)
    stored = torch.randint(256, (5, 8, 16, 3), dtype=torch.uint8)
    pictures = space.to_network(stored)
    assert pictures.shape == (5, 3, 8, 16) and pictures.min() >= -1 and pictures.max() <= 1
    torch.testing.assert_close(space.from_network(pictures).round().to(torch.uint8), stored)
    np.testing.assert_array_equal(space.as_bytes(stored.numpy()), stored.numpy())
    space = SampleSpace(PLANE)
    torch.testing.assert_close(space.to_network(torch.tensor([[-2.0, 2.0, 6.0]])), torch.tensor([[-4.0, 0.0, 4.0]]))
    free = SampleSpace(Box(-np.inf, np.inf, (2,), np.float32))
    points = torch.randn(4, 2)
    torch.testing.assert_close(free.to_network(points), points)
    torch.testing.assert_close(
        SampleSpace(PLANE).from_network(SampleSpace(PLANE).to_network(points[:, [0, 1, 1]])), points[:, [0, 1, 1]]
    )
    with pytest.raises(UserError, match="one lower and one upper bound"):
        SampleSpace(Box(np.array([0.0, -1.0]), np.array([1.0, 1.0])))


def test_a_prior_takes_mean_and_covariance() -> None:
    torch.manual_seed(0)
    codes = torch.randn(4000, 3) @ torch.randn(3, 3) + torch.tensor([1.0, -2.0, 5.0])
    prior = Prior(3)
    noise = torch.randn(20000, 3)
    torch.testing.assert_close(prior(noise), noise)
    prior.fit(codes)
    drawn = prior(noise)
    torch.testing.assert_close(drawn.mean(0), codes.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(torch.cov(drawn.T), torch.cov(codes.T), atol=0.2, rtol=0.05)


@pytest.mark.parametrize("network", ["convolutions", "mlp", "linear"])
def test_policies_and_discriminators_heed_the_condition(network: str) -> None:
    torch.manual_seed(0)
    options = SampleNetworkOptions(network=network, width=4, hidden_size=8, code_size=4)
    policy, space = GeneratorPolicy(Discrete(3), PICTURE, options), SampleSpace(PICTURE)
    (first, _), (again, _), (other, _) = (
        policy.act(torch.tensor([label]), (), deterministic=True) for label in (0, 0, 2)
    )
    assert first.shape == (1, 8, 16, 3) and torch.equal(first, again) and not torch.allclose(first, other)
    x = space.to_network(first)
    for kind in ("logit", "energy"):
        discriminator = SampleDiscriminator(Discrete(3), space, options, kind)  # type: ignore[arg-type]
        scores = [discriminator(x, torch.tensor([label])) for label in (0, 2)]
        assert scores[0].shape == (1,) and not torch.allclose(*scores)
        assert kind == "logit" or scores[0].item() > 0


def test_rows_of_a_deterministic_batch_differ() -> None:
    policy = GeneratorPolicy(Discrete(1), PLANE, SMALL)
    points, _ = policy.act(torch.zeros(6, dtype=torch.long), (), deterministic=True)
    assert len(torch.unique(points, dim=0)) == 6
    drawn, _ = policy.act(torch.zeros(6, dtype=torch.long), (), generator=torch.Generator().manual_seed(1))
    assert not torch.allclose(points, drawn)


def test_a_translator_keeps_places() -> None:
    """A pixel that changes moves its neighbourhood most."""
    torch.manual_seed(0)
    network = PictureTranslator((1, 32, 32), 4, 2).eval()
    given = torch.zeros(2, 2 + 32 * 32)
    given[1, 2 + 32 * 4 + 4] = 3.0  # near the upper left corner
    with torch.no_grad():
        first, second = network(given)
    moved = (first - second).abs()[0]
    assert first.shape == (1, 32, 32) and moved[:16, :16].mean() > 1.5 * moved[16:, 16:].mean()
