"""Wrappers of any Gymnasium environment, single and vector."""

from __future__ import annotations

from typing import Any

from lhy_rl.core.registry import Registry

wrappers = Registry(
    "wrapper",
    {
        "FixedHorizon": "lhy_rl.envs.wrappers.fixed_horizon:FixedHorizon",
        "FixedHorizonVector": "lhy_rl.envs.wrappers.fixed_horizon:FixedHorizonVector",
        "LearnedReward": "lhy_rl.envs.wrappers.learned_reward:LearnedReward",
        "LearnedRewardVector": "lhy_rl.envs.wrappers.learned_reward:LearnedRewardVector",
    },
)

__all__ = ["FixedHorizon", "FixedHorizonVector", "LearnedReward", "LearnedRewardVector", "wrappers"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return wrappers.get(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
