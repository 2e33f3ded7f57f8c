"""The reward of inverse reinforcement learning, a function of features of steps, as a reward model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.common.reward_model import RewardModel
from lhy_rl.core.trees import map_tree
from lhy_rl.data.demonstrations import Demonstrations, Transitions
from lhy_rl.nn.rewards.feature_reward import RewardNet, StepFeatures, TableFeatures
from lhy_rl.rollouts.rollout import Rollout


@dataclass(frozen=True)
class PlayedFeatures:
    """The features of a rollout.

    Attributes:
        features: (T, B, F) of the steps.
        valid: (T, B) bool: the steps that count.
        absent: (B,) number of absent steps, which terminated episodes lack to the length of the longest demonstration.
    """

    features: Tensor
    valid: Tensor
    absent: Tensor


class FeatureReward(RewardModel):
    """R(phi(step)); the rewards of each rollout are divided by their standard deviation.

    Args:
        features: phi, of steps or of the states that they lead to.
        net: R.
        num_envs: Number of instances.

    Attributes:
        longest: Steps of the longest demonstration. The steps that an episode terminated before lacks are absent: spent
            where features and reward are 0.
        newest: The features of the newest rollout.
    """

    def __init__(self, features: StepFeatures | TableFeatures, net: RewardNet, num_envs: int) -> None:
        self.features, self.net = features, net
        self.longest = 0
        self.ages = torch.zeros(num_envs, dtype=torch.long, device=net.weights.device)  # steps of the current episodes
        self.newest: PlayedFeatures | None = None

    def fit(self, demonstrations: Demonstrations) -> tuple[Tensor, int]:
        """Fit the features' scale to demonstrations; returns their features (N, F) and the number of absent steps."""
        assert isinstance(self.features, StepFeatures)
        steps, self.longest = demonstrations.transitions, int(demonstrations.lengths.max())
        self.features.fit(steps.obs, steps.actions)
        absent = sum(self.longest - len(episode) for episode in demonstrations.episodes if episode.terminated)
        return self.features(steps.obs, steps.actions), absent

    @torch.no_grad()
    def rewards(self, steps: Transitions) -> Tensor:
        rewards: Tensor = self.net(self.features(steps.obs, steps.actions, steps.next_obs))
        return rewards

    @torch.no_grad()
    def relabel(self, rollout: Rollout) -> Metrics:
        assert rollout.env_actions is not None
        obs = map_tree(lambda x: x[:-1].reshape(-1, *x.shape[2:]), rollout.raw_obs)
        features = self.features(obs, rollout.env_actions.reshape(-1, *rollout.env_actions.shape[2:]))
        rewards = self.net(features).view(rollout.rewards.shape)
        rewards = rewards.masked_fill(~rollout.valid, 0.0)  # a step that only resets has none
        rollout.rewards = rewards / rewards[rollout.valid].std().clamp(min=1e-6)
        features = features.view(*rewards.shape, -1)
        self.newest = PlayedFeatures(features, rollout.valid, self._count_absent(rollout))
        return {}

    def _count_absent(self, rollout: Rollout) -> Tensor:
        absent = torch.zeros(rollout.rewards.shape[1], device=self.ages.device)
        for valid, terminated, truncated in zip(rollout.valid, rollout.terminated, rollout.truncated, strict=True):
            self.ages += valid
            absent += torch.where(terminated, (self.longest - self.ages).clamp(min=0), 0)
            self.ages[terminated | truncated] = 0
        return absent

    def state_dict(self) -> dict[str, Any]:
        return {"ages": self.ages, "features": self.features.state_dict(), "longest": self.longest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        same = state["ages"].shape == self.ages.shape  # with another number of instances new episodes begin
        self.ages = state["ages"].to(self.ages.device) if same else torch.zeros_like(self.ages)
        self.features.load_state_dict(state["features"])
        self.longest = int(state["longest"])
