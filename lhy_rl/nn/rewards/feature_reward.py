"""Rewards as functions of features, linear or by a small network; and the features of states and of steps."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.trees import native

KINDS = ("plain", "squares")
CLIP = 3.0  # observations are clipped to this many of the expert's standard deviations


class RewardNet(nn.Module):
    """R(phi), (N, F) to (N,).

    Args:
        num_features: F.
        layers: Number of hidden layers; with 0 the reward is linear, w . phi, and initialised to 0.
        width: Width of the hidden layers.
    """

    def __init__(self, num_features: int, layers: int = 0, width: int = 32) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        size = num_features
        for _ in range(layers):
            modules += [nn.Linear(size, width), nn.Tanh()]
            size = width
        modules.append(nn.Linear(size, 1, bias=False))
        self.net = nn.Sequential(*modules)
        self.linear = layers == 0
        if self.linear:
            nn.init.zeros_(self.weights)

    @property
    def weights(self) -> Tensor:
        """(F,) w of a linear reward, or the last layer's weights of a network."""
        return self.net[-1].weight[0]  # type: ignore[index]

    def forward(self, features: Tensor) -> Tensor:
        rewards: Tensor = self.net(features)[..., 0]
        return rewards


class TableFeatures(nn.Module):
    """phi of the state that a step leads to, from a table (S, F)."""

    table: Tensor

    def __init__(self, table: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("table", torch.as_tensor(table, dtype=torch.float64), persistent=False)
        self.size = table.shape[1]

    def forward(self, obs: Any, actions: Any, next_obs: Any) -> Tensor:
        """The features (N, F) of the states ``next_obs`` (N,)."""
        return self.table[torch.as_tensor(native(next_obs), device=self.table.device).long()]


class StepFeatures(nn.Module):
    """phi of a step, from its observation and action, standardised and optionally squared.

    Args:
        observation_space: A ``Box`` of numbers.
        action_space: ``Discrete`` (one-hot) or a ``Box`` of floats.
        kind: ``plain``: x; ``squares``: x, x * x and 1, with which a linear reward can favour middle values and
            survival (as in the feature-expectation matching of Ho and Ermon 2016).

    Raises:
        UserError: The spaces are others.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any], kind: str = "plain") -> None:
        super().__init__()
        if kind not in KINDS:
            raise suggest(kind, KINDS, "features")
        if not isinstance(observation_space, gym.spaces.Box):
            raise UserError(
                f"no reward can be learned from observations of {observation_space}; allowed: Box, and tabular tasks"
            )
        if not isinstance(action_space, gym.spaces.Discrete | gym.spaces.Box):
            raise UserError(f"no reward can be learned from actions of {action_space}; allowed: Discrete, Box")
        self.kind = kind
        self.discrete = isinstance(action_space, gym.spaces.Discrete)
        self.first, self.actions = 0, int(np.prod(action_space.shape or ()))
        if isinstance(action_space, gym.spaces.Discrete):
            self.first, self.actions = int(action_space.start), int(action_space.n)
        numbers = int(np.prod(observation_space.shape)) + self.actions
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("scale", torch.ones(numbers))
        self.size = 2 * numbers + 1 if kind == "squares" else numbers

    def fit(self, obs: Any, actions: Any) -> None:
        """Set mean and standard deviation to those of these observations."""
        spread, mean = torch.std_mean(self._numbers(obs, actions), 0, correction=0)
        watched = torch.arange(len(mean), device=mean.device) < len(mean) - self.actions
        self.mean.copy_(torch.where(watched, mean, 0.0))
        self.scale.copy_(torch.where(watched, spread.clamp(min=1e-3), 1.0))

    def forward(self, obs: Any, actions: Any, next_obs: Any = None) -> Tensor:
        """(N, ...) observations and actions to (N, F)."""
        x = ((self._numbers(obs, actions) - self.mean) / self.scale).clamp(-CLIP, CLIP)
        return torch.cat([x, x * x, torch.ones_like(x[:, :1])], 1) if self.kind == "squares" else x

    def _numbers(self, obs: Any, actions: Any) -> Tensor:
        device = self.mean.device
        observed = torch.as_tensor(native(obs), dtype=torch.float32, device=device)
        taken = torch.as_tensor(native(actions), device=device)
        taken = nn.functional.one_hot(taken.long() - self.first, self.actions) if self.discrete else taken
        return torch.cat([observed.flatten(1), taken.to(observed).reshape(len(observed), -1)], 1)
