"""Short trainings' traces, so that a change that claims to change nothing can show it.

Numbers, not a hash: processors round differently in the last places. A change that means to change a trace replaces
the numbers with those that the failure prints.
"""

from typing import Any

import numpy as np
import pytest

from lhy_rl.agents import IRL, MaxEntIRL
from tests.agents.small_envs import vectors

PPO = {"n_steps": 16, "batch_size": 32, "n_epochs": 2}
CARTPOLE = {"demonstrations": "cartpole-expert", "trajectories": 2, "ppo": PPO}
NETWORK = {"reward_layers": 1, "reward_steps": 5, "method": "perceptron", "core": "gru", "hidden_size": 16}
GRID, OBJECTS = "lhy_rl/Gridworld-v0", "lhy_rl/Objectworld-v0"
CASES: dict[str, tuple[Any, Any, dict[str, Any], int]] = {
    "irl": (IRL, GRID, {}, 5),
    "irl perceptron": (IRL, GRID, {"method": "perceptron", "trajectories": 20, "expert_temperature": 0.5}, 5),
    "irl played": (IRL, ("CartPole-v1", 4, "SameStep"), CARTPOLE | {"features": "squares"}, 256),
    "irl played network": (IRL, ("CartPole-v1", 4, "NextStep"), CARTPOLE | NETWORK | {"ppo_updates": 2}, 256),
    "maxent_irl": (MaxEntIRL, OBJECTS, {"expert_temperature": 1.0}, 6),
    "maxent_irl adam": (MaxEntIRL, OBJECTS, {"optimizer": "adam", "reward_layers": 1, "trajectories": 9}, 5),
    "maxent_irl played": (MaxEntIRL, ("CartPole-v1", 4, "SameStep"), CARTPOLE | {"reward_layers": 1}, 256),
}
KEYS = ("train/margin", "train/actor_gap", "train/log_likelihood", "train/occupancy_gap", "train/reward_margin")
KEYS += ("train/grad_norm", "train/value_loss", "rollout/ep_rew_mean")
GOLDEN = {
    "irl": ("21.8173 1.0 2.5 14.2438 0.8909 7.9386 1.3386 1.1107 12.2477 0.8182 0.1413 12.4035 0.3947 0.0344 12.6383"),
    "irl perceptron": (
        "11.339 1.0 2.5 2.1791 1.0695 12.6561 0.6601 2.5799 6.3661 0.5972 2.8274 0.4658 0.5314 2.0701 9.9805"
    ),
    "irl played": (
        "1.829 1.0 0.2783 0.0014 11.0 1.6401 0.8967 32.9159 338.3047 20.0 1.6401 1.1462 28.9048 236.3437 28.2 "
        "1.6401 1.2001 27.617 254.0376 24.7778"
    ),
    "irl played network": ("1.8322 1.0 13.0014 62.5813 20.5 1.8133 0.9862 25.7671 202.5672 17.5"),
    "maxent_irl": ("-64.3775 2.8715 5.9675 -8.0264 -64.3061 3.0868 1.7683 -5.4173 -63.5704 3.1157 0.9946 -4.4509"),
    "maxent_irl adam": (
        "-65.3292 24.5013 19.7391 -5.623 -63.9033 24.3782 15.9406 -6.8897 -62.7691 24.2651 12.8747 -8.0607 "
        "-61.874 24.1668 10.6504 -9.0441 -61.1584 24.0828 9.201 -9.7876"
    ),
    "maxent_irl played": (
        "0.7422 10.8431 58.7104 11.0 2.3333 27.3962 253.9639 20.0 4.9607 49.4146 819.6785 28.2 8.4136 81.1097 "
        "2164.2495 25.0"
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_trace(case: str) -> None:
    kind, env, options, timesteps = CASES[case]
    rows: list[dict[str, float]] = []
    made = env if isinstance(env, str) else vectors(*env)
    kind(made, seed=3, **options).learn(timesteps, callback=lambda agent, metrics: rows.append(metrics))
    trace = [round(row[key], 4) for row in rows for key in KEYS if key in row]
    np.testing.assert_allclose(
        trace, list(map(float, GOLDEN[case].split())), rtol=1e-3, atol=2e-3, err_msg=" ".join(map(str, trace))
    )
