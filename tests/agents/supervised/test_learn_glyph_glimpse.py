"""DAgger looks at a blurred digit and names it, after seconds; random actions get 0.07 and names by chance 0.1."""

from __future__ import annotations

import gymnasium
import numpy as np

from lhy_rl.agents import DAgger

ENV = "lhy_rl/GlyphGlimpse-v0"


def test_learn_to_look_and_to_name() -> None:
    options = {"encoder": "cnn_small", "core": None, "embedding_size": 32, "norm": "batch", "learning_rate": 0.003}
    agent = DAgger(ENV, num_envs=64, n_steps=24, gradient_steps=50, seed=0, **options).learn(3 * 64 * 24)
    envs = gymnasium.make_vec(ENV, num_envs=300, split="test", autoreset_mode="Disabled")
    obs, _ = envs.reset(seed=1)
    total, over = np.zeros(300), np.zeros(300, bool)
    while not over.all():
        actions, _ = agent.predict(obs, deterministic=True)
        obs, rewards, terminated, _, _ = envs.step(actions)
        total, over = total + rewards * ~over, over | terminated
        if over.any() and not over.all():
            obs, _ = envs.reset(options={"reset_mask": over})
    assert total.mean() > 0.4
