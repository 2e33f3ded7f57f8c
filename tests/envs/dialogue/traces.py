"""What an AEC environment gives in 500 steps, as a hash: PettingZoo's own seed test of parallel ones ends after one."""

from __future__ import annotations

import hashlib
import importlib
from typing import Any

import numpy as np

from lhy_rl.envs.registration import GAMES, GameRow

__all__ = ["GAMES", "all_traces", "legal", "module", "trace"]


def module(row: GameRow) -> Any:
    return importlib.import_module(row.module)


def legal(mask: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    return (draw.random(mask.shape) * mask).argmax(-1)


def trace(row: GameRow, seed: int, steps: int = 500) -> str:
    """The hash of all that comes back in so many steps of the AEC environment."""
    env, draw, found = module(row).raw_env(**row.small), np.random.default_rng(seed), hashlib.sha256()
    env.reset(seed=seed)
    for _ in range(steps):
        if not env.agents:
            env.reset()
        obs, reward, terminated, truncated, info = env.last()
        for key in sorted(obs):
            found.update(np.asarray(obs[key]).tobytes())
        found.update(repr((env.agent_selection, reward, terminated, truncated, info)).encode())
        over = terminated or truncated
        env.step(None if over else int(legal(obs["action_mask"], draw)))
    return found.hexdigest()


def all_traces() -> list[str]:
    return [trace(row, seed) for row in GAMES for seed in range(2)]
