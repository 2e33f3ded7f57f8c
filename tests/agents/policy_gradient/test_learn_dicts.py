"""What only shows in two keys together is learned without memory, as if the dict were one vector."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete

from lhy_rl.agents import PPO


class Same(gymnasium.Env):
    """Reward 1 for action 1 where both keys have the same sign, and for action 0 where they do not: exclusive or."""

    observation_space = Dict({"a": Box(-1, 1, (1,)), "b": Box(-1, 1, (1,))})
    action_space = Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return self._next(), {}

    def step(self, action: Any) -> Any:
        reward = float(action == (self.obs["a"] * self.obs["b"] > 0).item())
        self.t += 1
        return self._next(), reward, False, self.t == 16, {}

    def _next(self) -> Any:
        self.obs = {key: self.np_random.uniform(-1, 1, 1).astype(np.float32) for key in "ab"}
        return self.obs


@pytest.mark.parametrize(("layers", "least", "most"), [(2, 13.0, 16.0), (0, 0.0, 10.0)])
def test_exclusive_or_of_two_keys(layers: int, least: float, most: float) -> None:
    rows: list[float] = []
    agent = PPO(Same, num_envs=16, n_steps=32, batch_size=64, learning_rate=3e-3, encoder_layers=layers, gamma=0.0)

    def going(agent: Any, metrics: dict[str, float]) -> bool:
        rows.append(metrics.get("rollout/ep_rew_mean", 0.0))
        return rows[-1] <= 13

    agent.learn(8_000, callback=going)
    assert least < rows[-1] < most
