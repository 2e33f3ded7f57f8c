"""Our PPO, paid by a reward that is being learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lhy_rl.agents.common.callbacks import Played
from lhy_rl.agents.common.rollout_batch import Batch
from lhy_rl.agents.policy_gradient.ppo import PPO
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree
from lhy_rl.rollouts.fixed_length import Rollout
from lhy_rl.rollouts.vector_envs import Environment

if TYPE_CHECKING:
    from lhy_rl.agents.inverse_rl.base import InverseAgent


class RewardedPPO(PPO):
    """PPO that is paid by an inverse agent's reward instead of the environment's.

    Learned rewards are divided by their standard deviation, so that no learning rate depends on their scale.

    Attributes:
        features: (T, B, F) of the steps last played; ``valid`` (T, B) which count; ``log_prob`` (T, B) of the actions.
        absent: (B,) steps behind the ends of the episodes that the task ended in them.
    """

    def __init__(self, env: Environment, owner: InverseAgent, **options: Any) -> None:
        if options.get("normalize_observations") or options.get("normalize_rewards"):
            raise UserError("the reward learns from observations as they are: normalize_observations must be false")
        super().__init__(env, **options)
        self.owner = owner
        self.features: Tensor | None = None
        self.valid = torch.zeros(0)
        self.log_prob = torch.zeros(0)
        self.absent = torch.zeros(0)
        self.ages = torch.zeros(self.env.num_envs, dtype=torch.long, device=self.device)

    def compute_advantages(self, steps: Rollout) -> Batch:
        played, count = steps.rewards.shape
        obs = map_tree(lambda x: x[:-1].flatten(0, 1).cpu().numpy(), steps.obs)
        done = self.policy.actor.for_environment(steps.actions.flatten(0, 1))
        features = self.owner.step_features(obs, done)
        with torch.no_grad():
            rewards = self.owner.reward(features).view(played, count)
        steps.rewards = rewards / rewards.std().clamp(min=1e-6)
        self.features, self.valid = features.view(played, count, -1), steps.valid
        self._count_absent(steps)
        batch = super().compute_advantages(steps)
        self.log_prob = batch.log_prob
        if not self.policy.recurrent:  # the batch has the valid steps side by side
            self.log_prob = torch.zeros_like(steps.rewards).masked_scatter(steps.valid, batch.log_prob[0])
        return batch

    def _count_absent(self, steps: Rollout) -> None:
        self.absent = torch.zeros(self.env.num_envs, device=self.device)
        for valid, terminated, truncated in zip(steps.valid, steps.terminated, steps.truncated, strict=True):
            self.ages += valid
            self.absent += torch.where(terminated, (self.owner.longest - self.ages).clamp(min=0), 0)
            self.ages[terminated | truncated] = 0

    def play(self) -> Rollout:
        self.listener, self.own_randomness = self.owner.listener, self.owner.own_randomness
        return super().play()

    def count(self, steps: int) -> None:
        super().count(steps)
        self.owner.num_timesteps += steps * self.env.num_envs

    def on_step(self, played: Played) -> bool:
        going = super().on_step(played)
        self.owner.stopped |= not going
        return going
