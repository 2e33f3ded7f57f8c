"""GAIL imitates, and does not where there is nothing to imitate; short episodes, the proof is benchmarks/gail.py."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents import GAIL
from lhy_rl.rollouts.record_episodes import random_policy, record

H = 100
# Those of gail/cartpole, learned faster. With a constant rate both players circle, and the end is a matter of luck.
OPTIONS = {"num_envs": 8, "n_steps": 32, "batch_size": 128, "n_epochs": 10, "entropy_coef": 0.003, "gamma": 0.98}
OPTIONS |= {"learning_rate": 3e-3, "learning_rate_schedule": "linear", "discriminator_steps": 8}


def make(num_envs: int = 8) -> Any:
    return gymnasium.make_vec("lhy_rl/FixedHorizon-v0", num_envs=num_envs, horizon=H, autoreset_mode="SameStep")


def controller(obs: Any, state: Any, start: Any, action_mask: Any) -> tuple[Any, Any]:
    """Holds the pole."""
    return (0.05 * obs[:, 1] + obs[:, 2] + 0.25 * obs[:, 3] > 0).astype(np.int64), None


def held(shown: Any) -> float:
    """How long the pole stands after imitating, of 100 steps."""
    agent = GAIL(make(), demonstrations=shown, seed=0, **OPTIONS).learn(30_000)

    def act(obs: Any, state: Any, start: Any, action_mask: Any) -> tuple[Any, Any]:
        return agent.predict(obs, state, start, deterministic=True)

    return float(record(make(), act, 16, seed=1).returns.mean())


def test_it_holds_the_pole_as_long_as_the_expert_does():
    assert held(record(make(), controller, 5)) > 90


def test_from_random_demonstrations_it_does_not():
    env = make()
    assert held(record(env, random_policy(env.single_action_space, 0), 10)) < 45
