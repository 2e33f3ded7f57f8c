"""Running moments are the moments of everything; rewards are scaled by the return's deviation."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from lhy_rl.agents.normalize import Normalizer, RunningMoments
from lhy_rl.errors import UserError


def test_moments_of_parts_are_those_of_the_whole():
    samples = np.random.default_rng(0).normal(3.0, 2.0, (1000, 4))
    moments = RunningMoments((4,))
    for part in np.split(samples, [10, 11, 400]):
        moments.update(part)
    np.testing.assert_allclose(moments.mean, samples.mean(0), atol=1e-5)
    np.testing.assert_allclose(moments.variance, samples.var(0), rtol=1e-4)


def test_rewards_by_hand():
    """Returns 2, 2 + 0.5 * 2 = 3, then 2 anew after the end; they are divided by those returns' deviation."""
    normalizer = Normalizer(Discrete(2), 1, gamma=0.5, rewarded=True)
    rewards = np.full((3, 1), 2.0, np.float32)
    scaled = normalizer.rewards(rewards, np.array([[False], [True], [False]]))
    np.testing.assert_allclose(scaled, 2.0 / np.std([2.0, 3.0, 2.0]), rtol=1e-2)
    assert normalizer.running.tolist() == [2.0]


def test_only_boxes_have_moments():
    with pytest.raises(UserError, match="cannot be normalised; allowed: Box"):
        Normalizer(Discrete(3), 2, 0.9, observed=True)
    obs = np.full((2, 3), 7.0)
    assert Normalizer(Box(0, 9, (3,)), 2, 0.9).observations(obs, learn=True) is obs
