"""Inverse reinforcement learning finds what the expert wanted; with demonstrations of nobody it does not."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from lhy_rl.agents import IRL, PPO, MaxEntIRL
from lhy_rl.envs.wrappers import LearnedRewardVector
from lhy_rl.functional.dynamic_programming import policy_evaluation, value_iteration
from lhy_rl.functional.epic import epic_distance
from lhy_rl.functional.min_norm_point import min_norm_point

NOBODY = 1e9  # the temperature of an expert that walks at random


def grid(name="Objectworld", **options):
    return gymnasium.make_vec(f"lhy_rl/{name}-v0", num_envs=1, size=6, **options)


def share_of_best(agent, env=None):
    """What the best policy under the learned reward earns, where 1 is the best there is and 0 walks at random."""
    if env is not None:
        agent.set_env(env)
    task = agent.tables
    best = value_iteration(task.transitions, task.state_rewards, 1.0, task.max_episode_steps).policy
    least = agent.planned.true_return(np.full(best.shape, 1 / best.shape[-1]))
    return (agent.planned.true_return(agent.best_policy()) - least) / (agent.planned.true_return(best) - least)


def mistakes_allowed(agent):
    """(R / delta)^2, delta the margin of the best separator of the expert from all actors (Novikoff 1962)."""
    apart = np.stack([(agent.expert.mean - actor.mean).numpy() for actor in agent.actors])
    return (np.linalg.norm(apart, axis=1).max() / np.linalg.norm(min_norm_point(apart)[0])) ** 2


@pytest.mark.parametrize("seed", range(3))
def test_maxent_matches_the_expert_and_finds_its_reward(seed):
    options = {"layout_seed": seed, "num_objects": 4, "features": "cells"}
    agent = MaxEntIRL(grid(**options), expert_temperature=1.0).learn(300)
    occupancy = agent.planned.occupancy(np.exp(agent.policy.trunk.logits.double().numpy()))
    assert np.abs(occupancy - agent.expert.weights.numpy()).max() < 1e-3
    assert share_of_best(agent) >= 0.99
    assert epic_distance(agent.state_rewards, agent.tables.state_rewards) < 0.05
    assert share_of_best(agent, grid(**options, slip=0.0, walls=0.2)) >= 0.9


def test_maxent_learns_nothing_from_nobody():
    options = {"num_objects": 4, "features": "cells"}
    agent = MaxEntIRL(grid(**options), expert_temperature=NOBODY).learn(300)
    assert share_of_best(agent) < 0.5
    assert epic_distance(agent.state_rewards, agent.tables.state_rewards) > 0.5


def test_maxent_learns_from_few_paths():
    options = {"num_objects": 4, "features": "cells"}
    agent = MaxEntIRL(grid(**options), expert_temperature=1.0, trajectories=50, l2=0.1).learn(100)
    assert share_of_best(agent) >= 0.95


def test_a_network_reads_the_distances_where_a_line_cannot():
    shares = {}
    for layers in (0, 2):
        env = grid(num_objects=4, features="distances")
        agent = MaxEntIRL(env, expert_temperature=1.0, reward_layers=layers).learn(250)
        shares[layers] = epic_distance(agent.state_rewards, agent.tables.state_rewards)
    assert shares[2] < 0.25 < shares[0]


@pytest.mark.parametrize("method", ["perceptron", "max_margin"])
@pytest.mark.parametrize("seed", range(2))
def test_the_lectures_algorithm(method, seed):
    env = grid("Gridworld", rewarded=1.0, layout_seed=seed)
    agent, rows = IRL(env, method=method), []
    agent.learn(100, callback=lambda agent, metrics: rows.append(metrics))
    assert agent.margins().min() > 0  # the expert is above every stored actor
    assert rows[0]["train/feature_gap"] == 1.0 and rows[-1]["train/feature_gap"] <= 0.1
    task = agent.tables
    best = value_iteration(task.transitions, task.state_rewards, 1.0, task.max_episode_steps).policy
    assert agent.planned.true_return(agent.policy_table) >= 0.99 * agent.planned.true_return(best)
    if method == "perceptron":
        assert 0 < agent.mistakes <= mistakes_allowed(agent)


@pytest.mark.parametrize("seed", range(5))
def test_the_perceptrons_mistakes_stay_within_a_bound_that_binds(seed):
    """Four regions, ten steps: few policies are nearly as good as the expert."""
    env = grid("Gridworld", rewarded=1.0, region=3, max_episode_steps=10, layout_seed=seed)
    agent = IRL(env, method="perceptron", tolerance=0.01).learn(100)
    assert agent.indistinguishable and agent.margins().min() > 0
    assert 0 < agent.mistakes <= mistakes_allowed(agent) + 1e-6 < 1e5


def test_the_lectures_algorithm_learns_nothing_from_nobody():
    env = grid("Gridworld", rewarded=1.0)
    agent = IRL(env, expert_temperature=NOBODY).learn(50)
    task = agent.tables
    best = value_iteration(task.transitions, task.state_rewards, 1.0, task.max_episode_steps)
    values = policy_evaluation(task.transitions, task.state_rewards, agent.policy_table, 1.0, task.max_episode_steps)
    assert task.starts @ values[0] < 0.8 * (task.starts @ best.values[0])


def test_the_learned_reward_teaches_another_agent():
    """PPO never sees the task's reward; before it is taught it walks at random."""
    options = {"rewarded": 1.0, "size": 6}
    teacher = IRL(grid("Gridworld", rewarded=1.0)).learn(50)
    env = LearnedRewardVector(gymnasium.make_vec("lhy_rl/Gridworld-v0", num_envs=16, **options), teacher)
    ppo = {"n_steps": 32, "batch_size": 128, "n_epochs": 4, "learning_rate": 3e-3, "gamma": 0.95}
    pupil = PPO(env, normalize_rewards=True, seed=0, **ppo)
    task = teacher.tables
    best = value_iteration(task.transitions, task.state_rewards, 1.0, task.max_episode_steps).values

    def share(deterministic):
        """Of the best policy's return."""
        played = gymnasium.make_vec("lhy_rl/Gridworld-v0", num_envs=64, **options)
        obs, total = played.reset(seed=5)[0], np.zeros(64)
        for _ in range(task.max_episode_steps):
            obs, rewards, *_ = played.step(pupil.predict(obs, deterministic=deterministic)[0])
            total += rewards
        return total.mean() / (task.starts @ best[0])

    before = share(deterministic=False)
    pupil.learn(30_000)
    after = share(deterministic=True)
    assert before < 0.62 < 0.9 < after


def test_a_reward_network_by_the_hinge_loss():
    env = grid("Gridworld", rewarded=1.0)
    agent = IRL(env, method="max_margin", reward_layers=1, learning_rate=0.01).learn(25)
    assert agent.margins().min() > 0
    assert share_of_best(agent) > 0.5
