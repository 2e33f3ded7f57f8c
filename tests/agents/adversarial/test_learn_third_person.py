"""What is seen in videos is done, without their actions: an expert's way to the target, and not random behaviour."""

from __future__ import annotations

import gymnasium
import numpy as np
import torch

import lhy_rl  # noqa: F401
from lhy_rl.agents.adversarial.third_person import ThirdPerson
from lhy_rl.experiment import config


def test_learn_what_is_seen_in_ones_own_view() -> None:
    """Seen from another view it takes longer; benchmarks/third_person.py has that, with its controls."""
    torch.set_num_threads(1)
    success = {}
    for videos in ("scripted:own", "random:own"):
        options = {
            **config.load("third_person/point").values["agent"],
            "failure_videos": None,
            "reversal": 0.0,
            "videos": 32,
            "recolour": 0.0,
            "domain_steps": 0,
            "discriminator_warmup": 0,
        }
        del options["name"]
        agent = ThirdPerson("lhy_rl/PointMassPixels-v0", seed=0, **{**options, "expert_videos": videos}).learn(16_000)
        env = gymnasium.make_vec("lhy_rl/PointMassPixels-v0", num_envs=100, autoreset_mode="Disabled")
        obs, _ = env.reset(seed=1)
        truncated = np.zeros(100, bool)
        while not truncated.any():
            obs, _, _, truncated, info = env.step(agent.predict(obs, deterministic=True)[0])
        success[videos] = info["success"].mean()
    assert success["scripted:own"] > 0.8 and success["random:own"] < 0.3
