"""Planning on tables that can be solved by hand, and the identities that tie its functions together."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lhy_rl.functional.dynamic_programming import (
    occupancies,
    policy_evaluation,
    reached,
    sample_paths,
    soft_value_iteration,
    step_rewards,
    value_iteration,
    visitation,
)

# Two states, two actions: 0 stays, 1 goes to the other state. Reaching state 1 pays 1.
SWITCH = np.zeros((2, 2, 2))
SWITCH[0, 0, 0] = SWITCH[0, 1, 1] = SWITCH[1, 0, 1] = SWITCH[1, 1, 0] = 1.0
PAYS = np.array([0.0, 1.0])


def random_task(seed: int, states: int = 6, actions: int = 3, terminal: bool = True):
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.ones(states), size=(states, actions))
    if terminal:
        transitions[-1] = 0.0
    policy = rng.dirichlet(np.ones(actions), size=(4, states))
    return transitions, rng.normal(size=states), policy, rng.dirichlet(np.ones(states))


def test_step_rewards_of_three_shapes_agree():
    np.testing.assert_array_equal(step_rewards(SWITCH, PAYS), [[0, 1], [1, 0]])
    whole = np.broadcast_to(PAYS, SWITCH.shape)
    np.testing.assert_array_equal(step_rewards(SWITCH, whole), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(step_rewards(SWITCH, step_rewards(SWITCH, PAYS)), [[0, 1], [1, 0]])


def test_the_best_policy_by_hand():
    plan = value_iteration(SWITCH, PAYS, horizon=3)
    np.testing.assert_allclose(plan.values, [[3, 3], [2, 2], [1, 1]])
    np.testing.assert_array_equal(plan.policy[0], [[0, 1], [1, 0]])
    endless = value_iteration(SWITCH, PAYS, gamma=0.5)  # 1 / (1 - 0.5)
    np.testing.assert_allclose(endless.values, [2, 2])
    np.testing.assert_allclose(endless.action_values, [[1, 2], [2, 1]])


def test_equally_good_actions_share_the_policy():
    np.testing.assert_array_equal(value_iteration(SWITCH, np.zeros(2), horizon=2).policy, np.full((2, 2, 2), 0.5))


def test_the_soft_policy_by_hand():
    plan = soft_value_iteration(SWITCH, PAYS, horizon=1)
    assert plan.values[0] == pytest.approx([math.log(1 + math.e)] * 2)
    assert plan.policy[0, 0, 1] == pytest.approx(math.e / (1 + math.e))
    halved = soft_value_iteration(SWITCH, PAYS, horizon=1, temperature=0.5)
    assert halved.policy[0, 0, 1] == pytest.approx(math.e**2 / (1 + math.e**2))


def test_the_soft_policy_without_rewards_is_as_undecided_as_can_be():
    plan = soft_value_iteration(SWITCH, np.zeros(2), horizon=3)
    np.testing.assert_allclose(plan.policy, 0.5)
    assert plan.values[0] == pytest.approx([3 * math.log(2)] * 2)


def test_a_cold_soft_policy_is_the_best_one():
    transitions, reward, _, _ = random_task(0)
    hard, soft = value_iteration(transitions, reward, 0.9), soft_value_iteration(transitions, reward, 0.9, None, 1e-4)
    np.testing.assert_allclose(soft.values, hard.values, atol=1e-2)
    np.testing.assert_allclose(soft.policy[:-1], hard.policy[:-1], atol=1e-6)  # the last state is terminal


def test_the_soft_policy_earns_the_most_reward_and_entropy():
    transitions, reward, other, _ = random_task(1)
    plan = soft_value_iteration(transitions, reward, 0.9)
    goes_on = transitions.any((1, 2))[:, None]

    def soft_return(policy):
        bonus = -np.where(goes_on, np.log(policy), 0.0)  # of an action, where there is one
        return policy_evaluation(transitions, step_rewards(transitions, reward) + bonus, policy, 0.9)

    np.testing.assert_allclose(soft_return(plan.policy), plan.values, atol=1e-8)
    assert (soft_return(other[0]) < plan.values)[:-1].all()


@pytest.mark.parametrize("horizon", [None, 4])
@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_visited_times_the_reward_is_the_value(horizon, terminal):
    """<D, r> = E[V(s_0)] for every policy: the identity that inverse reinforcement learning stands on."""
    transitions, reward, policy, starts = random_task(2, terminal=terminal)
    policy = policy if horizon else policy[0]
    visits = visitation(transitions, policy, starts, 0.8, horizon)
    values = policy_evaluation(transitions, reward, policy, 0.8, horizon)
    value = starts @ (values[0] if horizon else values)
    assert (visits * step_rewards(transitions, reward)).sum() == pytest.approx(value)
    assert reached(transitions, visits) @ reward == pytest.approx(value)


def test_visits_by_hand():
    always_switch = np.array([[0.0, 1.0], [0.0, 1.0]])
    visits = visitation(SWITCH, always_switch, np.array([1.0, 0.0]), gamma=0.5, horizon=3)  # in 0, 1, 0
    np.testing.assert_allclose(visits, [[0, 1.25], [0, 0.5]])
    np.testing.assert_allclose(reached(SWITCH, visits), [0.5, 1.25])
    endless = visitation(SWITCH, always_switch, np.array([1.0, 0.0]), gamma=0.5)
    assert endless.sum() == pytest.approx(2.0)
    np.testing.assert_allclose(endless[:, 1], [4 / 3, 2 / 3])


def test_visits_add_up_to_the_horizon_and_flow():
    transitions, _, policy, starts = random_task(3, terminal=False)
    each = occupancies(transitions, policy, starts, 4)
    np.testing.assert_allclose(each.sum((1, 2)), 1)
    np.testing.assert_allclose(each[1:].sum(2), np.tensordot(each[:-1], transitions, 2))
    discounts = 0.7 ** np.arange(4)
    np.testing.assert_allclose(visitation(transitions, policy, starts, 0.7, 4), np.tensordot(discounts, each, 1))


def test_nothing_follows_a_terminal_state():
    transitions, reward, policy, starts = random_task(4)
    plan = value_iteration(transitions, reward, 0.9)
    assert plan.values[-1] == 0 and soft_value_iteration(transitions, reward, 0.9).values[-1] == 0
    assert occupancies(transitions, policy, starts, 4)[3].sum() < 1


def test_paths_are_visited_as_expected():
    transitions, _, policy, starts = random_task(5)
    states, actions, lengths = sample_paths(transitions, policy, starts, 4, 20_000, np.random.default_rng(0))
    counts = np.zeros((6, 3))
    for t in range(4):
        going = lengths > t
        np.add.at(counts, (states[going, t], actions[going, t]), 1 / 20_000)
    expected = visitation(transitions, policy, starts, 1.0, 4)
    np.testing.assert_allclose(counts[:-1], expected[:-1], atol=0.015)
    ended = lengths < 4
    assert ended.any() and (states[ended, -1] == 5).all()


def test_an_endless_task_needs_a_discount():
    with pytest.raises(ValueError, match="below 1"):
        value_iteration(SWITCH, PAYS)
    with pytest.raises(ValueError, match="below 1"):
        visitation(SWITCH, np.full((2, 2), 0.5), np.array([1.0, 0.0]))
