"""Protects the last observation of an episode from the reset that follows in the same step.

An environment may write all its observations into one array. Gymnasium's ``SyncVectorEnv`` puts this array itself into
``info["final_obs"]`` and resets the environment, which would overwrite it with the next episode's first observation.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv


class FinalObservationCopy(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Returns a copy of the observation with which an episode ends."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            obs = deepcopy(obs)
        return obs, reward, terminated, truncated, info


def keep_final_observations(env: VectorEnv[Any, Any, Any]) -> None:
    """Put this wrapper around each environment of a ``SyncVectorEnv`` in same-step mode."""
    whole = env.unwrapped
    if not isinstance(whole, SyncVectorEnv) or type(whole).step is not SyncVectorEnv.step:
        return  # our vector environment copies them itself
    if whole.autoreset_mode is AutoresetMode.SAME_STEP:
        whole.envs = [one if isinstance(one, FinalObservationCopy) else FinalObservationCopy(one) for one in whole.envs]
