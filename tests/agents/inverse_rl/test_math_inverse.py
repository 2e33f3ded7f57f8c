"""Inverse reinforcement learning: gradients against finite differences, hand-computed moves, mixtures."""

from __future__ import annotations

from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch

from lhy_rl.agents import IRL, MaxEntIRL
from lhy_rl.agents.inverse_rl.maxent_irl import SoftValue, flattened_weights
from lhy_rl.agents.inverse_rl.state_visitation import empirical_occupancy, mixture_policy, state_occupancy
from lhy_rl.agents.rewards.feature_reward import FeatureReward
from lhy_rl.functional.dynamic_programming import occupancies
from lhy_rl.nn.rewards.feature_reward import RewardNet, StepFeatures


def task(seed: int = 0, horizon: int | None = 5):
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.ones(6), size=(6, 3))
    transitions[-1] = 0.0
    return SimpleNamespace(
        transitions=transitions,
        starts=rng.dirichlet(np.ones(6)),
        state_rewards=rng.normal(size=6),
        features=np.eye(6),
        max_episode_steps=horizon,
    )


@pytest.mark.parametrize("horizon", [5, None])
def test_the_slope_of_the_soft_value_is_how_often_a_state_is_visited(horizon):
    rewards = torch.randn(6, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    one = task(0, horizon)
    assert torch.autograd.gradcheck(lambda r: SoftValue.apply(r, one, one.starts, 0.9), rewards, eps=1e-5, atol=1e-6)


def test_a_mixture_visits_what_its_parts_visit_on_average():
    one, rng = task(1), np.random.default_rng(1)
    policies, shares = [rng.dirichlet(np.ones(3), size=(5, 6)) for _ in range(3)], np.array([0.5, 0.0, 0.5])
    together = mixture_policy(policies, shares, one, 1.0)
    np.testing.assert_allclose(together.sum(-1), 1)
    average = sum(c * occupancies(one.transitions, p, one.starts, 5) for p, c in zip(policies, shares, strict=True))
    np.testing.assert_allclose(occupancies(one.transitions, together, one.starts, 5), average, atol=1e-12)
    endless = task(1, None)
    parts = [policy[0] for policy in policies]
    average = sum(c * state_occupancy(endless, p, 0.9) for p, c in zip(parts, shares, strict=True))
    np.testing.assert_allclose(
        state_occupancy(endless, mixture_policy(parts, shares, endless, 0.9), 0.9), average, atol=1e-10
    )


def test_demonstrated_visits_by_hand():
    occupancy, first = empirical_occupancy([np.array([0, 1, 1]), np.array([2, 0])], 3, 0.5)
    np.testing.assert_allclose(occupancy, [0.5, (1 + 0.5) / 2, 0])  # of the states reached, a mean over two episodes
    np.testing.assert_allclose(first, [0.5, 0, 0.5])


def test_importance_weights_are_flattened_until_enough_paths_count():
    log_weights = torch.tensor([0.0, 100.0, 200.0, 90.0])
    weights = flattened_weights(log_weights, 0.5)
    assert 1 / weights.square().sum() == pytest.approx(2.0, abs=1e-3)
    assert weights.argmax() == 2 and weights.sum() == pytest.approx(1)
    mild = torch.tensor([0.1, 0.0, 0.2])
    assert torch.equal(flattened_weights(mild, 0.5), torch.softmax(mild, 0))  # already flat enough: as they are


def test_the_perceptrons_move_by_hand():
    """From w = 0: w = mu_E - mu_1, and with it the expert is above the first actor."""
    agent = IRL("lhy_rl/Gridworld-v0", method="perceptron", num_envs=1)
    agent.learn(1)
    expected = agent.expert.mean - agent.actors[0].mean
    torch.testing.assert_close(agent.reward.weights.detach(), expected)
    assert agent.mistakes == 1
    torch.testing.assert_close(agent.margins(), expected.norm()[None])


def test_max_margin_is_the_greatest_there_is():
    agent = IRL("lhy_rl/Gridworld-v0", method="max_margin", num_envs=1)
    agent.learn(6)
    apart = torch.stack([agent.expert.mean - actor.mean for actor in agent.actors])
    others = torch.randn(5000, apart.shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    best = (apart @ (others / others.norm(dim=1, keepdim=True)).T).min(0).values.max()
    assert agent.margins().min() >= best and agent.margins().min() > 0


def test_features_of_steps():
    space = gymnasium.spaces.Box(-10, 10, (2,), np.float32)
    features = StepFeatures(space, gymnasium.spaces.Discrete(2, start=3), "squares")
    obs, actions = np.array([[1.0, 5.0], [3.0, 5.0]]), np.array([3, 4])
    features.fit(obs, actions)  # mean 2, 5; deviation 1, 0.001 (0 is not divided by)
    expected = [[-1, 0, 1, 0, 1, 0, 1, 0, 1], [1, 0, 0, 1, 1, 0, 0, 1, 1]]
    torch.testing.assert_close(features(obs, actions), torch.tensor(expected, dtype=torch.float32))


def test_a_linear_reward_begins_at_nothing():
    assert not RewardNet(3)(torch.randn(5, 3)).any()
    net = RewardNet(3, layers=2, width=4)
    assert net(torch.randn(5, 3)).shape == (5,) and not net.linear


def test_rewards_are_asked_for_as_a_wrapper_asks():
    agent = MaxEntIRL("lhy_rl/Objectworld-v0", num_envs=1).learn(5)
    reached = np.array([3, 50, 3])
    rewards = agent.rewards(np.zeros(3, int), np.zeros(3, int), reached)
    np.testing.assert_array_equal(rewards, agent.state_rewards[reached])


def test_steps_that_only_reset_have_no_reward_and_no_part_in_its_scale():
    valid = torch.tensor([[True, True], [False, True], [True, True]])
    played = SimpleNamespace(
        raw_obs=np.arange(8.0).reshape(4, 2), env_actions=np.zeros((3, 2)), rewards=torch.zeros(3, 2), valid=valid,
        terminated=torch.zeros(3, 2, dtype=torch.bool), truncated=torch.zeros(3, 2, dtype=torch.bool),
    )  # fmt: skip
    net = torch.nn.Flatten(0)
    net.weights = torch.zeros(1)
    model = FeatureReward(lambda obs, actions: torch.as_tensor(obs)[:, None], net, 2)
    model.relabel(played)
    assert played.rewards[1, 0] == 0
    torch.testing.assert_close(played.rewards[valid].std(), torch.tensor(1.0, dtype=torch.float64))
