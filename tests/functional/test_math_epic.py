"""EPIC: what does not change a best policy does not count."""

from __future__ import annotations

import numpy as np
import pytest

from lhy_rl.functional.dynamic_programming import value_iteration
from lhy_rl.functional.epic import canonical, epic_distance

RNG = np.random.default_rng(0)
REWARD, POTENTIAL = RNG.normal(size=(5, 3, 5)), RNG.normal(size=5)
GAMMA = 0.9
SHAPED = 2.5 * (REWARD + GAMMA * POTENTIAL - POTENTIAL[:, None, None]) + 0.7


def test_the_canonical_form_by_hand():
    reward = np.array([[[0.0, 2.0]], [[4.0, 6.0]]])  # E[R(0, A, S')] = 1, E[R(1, A, S')] = 5, E of all = 3
    expected = [[[0 + 0.5 - 1 - 1.5, 2 + 2.5 - 1 - 1.5]], [[4 + 0.5 - 5 - 1.5, 6 + 2.5 - 5 - 1.5]]]
    np.testing.assert_allclose(canonical(reward, 0.5), expected)


def test_shaping_leaves_the_canonical_form_as_it_is():
    shaped = REWARD + GAMMA * POTENTIAL - POTENTIAL[:, None, None]
    np.testing.assert_allclose(canonical(shaped, GAMMA), canonical(REWARD, GAMMA))
    weights = np.arange(1.0, 6)
    np.testing.assert_allclose(canonical(shaped, GAMMA, weights), canonical(REWARD, GAMMA, weights))


def test_scale_shaping_and_constants_do_not_count_though_the_numbers_are_far_apart():
    assert epic_distance(REWARD, SHAPED, GAMMA) < 1e-7
    flat, bent = REWARD.ravel(), SHAPED.ravel()
    assert np.corrcoef(flat, bent)[0, 1] < 0.9  # raw they look different
    transitions = np.random.default_rng(1).dirichlet(np.ones(5), size=(5, 3))
    policies = [value_iteration(transitions, reward, GAMMA).policy for reward in (REWARD, SHAPED)]
    np.testing.assert_array_equal(*policies)  # and it is right that they do not


def test_distances_of_known_pairs():
    assert epic_distance(REWARD, -REWARD, GAMMA) == pytest.approx(1.0)
    assert epic_distance(REWARD, np.zeros_like(REWARD), GAMMA) == pytest.approx(np.sqrt(0.5))
    other = np.random.default_rng(3).normal(size=(40, 3, 40))
    another = np.random.default_rng(4).normal(size=(40, 3, 40))
    assert epic_distance(other, another, GAMMA) == pytest.approx(np.sqrt(0.5), abs=0.05)


def test_rewards_of_states_are_compared_by_correlation():
    first, second = np.array([0.0, 1.0, 2.0, 4.0]), np.array([1.0, 1.0, 3.0, 3.0])
    rho = np.corrcoef(first, second)[0, 1]
    assert epic_distance(first, second) == pytest.approx(np.sqrt((1 - rho) / 2))
    assert epic_distance(first, np.broadcast_to(first, (4, 2, 4))) < 1e-7
    assert epic_distance(first, second, weights=np.array([1.0, 1.0, 0.0, 0.0])) == pytest.approx(np.sqrt(0.5))
