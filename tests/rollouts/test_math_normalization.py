"""Running moments are the moments of everything; rewards are scaled by the return's deviation."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from lhy_rl.core.errors import UserError
from lhy_rl.rollouts.normalization import Normalizer, RunningMoments


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
    scaled = normalizer.rewards(rewards, np.array([[False], [True], [False]]), np.ones((3, 1), bool))
    np.testing.assert_allclose(scaled, 2.0 / np.std([2.0, 3.0, 2.0]), rtol=1e-2)
    assert normalizer.running.tolist() == [2.0]


def test_steps_that_only_reset_teach_nothing():
    """As above with a step that is none between the episodes: what it pays is not looked at."""
    normalizer = Normalizer(Discrete(2), 1, gamma=0.5, rewarded=True)
    rewards = np.array([[2.0], [2.0], [9.0], [2.0]])
    done, valid = np.array([[False], [True], [False], [False]]), np.array([[True], [True], [False], [True]])
    normalizer.rewards(rewards, done, valid)
    assert normalizer.rewarded.count == pytest.approx(3, abs=1e-3)
    assert normalizer.rewarded.mean == pytest.approx(7 / 3, abs=1e-3)
    assert normalizer.running.tolist() == [2.0]


def test_observations_count_once_each():
    normalizer = Normalizer(Box(0, 9, (2,)), 3, 0.9, observed=True)
    normalizer.learn(np.array([[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]]), np.array([True, True, False]))
    np.testing.assert_allclose(normalizer.observed.mean, [2.0, 4.0], atol=1e-3)
    np.testing.assert_allclose(normalizer.observations(np.array([2.0, 4.0])), [0.0, 0.0], atol=1e-3)
    assert normalizer.observed.count == pytest.approx(2, abs=1e-3), "to normalise is not to learn"


def test_only_boxes_have_moments():
    with pytest.raises(UserError, match="cannot be normalised; allowed: Box"):
        Normalizer(Discrete(3), 2, 0.9, observed=True)
    obs = np.full((2, 3), 7.0)
    assert Normalizer(Box(0, 9, (3,)), 2, 0.9).observations(obs) is obs
