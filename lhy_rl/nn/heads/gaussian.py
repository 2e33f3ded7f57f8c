"""The actor head of continuous actions: a normal distribution."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.functional.distillation import tempered_gaussian_kl
from lhy_rl.nn.heads.base import ActionEvaluation, Head

LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class GaussianHead(Head):
    """A normal distribution with a learned mean and a standard deviation that does not depend on the state.

    Its actions are unbounded; they are clipped to the box only for the environment, as in Stable-Baselines3.

    Args:
        input_size: H, width of the features.
        space: The action space.
        log_std: Initial logarithm of the standard deviation.
    """

    low: Tensor
    high: Tensor

    def __init__(self, input_size: int, space: gym.spaces.Box, log_std: float = 0.0) -> None:
        super().__init__()
        self.shape = space.shape
        size = int(np.prod(space.shape))
        self.output = nn.Linear(input_size, size)
        self.log_std = nn.Parameter(torch.full((size,), float(log_std)))
        for name in ("low", "high"):
            bound = torch.as_tensor(getattr(space, name), dtype=torch.float32)
            self.register_buffer(name, bound, persistent=False)

    @torch.no_grad()
    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        action_mask: Tensor | None = None,
    ) -> Tensor:
        action: Tensor = self.output(h)
        if temperature > 0:
            owner = h.device if generator is None else generator.device
            noise = torch.randn(action.shape, generator=generator, device=owner).to(h.device)
            action = action + temperature * self.log_std.exp() * noise
        return action.view(len(h), *self.shape)

    def noise(self, rows: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
        owner = device if generator is None else generator.device
        return torch.randn(*rows, self.output.out_features, generator=generator, device=owner).to(device)

    def distribution(self, h: Tensor, action_mask: Tensor | None = None) -> Tensor:
        mean: Tensor = self.output(h)
        return torch.cat([mean, self.log_std.expand_as(mean)], -1)

    def draw_from(self, distribution: Tensor, noise: Tensor) -> Tensor:
        mean, log_std = distribution.chunk(2, -1)
        return (mean + log_std.exp() * noise).view(len(distribution), *self.shape)

    def kl(self, h: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        (mean_p, log_std_p), (mean_q, log_std_q) = teacher.chunk(2, -1), self.distribution(h).chunk(2, -1)
        return tempered_gaussian_kl(mean_p, log_std_p, mean_q, log_std_q, temperature)

    def evaluate(self, h: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> ActionEvaluation:
        return ActionEvaluation(self.log_prob(h, actions), self.entropy().expand(len(h)))

    def entropy(self) -> Tensor:
        """Entropy of the distribution in nats, the same in every state."""
        return (self.log_std + LOG_SQRT_2PI + 0.5).sum()

    def log_prob(
        self, h: Tensor, actions: Tensor, temperature: float = 1.0, action_mask: Tensor | None = None
    ) -> Tensor:
        log_std = self.log_std + math.log(temperature)
        mean: Tensor = self.output(h)
        z = (actions.flatten(1) - mean) * torch.exp(-log_std)
        return -(0.5 * z * z + log_std + LOG_SQRT_2PI).sum(-1)
