"""Tours: lengths by hand, the shortest by enumeration, and what a step is worth."""

from itertools import permutations

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.core.errors import UserError
from lhy_rl.envs.pointer.tour import Tour
from lhy_rl.envs.pointer.tours import nearest_neighbour, shortest_tours, tour_length

SQUARE = np.array([[[0, 0], [0, 1], [1, 1], [1, 0]]], np.float32)


def test_lengths_by_hand():
    tours = np.array([[0, 1, 2, 3], [0, 2, 1, 3]])
    np.testing.assert_allclose(tour_length(SQUARE.repeat(2, 0), tours), [4, 2 + 2 * 2**0.5])


def test_the_nearest_neighbour_by_hand():
    line = np.array([[[0.5, 0], [0.6, 0], [0.35, 0], [1, 0]]], np.float32)  # 0.1 away, then back past where it began
    assert nearest_neighbour(line).tolist() == [[0, 1, 2, 3]]
    assert nearest_neighbour(line, 3).tolist() == [[3, 1, 0, 2]]


def test_the_shortest_by_enumeration():
    pytest.importorskip("elkai")
    cities = np.random.default_rng(0).random((5, 6, 2), np.float32)
    every = [np.tile((0, *order), (5, 1)) for order in permutations(range(1, 6))]
    least = np.min([tour_length(cities, order) for order in every], 0)
    np.testing.assert_allclose(tour_length(cities, shortest_tours(cities)), least, rtol=1e-5)


@pytest.mark.parametrize("reward_at", ["step", "end"])
def test_a_tour_earns_its_negative_length(reward_at):
    env = Tour(3, num_cities=5, reward_at=reward_at, expert="nearest")
    obs, _ = env.reset(seed=1)
    cities, total, order = obs["source"], np.zeros(3), []
    for step in range(5):
        assert (obs["action_mask"].sum(1) == 5 - step).all()
        order.append(env.expert_action())
        obs, rewards, terminated, _, infos = env.step(order[-1])
        total += rewards
        np.testing.assert_array_equal(obs["observation"][0], np.concatenate([cities[0, order[-1][0]], cities[0, 0]]))
        assert reward_at == "step" or step == 4 or not rewards.any()
    assert terminated.all() and (obs["action_mask"] == 1).all()
    np.testing.assert_array_equal(np.stack(order, 1), nearest_neighbour(cities))
    np.testing.assert_allclose(infos["length"], tour_length(cities, np.stack(order, 1)), rtol=1e-6)
    np.testing.assert_allclose(total, -infos["length"], rtol=1e-6)


def test_a_city_again_costs_two_and_leads_to_the_next_one():
    env, other = Tour(1, num_cities=3), Tour(1, num_cities=3)
    for one in (env, other):
        one.reset(seed=0)
        one.step([1])
    (wrong, costs, *_), (right, length, *_) = env.step([1]), other.step([0])
    assert costs == length - 2
    assert all(np.array_equal(wrong[key], right[key]) for key in right)
    with pytest.raises(UserError, match="action 3 is not in the action space; allowed: 0 to 2"):
        env.step([3])


def test_the_expert_goes_on_from_anywhere():
    """From where somebody else led it, the shortest tour's expert leaves out what was visited."""
    pytest.importorskip("elkai")
    env = gymnasium.make_vec("lhy_rl/Tour-v0", num_envs=20, num_cities=8, expert="shortest")
    obs, _ = env.reset(seed=0)
    order = shortest_tours(obs["source"])
    second, *_ = order.T[3:4]
    env.step(second)
    lengths = None
    for _ in range(7):
        *_, infos = env.step(env.unwrapped.expert_action())
        lengths = infos.get("length", lengths)
    np.testing.assert_allclose(lengths, tour_length(obs["source"], order), rtol=1e-6)
