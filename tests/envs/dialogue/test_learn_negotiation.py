"""What is learned of negotiating in seconds: our PPO through the masks, and Stable-Baselines3's, unchanged."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents.policy_gradient.ppo import PPO
from lhy_rl.experiment import config
from lhy_rl.rollouts.record_episodes import random_policy, record
from lhy_rl.rollouts.vector_envs import make_vec


def test_ppo_learns_to_negotiate_with_a_random_bot() -> None:
    """A player of random legal moves gets 1.75 points of 10; who agrees to nothing bad and asks for much gets more."""
    settings = config.load("ppo/negotiation").values["agent"]
    smaller = {"n_steps": 16, "embedding_size": 64, "batch_size": 128, "learning_rate": 0.002}
    options = {key: value for key, value in settings.items() if key not in ("name", "num_envs")} | smaller
    env = make_vec("lhy_rl/NegotiationVsBot-v0", 64, partner="random")
    agent = PPO(env, seed=0, **options).learn(10_000)
    judge = make_vec("lhy_rl/NegotiationVsBot-v0", 200, partner="random", split="held_out")
    chance = record(judge, random_policy(judge.single_action_space, 0), 400, seed=1).returns.mean()

    def act(obs, state, start, legal):  # type: ignore[no-untyped-def]
        return agent.predict(obs, deterministic=True)

    judge = make_vec("lhy_rl/NegotiationVsBot-v0", 200, partner="random", split="held_out")
    learned = record(judge, act, 400, seed=1).returns.mean()
    assert chance < 0.25 and learned > 0.45


def test_stable_baselines3_trains_on_it() -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    env = gymnasium.make("lhy_rl/NegotiationVsBot-v0", partner="hard")
    model = sb3.PPO("MultiInputPolicy", env, n_steps=64, batch_size=32, n_epochs=1, seed=0, device="cpu").learn(128)
    obs, _ = env.reset(seed=0)
    assert int(np.asarray(model.predict(obs)[0])) in env.action_space
