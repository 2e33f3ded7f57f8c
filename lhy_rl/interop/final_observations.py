"""The last observation of an episode is kept from the reset that follows it in the same step.

An environment may write all its observations into one array. Gymnasium's ``SyncVectorEnv`` puts that array itself into
``info["final_obs"]`` and resets the environment, so that the next episode's first observation would stand there.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv


class FinalObservationCopy(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Gives a copy of the observation with which an episode ends."""

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            obs = deepcopy(obs)
        return obs, reward, terminated, truncated, info


def keep_final_observations(env: VectorEnv[Any, Any, Any]) -> None:
    """Put that wrapper around each environment of a ``SyncVectorEnv`` that resets in the same step."""
    whole = env.unwrapped
    if not isinstance(whole, SyncVectorEnv) or type(whole).step is not SyncVectorEnv.step:
        return  # ours copies them itself
    if whole.autoreset_mode is AutoresetMode.SAME_STEP:
        whole.envs = [one if isinstance(one, FinalObservationCopy) else FinalObservationCopy(one) for one in whole.envs]
