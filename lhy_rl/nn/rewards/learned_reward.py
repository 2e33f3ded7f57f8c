"""A learned reward, as a function of transitions, without the agent that learned it; in memory or in a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.core.saved_states import check_like, fitting
from lhy_rl.data import spaces
from lhy_rl.functional.adversarial import objective
from lhy_rl.functional.discriminator_rewards import FORMS, absorbing_value
from lhy_rl.nn.discriminators.transition import (
    NetworkOptions,
    TransitionDiscriminator,
    transition_discriminators,
)

KIND = "learned reward"  # the kind of file
REWARD_CLIP = 10.0  # rewards are clipped to +-10


class RewardTransform:
    """Maps the scores of a discriminator to rewards.

    Args:
        objective_name: The objective that the discriminator was trained with.
        form: A name of :data:`lhy_rl.functional.discriminator_rewards.FORMS`, or ``objective`` for the objective's own.
    """

    def __init__(self, objective_name: str, form: str) -> None:
        self.objective_name, self.form = objective_name, form
        self.function = objective(objective_name).reward if form == "objective" else FORMS[form]

    def __call__(self, scores: Tensor) -> Tensor:
        """(N,) scores to (N,) rewards, between -10 and 10."""
        return self.function(scores).clamp(-REWARD_CLIP, REWARD_CLIP)


class LearnedRewardNet:
    """Rewards of transitions, from the network of a discriminator.

    Args:
        network: The discriminator.
        name: Its name in the registry.
        transform: Maps its scores to rewards.
        gamma: Discount with which it was learned.
    """

    def __init__(self, network: TransitionDiscriminator, name: str, transform: RewardTransform, gamma: float) -> None:
        self.network, self.name, self.transform, self.gamma = network.eval(), name, transform, gamma

    @torch.no_grad()
    def __call__(self, obs: Any, actions: Any, next_obs: Any, terminated: Any) -> Tensor:
        """(N, ...) arrays to (N,) rewards; that of a terminated step contains the absorbing state's return."""
        features = self.network.features.encode(obs, actions, next_obs, terminated)
        rewards = self.transform(self.network.reward_scores(features))
        if self.network.options.absorbing:
            ends = torch.as_tensor(terminated, dtype=rewards.dtype, device=rewards.device)
            rewards = rewards + ends * (self.gamma * absorbing_value(self.absorbing_reward(), self.gamma))
        return rewards

    def absorbing_reward(self) -> float:
        """The reward of a step in the absorbing state."""
        return float(self.transform(self.network.reward_scores(self.network.features.encode_absorbing())))

    @property
    def spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """The spaces of one observation and of one action."""
        return self.network.features.observation_space, self.network.features.action_space

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the reward to a file, JSON and safetensors in a zip, which :func:`load_reward` reads."""
        reward = {
            "name": self.name,
            "options": asdict(self.network.options),
            "objective": self.transform.objective_name,
            "form": self.transform.form,
            "gamma": self.gamma,
            "network": self.network.state_dict(),
        }
        names = ("observation_space", "action_space")
        known = {name: spaces.to_json(space) for name, space in zip(names, self.spaces, strict=True)}
        archive.write(archive.zipped(path), {"kind": KIND, **known, "reward": reward})


def load_reward(path: str | os.PathLike[str]) -> LearnedRewardNet:
    """The reward that an agent's ``save_reward`` wrote; an archive of JSON and safetensors, nothing is unpickled.

    Raises:
        UserError: There is no such file, it is damaged, or it holds no reward.
    """
    tree = archive.read(path)
    if not isinstance(tree, dict) or str(tree.get("kind")) != KIND:
        raise UserError(f"{str(path)!r} holds no learned reward; agents write one with save_reward")
    with fitting(f"{str(path)!r} is not a learned reward of this version of lhy_rl"):
        known = (spaces.from_json(tree[name]) for name in ("observation_space", "action_space"))
        reward = tree["reward"]
        check_like(reward, {"name": "", "options": {}, "objective": "", "form": "", "gamma": 0.0, "network": {}})
        kind = transition_discriminators.get(reward["name"])
        network: TransitionDiscriminator = kind(*known, NetworkOptions(**reward["options"]))
        network.load_state_dict(reward["network"])
        transform = RewardTransform(reward["objective"], reward["form"])
        return LearnedRewardNet(network, reward["name"], transform, reward["gamma"])


class RewardOwner(Protocol):
    """An agent that has learned a reward, by inverse reinforcement learning."""

    env: VectorEnv[Any, Any, Any]

    def rewards(self, obs: Any, actions: Any, next_obs: Any) -> np.ndarray:
        """(B,) rewards of steps."""
        ...


Reward = LearnedRewardNet | RewardOwner | str | os.PathLike[str]
RewardFunction = Callable[[Any, Any, Any, Any], Tensor]
"""(N, ...) observations, actions, next observations and (N,) terminations to (N,) rewards."""


def reward_function(reward: Reward, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> RewardFunction:
    """A learned reward, given itself, its file or its agent, as a function of transitions.

    Raises:
        UserError: There is no such reward, or it was learned in other spaces.
    """
    owner = load_reward(reward) if isinstance(reward, str | os.PathLike) else reward
    if isinstance(owner, LearnedRewardNet):
        found: RewardFunction = owner
        learned = owner.spaces
    else:
        found = lambda obs, actions, next_obs, terminated: torch.as_tensor(owner.rewards(obs, actions, next_obs))  # noqa: E731
        learned = owner.env.single_observation_space, owner.env.single_action_space
    for own, wanted, what in zip(learned, (observation_space, action_space), ("observations", "actions"), strict=True):
        if difference := spaces.difference(own, wanted, what):
            raise UserError(f"the reward was learned in another environment: {difference}")
    return found
