"""A reward model is given to an agent, which then maximises its rewards instead of the environment's.

``ppo``, ``a2c`` and ``reinforce`` take one as ``reward_model``. After each rollout they call :meth:`RewardModel.train`
and then :meth:`RewardModel.relabel`, before the rewards are used.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Agent, Metrics
from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.registry import Registry
from lhy_rl.data.demonstrations import Transitions
from lhy_rl.nn.rewards.learned_reward import LearnedRewardNet, reward_function
from lhy_rl.rollouts.full_episodes import Episodes

reward_models = Registry("reward_model", {"fluency": "lhy_rl.agents.rewards.fluency:FluencyReward"})
"""Reward models that need no argument, by name."""


class RewardModel:
    """Rewards in place of the environment's: of transitions (:meth:`rewards`), or of whole rollouts (:meth:`relabel`).

    A subclass defines one of the two. One that learns, or counts, also saves its state. A rollout is a
    :class:`~lhy_rl.rollouts.rollout.Rollout` of ``ppo`` and ``a2c``, or the
    :class:`~lhy_rl.rollouts.full_episodes.Episodes` of ``reinforce``.
    """

    needs_raw_obs = True
    """Whether rollouts keep what ``rollout.transitions()`` needs: the observations as the environment gave them,
    including the last ones of episodes, and the actions as it received them."""

    needs_states = False
    """Whether episodes keep the policy's memory before each step, from which a sentence can be completed."""

    def attach(self, agent: Agent) -> None:
        """Called once with the agent that is given these rewards; what depends on its spaces may be built here.

        Raises:
            UserError: the reward does not fit the agent's spaces.
        """

    def train(self, rollout: Any) -> Metrics:
        """Learn from the latest rollout; returns metrics to log. A fixed reward learns nothing."""
        return {}

    def rewards(self, steps: Transitions) -> np.ndarray | Tensor:
        """Rewards (N,) of transitions as the environment gave and took them; ``steps.rewards`` are the environment's.

        Raises:
            UserError: it rewards whole rollouts only.
        """
        raise UserError(f"{type(self).__name__} cannot reward single transitions, only whole rollouts")

    def relabel(self, rollout: Any) -> Metrics:
        """Replace the rewards of a rollout; returns metrics to log.

        Raises:
            UserError: :meth:`rewards` gives anything but one finite number for each transition.
        """
        steps = rollout.transitions()
        given = self.rewards(steps)
        try:
            rewards = torch.as_tensor(given).detach().to(rollout.rewards)
        except (TypeError, ValueError, RuntimeError):
            rewards = torch.empty(())
        if rewards.shape != (len(steps),) or not rewards.isfinite().all():
            wanted = f"one finite number for each of {len(steps)} transitions"
            raise UserError(f"{type(self).__name__}.rewards must return {wanted}; given: {brief(given)}")
        rollout.rewards = torch.zeros_like(rollout.rewards).masked_scatter(rollout.valid, rewards)
        return {"rollout/learned_reward_mean": float(rewards.mean())}

    def action_values(self, episodes: Episodes, values: Tensor) -> Tensor | None:
        """Q (T, B) of the actions in relabelled episodes, for ``reinforce``.

        Args:
            values: The critic's value of each state, (T, B), without gradient; zeros where there is no critic.

        Returns:
            Q, or None for the discounted sum of the rewards that follow.
        """
        return None

    def state_dict(self) -> dict[str, Any]:
        """Everything that future rewards depend on."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state of :meth:`state_dict`."""


class LearnedRewardModel(RewardModel):
    """A fixed reward that was learned before.

    Args:
        reward: A file of ``save_reward``, a reward of ``load_reward``, or an agent of inverse reinforcement learning.
    """

    def __init__(self, reward: Any) -> None:
        self.reward = reward

    def attach(self, agent: Agent) -> None:
        spaces = agent.env.single_observation_space, agent.env.single_action_space
        self.function = reward_function(self.reward, *spaces)

    def rewards(self, steps: Transitions) -> Tensor:
        return self.function(steps.obs, steps.actions, steps.next_obs, steps.terminated)


class MissingRewardModel(RewardModel):
    """Placeholder for a reward model that a file does not hold: the agent can predict, but not learn.

    Args:
        state: The state of the missing reward model.
    """

    needs_raw_obs = False

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state

    def relabel(self, rollout: Any) -> Metrics:
        raise UserError(
            "this agent's file does not hold its reward model, which training needs: load(..., reward_model=...)"
        )

    def state_dict(self) -> dict[str, Any]:
        return self.state


def as_reward_model(given: Any) -> RewardModel | None:
    """The reward model of the option ``reward_model``: a model itself, its name or class, or a learned reward.

    Raises:
        UserError: the option is anything else.
    """
    if given is None or isinstance(given, RewardModel):
        return given
    named = isinstance(given, str) and (":" in given or given in reward_models) and not given.endswith(".zip")
    if isinstance(given, type) or named:
        model: RewardModel = reward_models.choose(given, RewardModel)()
        return model
    if isinstance(given, LearnedRewardNet | os.PathLike) or hasattr(given, "rewards") or str(given).endswith(".zip"):
        return LearnedRewardModel(given)
    raise UserError(
        f"reward_model is {brief(given)}; allowed: a RewardModel, its module:Class, a reward's .zip, or a name: "
        f"{', '.join(reward_models.names())}"
    )


def resumed_reward_model(model: RewardModel | None, state: dict[str, Any]) -> RewardModel | None:
    """An agent's reward model, restored from the agent's state."""
    if model is not None:
        model.load_state_dict(state["reward_model"])
    elif "reward_model" in state:
        model = MissingRewardModel(state["reward_model"])
    return model
