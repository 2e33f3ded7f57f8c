"""Encoders: from observations of a space to vectors (..., E)."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.errors import UserError
from lhy_rl.registry import Registry

encoders = Registry(
    "encoder",
    {"tokens": "lhy_rl.nn.encoders:TokenEncoder", "flat": "lhy_rl.nn.encoders:FlatEncoder"},
)


def default_encoder(space: gym.Space[Any]) -> str:
    """The encoder that fits a space: ``tokens`` for numbers that are names, ``flat`` for vectors.

    Raises:
        UserError: no encoder reads this space.
    """
    if isinstance(space, gym.spaces.Discrete):
        return "tokens"
    if isinstance(space, gym.spaces.Box):
        return "flat"
    raise UserError(f"no encoder for observations of {space}; allowed spaces: Discrete (tokens), Box (flat)")


class TokenEncoder(nn.Module):
    """A learned vector for each token: Discrete(n) to (..., E)."""

    def __init__(self, space: gym.spaces.Discrete, embedding_size: int) -> None:
        super().__init__()
        self.first = int(space.start)
        self.embedding = nn.Embedding(int(space.n), embedding_size)
        self.output_size = embedding_size

    def forward(self, obs: Tensor) -> Tensor:
        return self.embedding(obs.long() - self.first)  # type: ignore[no-any-return]


class FlatEncoder(nn.Module):
    """Two layers of tanh over the flattened numbers of a Box, (..., *shape) to (..., E)."""

    def __init__(self, space: gym.spaces.Box, embedding_size: int) -> None:
        super().__init__()
        self.dimensions = len(space.shape)
        self.layers = nn.Sequential(
            nn.Linear(int(np.prod(space.shape)), embedding_size),
            nn.Tanh(),
            nn.Linear(embedding_size, embedding_size),
            nn.Tanh(),
        )
        self.output_size = embedding_size

    def forward(self, obs: Tensor) -> Tensor:
        flat = obs.to(torch.float32).flatten(obs.dim() - self.dimensions) if self.dimensions else obs[..., None]
        return self.layers(flat)  # type: ignore[no-any-return]
