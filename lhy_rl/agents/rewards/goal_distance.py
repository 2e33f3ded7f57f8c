"""A reward from an expert's videos without a discriminator: the closeness of a frame to the videos' last frames.

    r = -|F(o') - g|^2,     g: the mean of F over the last frames of the expert's videos

F is learned from these videos only, by aligning pairs of them in time (XIRL: Zakka et al. 2022, section 4). Nothing but
random colours (``recolour``) helps it to generalise to another view.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.common.reward_model import RewardModel
from lhy_rl.agents.rewards.frame_pairs import rollout_pairs
from lhy_rl.core.validation import check, positive
from lhy_rl.data.videos import Videos
from lhy_rl.functional.cycle_consistency import cycle_consistency
from lhy_rl.nn.discriminators.third_person import ThirdPersonDiscriminator, ThirdPersonNetworkOptions, random_colours
from lhy_rl.rollouts.rollout import Rollout


class GoalDistance(RewardModel):
    """Minus the squared distance to the goal in an embedding that is learned from videos once and then fixed.

    Args:
        space: Space of the learner's frames, (H, W, 3).
        expert: The expert's videos.
        generator: Random numbers for the batches.
        device: Device of the network.
        steps: Gradient steps on pairs of videos.
        batch_size: Pairs of videos per gradient step.
        frames: Frames of each video per gradient step.
        learning_rate: Adam's.
        recolour: Share of the videos that are recoloured at random, different ones for each.

    Raises:
        UserError: a number out of its range.
    """

    def __init__(
        self,
        space: gym.Space[Any],
        expert: Videos,
        generator: torch.Generator,
        device: torch.device,
        *,
        steps: int = 300,
        batch_size: int = 6,
        frames: int = 16,
        learning_rate: float = 1e-3,
        recolour: float = 0.65,
    ) -> None:
        check(steps=(steps, 0), batch_size=(batch_size, 1), frames=(frames, 2), recolour=(recolour, 0, 1))
        positive(learning_rate=learning_rate)
        self.network = ThirdPersonDiscriminator(space, ThirdPersonNetworkOptions()).to(device)
        self.device, self.generator = device, generator
        self.recolour, self.shape = recolour, (2 * batch_size, frames)
        self.frames = torch.as_tensor(expert.frames).to(device)
        self.begins, self.lengths = expert.ends - expert.lengths, expert.lengths
        optimizer = torch.optim.Adam(self.network.parameters(), learning_rate)
        self.network.train()
        self.losses = [self._step(optimizer) for _ in range(steps)]
        self.goal = self.network.read(self.frames[torch.as_tensor(expert.ends - 1, device=device)]).mean(0)

    def _step(self, optimizer: torch.optim.Optimizer) -> float:
        videos, count = self.shape
        which = torch.randint(len(self.begins), (videos,), generator=self.generator).numpy()
        moments = torch.rand(self.shape, generator=self.generator).sort(1).values.numpy()
        places = self.begins[which, None] + (moments * self.lengths[which, None]).astype(np.int64)
        colours = random_colours(videos, self.recolour, self.generator, self.device).repeat_interleave(count, 0)
        frames = self.frames[torch.as_tensor(places.ravel(), device=self.device)]
        first, second = self.network.features(frames, colours).view(videos, count, -1).chunk(2)
        loss = cycle_consistency(first, second)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(loss.detach())

    def relabel(self, rollout: Rollout) -> Metrics:
        frames, pairs = rollout_pairs(rollout, 1)
        features: Tensor = self.network.read(torch.as_tensor(frames).to(self.device))
        rewards = -(features[pairs[:, 1]] - self.goal).square().sum(-1)
        rollout.rewards = torch.zeros_like(rollout.rewards).masked_scatter(rollout.valid, rewards)
        return {"rollout/learned_reward_mean": float(rewards.mean())}

    def state_dict(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "goal": self.goal}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.goal = state["goal"].to(self.device)
