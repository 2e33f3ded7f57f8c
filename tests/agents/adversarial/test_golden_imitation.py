"""Short trainings' traces, so that a change that claims to change nothing can show it.

Numbers, not a hash: processors round differently in the last places. A change that means to change a trace replaces
the numbers with those that the failure prints.
"""

from typing import Any

import numpy as np
import pytest

from lhy_rl.agents import AIRL, GAIL
from tests.agents.small_envs import vectors

SMALL = {"num_envs": 4, "n_steps": 16, "embedding_size": 16, "hidden_size": 16, "trajectories": 2, "seed": 3}
SMALL |= {"discriminator_steps": 3, "discriminator_batch_size": 16, "discriminator_hidden_size": 16}
UPDATE = {"batch_size": 32, "n_epochs": 2}
RECURRENT = {"generator": "a2c", "core": "gru", "normalize_observations": True, "discriminator_dropout": 0.2}
CASES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "gail": (GAIL, UPDATE | {"learning_rate_schedule": "linear", "clip_range_schedule": "linear"}, "SameStep"),
    "gail a2c": (GAIL, RECURRENT | {"objective": "wgan_gp", "discriminator_inputs": "state_next_state"}, "NextStep"),
    "gail began": (GAIL, UPDATE | {"objective": "began", "normalize_rewards": False}, "SameStep"),
    "airl": (AIRL, UPDATE | {"normalize_observations": True, "discriminator_dropout": 0.1}, "SameStep"),
}
KEYS = ("train/discriminator_loss", "train/absorbing_reward", "rollout/learned_reward_mean", "train/grad_norm")
GOLDEN = {
    "gail": (
        "1.4895 0.2562 0.1453 3.9076 1.4827 0.2606 0.1583 2.3131 1.4475 0.2647 0.0435 4.1189 1.4266 0.2693 "
        "-0.0142 5.1187"
    ),
    "gail a2c": (
        "6.7459 -0.1638 0.0988 2.9081 6.2698 -0.1894 0.0692 3.4798 5.6112 -0.2158 0.0102 2.8856 5.5712 -0.2419 "
        "0.125 3.8975"
    ),
    "gail began": (
        "0.6839 -0.1082 -2.4713 43.5115 0.6935 -0.1042 -2.4259 33.3456 0.6504 -0.1017 -2.2147 39.0244 0.5495 "
        "-0.0999 -2.0348 37.5329"
    ),
    "airl": (
        "1.6317 0.1178 0.8859 3.5966 1.5823 0.0994 0.8115 1.7631 1.5731 0.0798 0.915 2.0065 1.6045 0.0636 0.9038 2.1913"
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_trace(case: str) -> None:
    kind, options, mode = CASES[case]
    rows: list[dict[str, float]] = []
    env = vectors("CartPole-v1", 4, mode)
    kind(env, demonstrations="cartpole-expert", **SMALL, **options).learn(
        4 * 64, callback=lambda agent, metrics: rows.append(metrics)
    )
    trace = [round(row[key], 4) for row in rows for key in KEYS]
    np.testing.assert_allclose(
        trace, list(map(float, GOLDEN[case].split())), atol=2e-3, err_msg=" ".join(map(str, trace))
    )
