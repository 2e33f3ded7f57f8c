"""Dialogues of 500 steps are the same, to the last bit, in another process."""

from __future__ import annotations

import hashlib

import gymnasium
import numpy as np

import lhy_rl  # noqa: F401  (registers)
from tests.processes import result_of

IDS = ("SlotFilling-v0", "TwentyQuestions-v0", "ChatBandit-v0")


def trajectory_hash(name: str, seed: int) -> str:
    """Of everything that 500 steps of three instances give."""
    env = gymnasium.make_vec(f"lhy_rl/{name}", num_envs=3, autoreset_mode="SameStep")
    found = hashlib.sha256()
    obs, infos = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(500):
        found.update(np.ascontiguousarray(obs).tobytes())
        if "action_mask" in infos:
            found.update(infos["action_mask"].tobytes())
        obs, rewards, terminated, truncated, infos = env.step(rng.integers(env.single_action_space.n, size=3))  # type: ignore[attr-defined]
        for array in (rewards, terminated, truncated):
            found.update(array.tobytes())
    return found.hexdigest()


def all_hashes() -> dict[str, str]:
    return {f"{name} {seed}": trajectory_hash(name, seed) for name in IDS for seed in range(2)}


def test_trajectories_are_the_same_in_a_fresh_process() -> None:
    ours = all_hashes()
    assert len(set(ours.values())) == len(ours), "other seeds, other dialogues"
    assert result_of(all_hashes) == ours
