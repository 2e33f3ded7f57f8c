"""A2C and PPO learn, and what carries them is what their names say."""

from __future__ import annotations

import gymnasium
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents import A2C, PPO, Reinforce
from lhy_rl.rollouts.evaluate_policy import play
from tests.agents.small_envs import Parrot


def mean_return(agent):
    """Of the last episodes of the training."""
    return sum(r for r, _ in agent.collector.recent) / len(agent.collector.recent)


@pytest.mark.parametrize("kind", [A2C, PPO])
@pytest.mark.parametrize("observation", ["box", "image", "tokens", "dict"])
def test_reads_its_observation(kind, observation):
    """A quarter of 8 by chance; nearly all by reading, in 12,000 steps at most."""
    options, wanted = ({"n_steps": 16}, 5.0) if kind is A2C else ({"n_steps": 32, "batch_size": 64, "n_epochs": 4}, 6.5)
    agent = kind(lambda: Parrot(observation), num_envs=8, learning_rate=3e-3, seed=0, **options)
    agent.learn(12_000, callback=lambda agent, metrics: metrics.get("rollout/ep_rew_mean", 0.0) <= wanted)
    assert mean_return(agent) > wanted


def test_heeds_masks_and_learns():
    agent = PPO(lambda: Parrot(masked=True), num_envs=8, n_steps=32, batch_size=64, learning_rate=3e-3, seed=0)
    agent.learn(8000, callback=lambda agent, metrics: metrics.get("rollout/ep_rew_mean", 0.0) <= 6.5)
    assert mean_return(agent) > 6.5


def test_ppo_balances_the_pole_and_without_credit_does_not():
    """100 in 25,000 steps; a random policy holds it for 22. With gamma 0 all steps earn the same: nothing to learn."""

    def learned(steps, **options):
        agent = PPO("CartPole-v1", num_envs=8, learning_rate=1e-3, seed=0, **options)
        return agent.learn(steps, callback=lambda agent, metrics: metrics.get("rollout/ep_rew_mean", 0.0) <= 100)

    agent = learned(25_000)
    assert mean_return(agent) > 100
    assert mean_return(learned(agent.num_timesteps, gamma=0.0)) < 60


def test_ppo_needs_no_options_to_hold_the_pole():
    """With minibatches of 256 and four passes, the defaults of before, it is 135 of 500."""
    agent = PPO("CartPole-v1", seed=0).learn(12_000)
    test = gymnasium.make_vec("CartPole-v1", num_envs=20)
    assert play(lambda obs, *_: agent.predict(obs, deterministic=True), test, 20, seed=1)[0].mean() > 250


def test_instances_of_a_fixed_horizon_teach_out_of_step_and_in_step_they_do_not():
    """A round is 32 steps of episodes of 200: in step it is all of one phase."""

    same_step = {"autoreset_mode": "SameStep"}

    def score(stagger: bool) -> float:
        def make(num_envs):
            return gymnasium.make_vec("lhy_rl/FixedHorizon-v0", num_envs=num_envs, horizon=200, **same_step)

        env = make(8)
        if not stagger:
            env.stagger = lambda: None
        options = {"n_steps": 32, "batch_size": 128, "n_epochs": 10, "learning_rate": 1e-3, "gamma": 0.95, "seed": 2}
        agent = PPO(env, **options).learn(7_680)
        returns, _ = play(lambda obs, *_: agent.predict(obs, deterministic=True), make(20), 20, seed=1)
        return float(returns.mean())

    assert score(stagger=True) > 160
    assert score(stagger=False) < 80


@pytest.mark.parametrize("kind", [A2C, Reinforce])
def test_the_others_balance_the_pole(kind):
    options = {"n_steps": 16, "num_envs": 16} if kind is A2C else {"num_envs": 16, "core": None, "gamma": 0.99}
    if kind is Reinforce:
        options |= {"learning_rate": 0.01, "normalize_advantage": True, "embedding_size": 64}
    returns = []

    def going(agent, metrics):
        returns.append(metrics.get("rollout/ep_rew_mean", 0.0))
        return returns[-1] <= 120

    kind("CartPole-v1", seed=0, **options).learn(60_000, callback=going)
    assert returns[-1] > 120 > 3 * 22


@pytest.mark.parametrize("core", ["gru", "lstm", None])
def test_memory_buys_what_a_memoryless_policy_cannot(core):
    """RepeatPrevious, the card before in a deck of 16: the maximum is 1, chance is -0.5."""
    env = gymnasium.make_vec("lhy_rl/RepeatPrevious-v0", num_envs=16, k=2, num_ranks=4, autoreset_mode="SameStep")
    options = {"n_steps": 30, "batch_size": 120, "learning_rate": 2e-3, "gamma": 0.5, "gae_lambda": 0.5, "seed": 0}
    agent = PPO(env, core=core, critic="shared", **options)
    agent.learn(10_000 if core else 5_000, callback=lambda agent, metrics: metrics["rollout/ep_rew_mean"] < 0.8)
    assert mean_return(agent) >= 0.8 if core else mean_return(agent) < -0.2
