"""A reward that was learned, as a thing of its own: from transitions to numbers, without the agent that learned it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor

from lhy_rl.core.saved_states import check_like
from lhy_rl.functional.adversarial import objective
from lhy_rl.functional.discriminator_rewards import FORMS, absorbing_value
from lhy_rl.nn.discriminators.transition import (
    NetworkOptions,
    TransitionDiscriminator,
    transition_discriminators,
)

REWARD_CLIP = 10.0  # no step is worth more, either way


class RewardTransform:
    """What the scores of a discriminator are worth.

    Args:
        objective_name: Whose scores they are.
        form: A name of :data:`lhy_rl.functional.discriminator_rewards.FORMS`, or ``objective`` for the objective's own.
    """

    def __init__(self, objective_name: str, form: str) -> None:
        self.objective_name, self.form = objective_name, form
        self.pay = objective(objective_name).reward if form == "objective" else FORMS[form]

    def __call__(self, scores: Tensor) -> Tensor:
        """(N,) scores to (N,) rewards, between -10 and 10."""
        return self.pay(scores).clamp(-REWARD_CLIP, REWARD_CLIP)


class LearnedRewardNet:
    """Rewards of transitions.

    Args:
        network: The discriminator.
        name: Its name in the registry.
        transform: What its scores are worth.
        gamma: Of the returns that it was learned for.
    """

    def __init__(self, network: TransitionDiscriminator, name: str, transform: RewardTransform, gamma: float) -> None:
        self.network, self.name, self.transform, self.gamma = network.eval(), name, transform, gamma

    @torch.no_grad()
    def __call__(self, obs: Any, actions: Any, next_obs: Any, terminated: Any) -> Tensor:
        """(N, ...) arrays to (N,) rewards; the last of a terminated episode has the absorbing state's return in it."""
        rows = self.network.features.encode(obs, actions, next_obs, terminated)
        rewards = self.transform(self.network.reward_scores(rows))
        if self.network.options.absorbing:
            ends = torch.as_tensor(terminated, dtype=rewards.dtype, device=rewards.device)
            rewards = rewards + ends * (self.gamma * absorbing_value(self.absorbing_reward(), self.gamma))
        return rewards

    def absorbing_reward(self) -> float:
        """Of the absorbing state, a step."""
        return float(self.transform(self.network.reward_scores(self.network.features.encode_absorbing())))

    def tree(self) -> dict[str, Any]:
        """All of it but the spaces, for an archive."""
        return {
            "name": self.name,
            "options": asdict(self.network.options),
            "objective": self.transform.objective_name,
            "form": self.transform.form,
            "gamma": self.gamma,
            "network": self.network.state_dict(),
        }

    @classmethod
    def from_tree(
        cls, tree: dict[str, Any], observation_space: gym.Space[Any], action_space: gym.Space[Any]
    ) -> LearnedRewardNet:
        """What :meth:`tree` gave.

        Raises:
            UserError: a name that does not exist.
            KeyError, RuntimeError, TypeError, ValueError: it gave something else, or of other spaces.
        """
        check_like(tree, {"name": "", "options": {}, "objective": "", "form": "", "gamma": 0.0, "network": {}})
        kind = transition_discriminators.get(tree["name"])
        options = NetworkOptions(**tree["options"])
        network: TransitionDiscriminator = kind(observation_space, action_space, options)
        network.load_state_dict(tree["network"])
        return cls(network, tree["name"], RewardTransform(tree["objective"], tree["form"]), tree["gamma"])
