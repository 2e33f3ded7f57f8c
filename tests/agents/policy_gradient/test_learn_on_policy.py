"""A2C and PPO learn, and what carries them is what their names say."""

from __future__ import annotations

import gymnasium
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents import A2C, PPO, Reinforce
from lhy_rl.rollouts.evaluate_policy import play
from tests.agents.small_envs import Parrot


@pytest.mark.parametrize("kind", [A2C, PPO])
@pytest.mark.parametrize("observation", ["box", "image", "tokens", "dict"])
def test_reads_its_observation(kind, observation):
    """A quarter of 8 by chance; nearly all by reading."""
    options = {"n_steps": 16} if kind is A2C else {"n_steps": 32, "batch_size": 64, "n_epochs": 4}
    agent = kind(lambda: Parrot(observation), num_envs=8, learning_rate=3e-3, seed=0, **options).learn(12_000)
    returns = [r for r, _ in agent.collector.recent]
    assert sum(returns) / len(returns) > (7.5 if kind is PPO else 5.0)


def test_heeds_masks_and_learns():
    agent = PPO(lambda: Parrot(masked=True), num_envs=8, n_steps=32, batch_size=64, learning_rate=3e-3, seed=0)
    agent.learn(8000)
    returns = [r for r, _ in agent.collector.recent]
    assert sum(returns) / len(returns) > 6.5


def test_ppo_balances_the_pole_and_without_credit_does_not():
    """150 in 25,000 steps; a random policy holds it for 22. With gamma 0 all steps earn the same: nothing to learn."""

    def score(**options):
        agent = PPO("CartPole-v1", num_envs=8, learning_rate=1e-3, seed=0, **options).learn(25_000)
        return sum(r for r, _ in agent.collector.recent) / len(agent.collector.recent)

    assert score() > 150
    assert score(gamma=0.0) < 60


def test_ppo_needs_no_options_to_hold_the_pole():
    """With minibatches of 256 and four passes, the defaults of before, it was 308 of 500."""

    def score(seed):
        agent = PPO("CartPole-v1", seed=seed).learn(25_000)
        test = gymnasium.make_vec("CartPole-v1", num_envs=20)
        return play(lambda obs, *_: agent.predict(obs, deterministic=True), test, 20, seed=1)[0].mean()

    assert (score(0) + score(1)) / 2 > 420


def test_instances_of_a_fixed_horizon_teach_out_of_step_and_in_step_they_do_not():
    """A round is 32 steps of episodes of 500: in step it is all of one phase."""

    def score(stagger: bool) -> float:
        def make(num_envs):
            return gymnasium.make_vec("lhy_rl/FixedHorizon-v0", num_envs=num_envs, autoreset_mode="SameStep")

        env = make(8)
        if not stagger:
            env.stagger = lambda: None
        options = {"n_steps": 32, "batch_size": 128, "n_epochs": 10, "learning_rate": 1e-3, "gamma": 0.95, "seed": 1}
        agent = PPO(env, **options).learn(20_000)
        returns, _ = play(lambda obs, *_: agent.predict(obs, deterministic=True), make(20), 20, seed=1)
        return float(returns.mean())

    assert score(stagger=True) > 400
    assert score(stagger=False) < 200


@pytest.mark.parametrize("kind", [A2C, Reinforce])
def test_the_others_balance_the_pole(kind):
    options = {"n_steps": 16, "num_envs": 16} if kind is A2C else {"num_envs": 16, "core": None, "gamma": 0.99}
    if kind is Reinforce:
        options |= {"learning_rate": 0.01, "normalize_advantage": True, "embedding_size": 64}
    returns = []
    agent = kind("CartPole-v1", seed=0, **options)
    agent.learn(60_000, callback=lambda agent, metrics: returns.append(metrics.get("rollout/ep_rew_mean", 0.0)))
    assert max(returns[len(returns) // 2 :]) > 120 > 3 * 22


@pytest.mark.parametrize("core", ["gru", "lstm"])
def test_memory_buys_what_a_memoryless_policy_cannot(core):
    """RepeatPrevious, easy: the maximum is 1, chance is -0.5."""

    def score(core, steps):
        options = {"num_envs": 16, "n_steps": 52, "batch_size": 208, "learning_rate": 2e-3, "seed": 0}
        options |= {"gamma": 0.5, "gae_lambda": 0.5, "critic": "shared"}
        agent = PPO("lhy_rl/RepeatPrevious-v0", core=core, **options)
        agent.learn(steps, callback=lambda agent, metrics: metrics.get("rollout/ep_rew_mean", -1) < 0.92)
        return sum(r for r, _ in agent.collector.recent) / len(agent.collector.recent)

    assert score(core, 80_000) > 0.9
    assert score(None, 20_000) < -0.2
