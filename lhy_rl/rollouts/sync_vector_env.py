"""Single environments stepped one after the other: Gymnasium's ``SyncVectorEnv`` with less overhead per step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate


class SameStepVectorEnv(SyncVectorEnv):
    """``SyncVectorEnv`` whose instances begin a new episode in the step that ends the last one.

    It equals its parent in ``AutoresetMode.SAME_STEP``, with two differences. It does not merge empty infos or write
    results one by one, which saves a tenth of the time of cheap environments. And it copies an episode's last
    observation before the reset, because some environments write all their observations into one array.

    Args:
        env_fns: One function that makes an environment for each instance.
    """

    def __init__(self, env_fns: Sequence[Callable[[], gym.Env[Any, Any]]]) -> None:
        super().__init__(env_fns, autoreset_mode=AutoresetMode.SAME_STEP)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        infos: dict[str, Any] = {}
        observations, rewards, terminations, truncations = [], [], [], []
        for i, (env, action) in enumerate(zip(self.envs, iterate(self.action_space, actions), strict=True)):  # hot
            obs, reward, terminated, truncated, info = env.step(action)
            if terminated or truncated:
                final = {"final_obs": copy.deepcopy(obs), "final_info": info}
                infos = self._add_info(infos, final, i)
                obs, info = env.reset()
            if info:
                infos = self._add_info(infos, info, i)
            observations.append(obs)
            rewards.append(reward)
            terminations.append(terminated)
            truncations.append(truncated)
        self._env_obs = observations
        self._terminations, self._truncations = np.array(terminations, np.bool_), np.array(truncations, np.bool_)
        self._autoreset_envs = self._terminations | self._truncations
        self._rewards = np.array(rewards, np.float64)
        self._observations = self._together(observations)
        return self._observations, self._rewards, self._terminations, self._truncations, infos

    def _together(self, observations: Sequence[Any]) -> Any:
        """The instances' observations as one new batch."""
        space = self.single_observation_space
        if isinstance(space, gym.spaces.Box) and space.shape:  # a third of the time of what follows
            return np.concatenate(observations).reshape(self.observation_space.shape).astype(space.dtype, copy=False)
        empty: Any = create_empty_array(space, n=self.num_envs, fn=np.zeros)
        return concatenate(space, observations, empty)
