"""Short trainings' traces, so that a change that claims to change nothing can show it.

Numbers, not a hash: processors round differently in the last places. A change that means to change a trace replaces
the numbers with those that the failure prints.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401
from lhy_rl.agents import BC, MLE, DAgger
from lhy_rl.data.demonstrations import Demonstrations, Episode
from tests.agents.small_envs import Parrot

SMALL = {"embedding_size": 16, "hidden_size": 16, "gradient_steps": 5, "seed": 3}
IMITATION = SMALL | {"batch_size": 16}
SENTENCES = {"vocabulary_size": 10, "max_length": 6, "hidden_size": 8, "embedding_size": 8, "train_size": 100}


def demonstrations(observation: str, action: str) -> Demonstrations:
    """Random episodes in a parrot."""
    env = Parrot(observation, action)
    env.action_space.seed(0)
    episodes = []
    for i in range(6):
        observations, actions = [env.reset(seed=i)[0]], []
        for _ in range(env.length):
            actions.append(np.asarray(env.action_space.sample()))
            observations.append(env.step(actions[-1] if actions[-1].ndim else actions[-1].item())[0])
        if isinstance(observations[0], dict):
            stacked: Any = {key: np.stack([obs[key] for obs in observations]) for key in observations[0]}
        else:
            stacked = np.stack(observations)
        episodes.append(Episode(stacked, np.stack(actions), np.zeros(env.length), False, True))
    return Demonstrations(episodes, env.observation_space, env.action_space, {})


def clone(observation: str = "box", action: str = "discrete", **options: Any) -> BC:
    given = demonstrations(observation, action)
    return BC(lambda: Parrot(observation, action), demonstrations=given, **IMITATION, **options)


def aggregate(**options: Any) -> DAgger:
    return DAgger("CartPole-v1", num_envs=2, n_steps=20, label_interval=2, **IMITATION, **options)


def sentences(**options: Any) -> MLE:
    env = gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=4, **SENTENCES)
    return MLE(env, batch_size=16, **SMALL, **options)


DEMONSTRATED = {"demonstrations": "cartpole-expert", "trajectories": 1, "first_gradient_steps": 5}
CASES: dict[str, Any] = {
    "bc vector": lambda: clone(),
    "bc box": lambda: clone("box", "box", entropy_coef=0.1),
    "bc multi": lambda: clone("multi", "multi", trajectories=4),
    "bc image": lambda: clone("image", dropout=0.1),
    "bc dict": lambda: clone("dict", "box"),
    "bc recurrent": lambda: clone(core="gru", held_out=0.3),
    "bc recurrent box": lambda: clone("box", "box", core="lstm"),
    "dagger": lambda: aggregate(),
    "dagger demonstrated": lambda: aggregate(beta="exponential", **DEMONSTRATED),
    "dagger recurrent": lambda: aggregate(core="gru", beta="linear", stochastic=True),
    "mle": lambda: sentences(),
    "mle scheduled": lambda: sentences(scheduled_sampling="linear", scheduled_sampling_half_life=5.0),
}
GOLDEN = {
    "bc vector": "1.389 1.4373 0.3916 1.3536 1.4515 0.3664 1.3339 1.4616 0.3655",
    "bc box": "2.1121 1.7491 1.8527 1.9493 1.6536 1.6507 1.8824 1.6243 1.2207",
    "bc multi": "2.4254 2.5157 0.663 2.3946 2.5589 0.6247 2.3165 2.5802 0.5809",
    "bc image": "1.3804 1.4312 0.251 1.3442 1.4693 0.3438 1.3108 1.5162 0.4112",
    "bc dict": "1.844 1.5537 0.7371 1.7979 1.5747 1.062 1.7677 1.607 0.8039",
    "bc recurrent": "1.388 1.3891 0.3137 1.3479 1.4088 0.3092 1.3127 1.4238 0.332",
    "bc recurrent box": "1.8418 1.6427 0.8039 1.8153 1.6351 0.6176 1.801 1.6344 0.7855",
    "dagger": (
        "0.7271 0.5168 40.0 0.7192 0.4423 59.0 0.6829 0.5386 78.0 0.6548 0.5845 97.0 0.6342 0.6275 117.0 "
        "0.6301 0.7148 137.0"
    ),
    "dagger demonstrated": (
        "0.7237 0.4642 0.6918 0.4566 40.0 0.6489 0.5196 71.0 0.6285 0.4004 97.0 0.5923 0.3755 122.0 0.5993 "
        "0.4163 144.0 0.5801 0.3698 164.0"
    ),
    "dagger recurrent": (
        "0.7214 0.2852 40.0 0.6876 0.2176 78.0 0.6659 0.1795 114.0 0.6534 0.1798 149.0 0.6349 0.2062 182.0 "
        "0.625 0.2054 213.0"
    ),
    "mle": "2.2752 2.073",
    "mle scheduled": "2.2802 0.5 2.0895 0.0",
}


def trace(case: str) -> tuple[list[float], Any]:
    """The metrics of a short training, and the agent."""
    rows: list[dict[str, float]] = []
    agent = CASES[case]()
    agent.learn(600 if case.startswith("mle") else 240, callback=lambda agent, metrics: rows.append(metrics))
    keys = ("train/nll", "train/nll_held_out", "train/grad_norm", "rollout/labels", "train/true_token_probability")
    return [round(float(row[key]), 4) for row in rows for key in keys if key in row], agent


@pytest.mark.parametrize("case", CASES)
def test_trace(case: str) -> None:
    found, _ = trace(case)
    np.testing.assert_allclose(
        found, list(map(float, GOLDEN[case].split())), atol=1e-3, err_msg=" ".join(map(str, found))
    )
