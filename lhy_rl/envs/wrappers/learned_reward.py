"""An environment that pays a learned reward instead of its own.

``gail`` and ``airl`` write theirs to a file with ``save_reward``; an agent of inverse reinforcement learning (``irl``,
``maxent_irl``) is itself given as the reward, also one that was saved and loaded again.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.core.saved_states import fitting
from lhy_rl.core.state_arrays import copied
from lhy_rl.core.trees import map_tree
from lhy_rl.data import spaces
from lhy_rl.nn.rewards.learned_reward import LearnedRewardNet

KIND = "learned reward"


class Rewarding(Protocol):
    """What learned a reward: an agent of inverse reinforcement learning."""

    env: VectorEnv[Any, Any, Any]

    def rewards(self, obs: Any, actions: Any, next_obs: Any) -> np.ndarray:
        """(B,) of steps."""
        ...


class Asked:
    """Such an agent, asked as a network is."""

    def __init__(self, owner: Rewarding) -> None:
        self.owner = owner

    def __call__(self, obs: Any, actions: Any, next_obs: Any, terminated: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(self.owner.rewards(obs, actions, next_obs))


Reward = LearnedRewardNet | Rewarding | str | os.PathLike[str]


def load_reward(path: str | os.PathLike[str]) -> LearnedRewardNet:
    """The reward that an agent's ``save_reward`` wrote; an archive of JSON and safetensors, nothing is unpickled.

    Raises:
        UserError: no such file, damaged, or something else.
    """
    tree = archive.read(path)
    if not isinstance(tree, dict) or str(tree.get("kind")) != KIND:
        raise UserError(f"{str(path)!r} holds no learned reward; agents write one with save_reward")
    with fitting(f"{str(path)!r} is no learned reward of this version"):
        seen, done = (spaces.from_json(tree[name]) for name in ("observation_space", "action_space"))
        return LearnedRewardNet.from_tree(tree["reward"], seen, done)


class LearnedReward(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """Of a single environment; the task's own reward is ``info["task_reward"]``.

    Args:
        env: With the spaces that the reward was learned in.
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
        self.net = _fitting(reward, env.observation_space, env.action_space)
        self._obs: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        obs, info = self.env.reset(seed=seed, options=options)
        self._obs = copied(obs)
        return obs, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        obs, reward, terminated, truncated, info = self.env.step(action)
        before, taken, after = (map_tree(lambda x: np.asarray(x)[None], tree) for tree in (self._obs, action, obs))
        paid = float(self.net(before, taken, after, np.array([terminated])))
        self._obs = copied(obs)
        return obs, paid, terminated, truncated, {**info, "task_reward": float(reward)}


class LearnedRewardVector(VectorWrapper[Any, Any, Any, Any, Any]):
    """The same of a vector environment, in every autoreset mode; one pass through the network a step.

    Args:
        env: With the spaces that the reward was learned in.
        reward: The reward, the file that holds it, or an agent of inverse reinforcement learning.

    Raises:
        UserError: no such reward, or one of other spaces.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], reward: Reward) -> None:
        super().__init__(env)
        self.net = _fitting(reward, env.single_observation_space, env.single_action_space)
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
        paid = self.net(self._obs, actions, after, terminated).cpu().numpy().astype(np.float64)
        paid[self._resetting] = 0.0  # NEXT_STEP: this step only began the new episode
        infos["task_reward"], infos["_task_reward"] = np.asarray(rewards), np.ones(self.num_envs, bool)
        self._obs = copied(obs)
        if self.env.metadata.get("autoreset_mode") is AutoresetMode.NEXT_STEP:
            self._resetting = done & ~self._resetting
        return obs, paid, terminated, truncated, infos


def _row(final_obs: Any, i: int) -> Any:
    """Instance i's last observation."""
    if isinstance(final_obs, dict):
        return {key: _row(value, i) for key, value in final_obs.items()}
    return final_obs[i]


def _fitting(
    reward: Reward, observation_space: gymnasium.Space[Any], action_space: gymnasium.Space[Any]
) -> LearnedRewardNet | Asked:
    """The reward, if it was learned from these spaces."""
    net: LearnedRewardNet | Asked
    if isinstance(reward, str | os.PathLike):
        reward = load_reward(reward)
    if isinstance(reward, LearnedRewardNet):
        net, learned = reward, (reward.network.features.observation_space, reward.network.features.action_space)
    else:
        net, learned = Asked(reward), (reward.env.single_observation_space, reward.env.single_action_space)
    for own, wanted, what in zip(learned, (observation_space, action_space), ("observations", "actions"), strict=True):
        if said := spaces.difference(own, wanted, what):
            raise UserError(f"the reward was learned in another environment: {said}")
    return net
