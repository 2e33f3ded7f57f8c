"""Short trainings' traces, so that a change that claims to change nothing can show it.

Numbers, not hashes: processors round differently in the last places. A change that means to change a trace replaces
its numbers with those that the failure prints.
"""

import numpy as np
import pytest
import torch

from lhy_rl.agents import A2C, PPO
from tests.agents.small_envs import Parrot

SMALL = {"num_envs": 4, "embedding_size": 8, "hidden_size": 8}
PPO_SMALL = {**SMALL, "n_steps": 16, "batch_size": 16, "n_epochs": 2, "learning_rate": 3e-3}

TRAININGS = {
    "a2c-vector": (A2C, "box", {**SMALL, "core": None}),
    "a2c-separate-box": (
        A2C,
        ("box", "box"),
        {**SMALL, "core": None, "critic": "separate", "normalize_advantage": True},
    ),
    "a2c-cnn": (A2C, "image", {**SMALL, "core": None}),
    "a2c-gru": (A2C, "tokens", {**SMALL, "core": "gru"}),
    "a2c-lstm": (A2C, "box", {**SMALL, "core": "lstm", "n_steps": 7}),
    "a2c-masked": (A2C, ("box", "discrete", True), {**SMALL, "core": None}),
    "a2c-dict": (A2C, "dict", {**SMALL, "core": None}),
    "ppo-vector": (PPO, "box", {**PPO_SMALL, "core": None, "entropy_coef": 0.01}),
    "ppo-separate-box": (PPO, ("box", "box"), {**PPO_SMALL, "core": None, "critic": "separate"}),
    "ppo-multi": (PPO, ("multi", "multi"), {**PPO_SMALL, "core": None}),
    "ppo-cnn": (PPO, "image", {**PPO_SMALL, "core": None}),
    "ppo-gru": (PPO, "tokens", {**PPO_SMALL, "core": "gru"}),
    "ppo-lstm-separate": (PPO, "box", {**PPO_SMALL, "core": "lstm", "critic": "separate", "entropy_coef": 0.01}),
    "ppo-masked": (PPO, ("box", "discrete", True), {**PPO_SMALL, "core": None, "target_kl": 0.05}),
    "ppo-masked-gru": (PPO, ("box", "discrete", True), {**PPO_SMALL, "core": "gru"}),
    "ppo-normalized": (
        PPO,
        "box",
        {**PPO_SMALL, "core": None, "normalize_observations": True, "normalize_rewards": True},
    ),
    "ppo-dict": (PPO, "dict", {**PPO_SMALL, "core": None}),
}

GOLDEN = {
    "a2c-vector": [82.6269, 2.6786, -0.4341, 0.7122, 0.8918],
    "a2c-separate-box": [84.9547, -8.5112, -0.1755, 1.9406, 2.395],
    "a2c-cnn": [1391.2296, 2.6429, 0.6041, 0.525, 6.1691],
    "a2c-gru": [180.4059, 2.6429, 0.5572, 0.586, 0.7114],
    "a2c-lstm": [246.1667, 2.7143, 1.4754, 1.7742, 1.5045],
    "a2c-masked": [82.8966, 3.75, -0.1119, 1.2316, 0.9905],
    "a2c-dict": [1494.987, 2.7143, 0.1905, 0.2804, 0.5396],
    "ppo-vector": [87.2974, 2.9643, -0.0053, 1.3606, 1.4361],
    "ppo-separate-box": [87.7376, -8.3656, -0.0082, 14.0403, 7.075],
    "ppo-multi": [119.65, 2.6429, -0.005, 2.1765, 2.2665],
    "ppo-cnn": [1440.9933, 3.3571, 0.0038, 0.9837, 14.0475],
    "ppo-gru": [189.0094, 3.0, -0.0016, 3.3066, 3.0804],
    "ppo-lstm-separate": [264.3454, 2.9643, -0.0017, 2.9029, 2.6901],
    "ppo-masked": [88.2919, 3.6786, -0.0059, 1.4481, 1.5959],
    "ppo-masked-gru": [226.5402, 3.75, -0.0022, 4.139, 3.7578],
    "ppo-normalized": [84.6091, 2.9643, -0.0058, 0.7941, 0.8552],
    "ppo-dict": [1528.7376, 3.1071, -0.0071, 1.3331, 2.3797],
}
KEYS = ("rollout/ep_rew_mean", "train/policy_loss", "train/policy_gradient_loss", "train/value_loss", "train/grad_norm")


def train(name):
    """The agent, trained, and the metrics of its last update."""
    kind, env, options = TRAININGS[name]
    given = (env,) if isinstance(env, str) else env
    rows = []
    agent = kind(lambda: Parrot(*given, length=11), seed=3, **options)
    agent.learn(320, callback=lambda agent, metrics: rows.append(metrics))
    return agent, {key: value for key, value in rows[-1].items() if not key.startswith("time/")}


def trace(name):
    """The size of all weights, where the training ended, and what it said of its last updates."""
    agent, metrics = train(name)
    weights = sum(float(p.detach().abs().sum(dtype=torch.float64)) for p in agent.policy.parameters())
    return [round(x, 4) for x in (weights, *(metrics[key] for key in KEYS if key in metrics))]


@pytest.mark.parametrize("name", TRAININGS)
def test_trace(name):
    now = trace(name)
    np.testing.assert_allclose(now, GOLDEN[name], atol=2e-3, err_msg=f"now: {now}")
