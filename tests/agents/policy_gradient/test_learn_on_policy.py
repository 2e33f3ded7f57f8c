"""A2C and PPO learn, and what carries them is what their names say."""

from __future__ import annotations

import gymnasium
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents import A2C, PPO, Reinforce
from lhy_rl.rollouts.evaluate_policy import play
from tests.agents.small_envs import Parrot


def recent_return(agent):
    """The mean return of the last 100 episodes that the agent trained on."""
    returns = [episode["r"] for episode in agent.ep_info_buffer]
    return sum(returns) / len(returns)


def until(goal):
    """A callback that ends the training when the last 100 episodes' mean return is the goal."""
    return lambda agent, _: len(agent.ep_info_buffer) < 100 or recent_return(agent) < goal


@pytest.mark.parametrize("kind", [A2C, PPO])
@pytest.mark.parametrize("observation", ["box", "image", "tokens", "dict"])
def test_reads_its_observation(kind, observation):
    """A quarter of 8 by chance; nearly all by reading."""
    options = {"n_steps": 16} if kind is A2C else {"n_steps": 32, "batch_size": 64, "n_epochs": 4}
    goal = 7.5 if kind is PPO else 5.0
    agent = kind(lambda: Parrot(observation), num_envs=8, learning_rate=3e-3, seed=0, **options)
    assert recent_return(agent.learn(12_000, callback=until(goal))) >= goal


def test_heeds_masks_and_learns():
    agent = PPO(lambda: Parrot(masked=True), num_envs=8, n_steps=32, batch_size=64, learning_rate=3e-3, seed=0)
    assert recent_return(agent.learn(8000, callback=until(6.5))) >= 6.5


def test_ppo_balances_the_pole_and_without_credit_does_not():
    """150 in 25,000 steps; a random policy holds it for 22. With gamma 0 all steps earn the same: nothing to learn."""

    def score(**options):
        agent = PPO("CartPole-v1", num_envs=8, learning_rate=1e-3, seed=0, **options)
        return recent_return(agent.learn(25_000, callback=until(150)))

    assert score() >= 150
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
    agent = kind("CartPole-v1", seed=0, **options)
    assert recent_return(agent.learn(60_000, callback=until(120))) >= 120 > 3 * 22


@pytest.mark.parametrize("core", ["gru", "lstm"])
def test_memory_buys_what_a_memoryless_policy_cannot(core):
    """RepeatPrevious, easy: the maximum is 1, chance is -0.5."""

    def score(core, steps):
        options = {"num_envs": 32, "n_steps": 52, "batch_size": 416, "n_epochs": 4, "learning_rate": 8e-3, "seed": 0}
        options |= {"gamma": 0.0, "gae_lambda": 0.0, "critic": "shared"}  # each answer is paid at once
        agent = PPO("lhy_rl/RepeatPrevious-v0", core=core, **options)
        return recent_return(agent.learn(steps, callback=until(0.9)))

    assert score(core, 80_000) >= 0.9
    assert score(None, 20_000) < -0.2
