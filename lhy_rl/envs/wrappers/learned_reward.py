"""An environment with a learned reward instead of its own.

``gail`` and ``airl`` save theirs with ``save_reward``; an agent of inverse reinforcement learning (``irl``,
``maxent_irl``) is passed itself as the reward, also after saving and loading.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from lhy_rl.core.trees import copied, map_tree
from lhy_rl.nn.rewards.learned_reward import Reward, reward_function
from lhy_rl.nn.rewards.learned_reward import load_reward as load_reward


class LearnedReward(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """A single environment with a learned reward; the task's own is ``info["task_reward"]``.

    Args:
        env: An environment with the spaces that the reward was learned in.
        reward: The reward, the file that holds it, or an agent of inverse reinforcement learning.

    Raises:
        UserError: no such reward, or one of other spaces.

    Example:
        >>> from lhy_rl.envs.wrappers import LearnedReward
        >>> from stable_baselines3 import PPO
        >>> PPO("MlpPolicy", LearnedReward(gymnasium.make("CartPole-v1"), "reward.zip")).learn(10_000)
    """

    def __init__(self, env: gymnasium.Env[Any, Any], reward: Reward) -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, reward=reward)
        super().__init__(env)
        self.function = reward_function(reward, env.observation_space, env.action_space)
        self._obs: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        obs, info = self.env.reset(seed=seed, options=options)
        self._obs = copied(obs)
        return obs, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        before, taken, after = (map_tree(lambda x: np.asarray(x)[None], tree) for tree in (self._obs, action, obs))
        learned = float(self.function(before, taken, after, np.array([terminated])))
        self._obs = copied(obs)
        return obs, learned, terminated, truncated, {**info, "task_reward": float(reward)}


class LearnedRewardVector(VectorWrapper[Any, Any, Any, Any, Any]):
    """As above, for a vector environment in any autoreset mode, with one pass through the network a step.

    Args:
        env: An environment with the spaces that the reward was learned in.
        reward: The reward, the file that holds it, or an agent of inverse reinforcement learning.

    Raises:
        UserError: no such reward, or one of other spaces.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], reward: Reward) -> None:
        super().__init__(env)
        self.function = reward_function(reward, env.single_observation_space, env.single_action_space)
        self._obs: Any = None
        self._resetting = np.zeros(env.num_envs, bool)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        obs, infos = self.env.reset(seed=seed, options=options)
        self._obs, self._resetting = copied(obs), np.zeros(self.num_envs, bool)
        return obs, infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        obs, rewards, terminated, truncated, infos = self.env.step(actions)
        done = terminated | truncated
        after = copied(obs)
        if "final_obs" in infos:
            for i in np.flatnonzero(infos["_final_obs"]).tolist():
                map_tree(lambda x, last, i=i: x.__setitem__(i, last), after, _row(infos["final_obs"], i))
        learned = self.function(self._obs, actions, after, terminated).cpu().numpy().astype(np.float64)
        learned[self._resetting] = 0.0  # In NEXT_STEP mode this step only reset the episode.
        infos["task_reward"], infos["_task_reward"] = np.asarray(rewards), np.ones(self.num_envs, bool)
        self._obs = copied(obs)
        if self.env.metadata.get("autoreset_mode") is AutoresetMode.NEXT_STEP:
            self._resetting = done & ~self._resetting
        return obs, learned, terminated, truncated, infos


def _row(final_obs: Any, i: int) -> Any:
    """The last observation of instance i."""
    if isinstance(final_obs, dict):
        return {key: _row(value, i) for key, value in final_obs.items()}
    return final_obs[i]
