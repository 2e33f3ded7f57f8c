"""Transitions as feature vectors (N, F), for networks that score them.

A vector concatenates the observation, a mark that is 1 in the absorbing state, the action, the next observation and its
mark, as far as ``inputs`` includes them. Discrete values are one-hot, boxes are unchanged, images are scaled to between
0 and 1 and flattened. In the absorbing state everything but the marks is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.core.trees import native
from lhy_rl.nn.encoders.image_spaces import looks_like_image

INPUTS = ("state", "state_action", "state_next_state", "state_action_next_state")
CLIP = 10.0


class Piece(NamedTuple):
    """The place of one array of an observation or action in the feature vector."""

    columns: slice
    space: gym.Space[Any]
    path: tuple[Any, ...]
    """The keys that lead to the array in an observation or action."""
    image: bool
    scaled: bool
    """Whether its columns are normalised to mean 0 and variance 1."""


@dataclass(frozen=True)
class Block:
    """The pieces of an observation, or of an action, and the column of the absorbing state's mark."""

    columns: slice
    pieces: tuple[Piece, ...]
    mark: int | None


def flat_space(space: gym.Space[Any]) -> list[tuple[tuple[Any, ...], gym.Space[Any]]]:
    """The spaces of arrays inside a space, with the keys that lead to each; a dict's ``action_mask`` is left out.

    Raises:
        UserError: One of them cannot be encoded as numbers.
    """
    match space:
        case gym.spaces.Dict():
            inside = [(key, part) for key, part in space.spaces.items() if key != ACTION_MASK]
            return [((key, *path), leaf) for key, part in inside for path, leaf in flat_space(part)]
        case gym.spaces.Tuple():
            return [((k, *path), leaf) for k, part in enumerate(space.spaces) for path, leaf in flat_space(part)]
        case gym.spaces.Box() | gym.spaces.Discrete() | gym.spaces.MultiDiscrete() | gym.spaces.MultiBinary():
            return [((), space)]
    raise UserError(f"no discriminator reads {space}; allowed: Box, Discrete, MultiDiscrete, MultiBinary, Dict, Tuple")


def width(space: gym.Space[Any]) -> int:
    """The number of features that encode a space of arrays."""
    match space:
        case gym.spaces.Discrete():
            return int(space.n)
        case gym.spaces.MultiDiscrete():
            return int(space.nvec.sum())
    return int(np.prod(space.shape or ()))


class TransitionFeatures(nn.Module):
    """Encodes transitions as feature vectors, and normalises them by a running mean and variance.

    Args:
        observation_space, action_space: The spaces of one environment.
        inputs: ``state``, ``state_action``, ``state_next_state`` or ``state_action_next_state``.
        absorbing: Whether observations have a mark for the absorbing state.

    Raises:
        UserError: A name is unknown, or a space cannot be encoded as numbers.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], inputs: str, absorbing: bool
    ) -> None:
        super().__init__()
        if inputs not in INPUTS:
            raise suggest(inputs, INPUTS, "inputs")
        self.inputs, self.absorbing = inputs, absorbing
        self.observation_space, self.action_space = observation_space, action_space
        self.size = 0
        self.state = self._block(observation_space, marked=absorbing)
        self.action = self._block(action_space, marked=False) if "action" in inputs else None
        self.next_state = self._block(observation_space, marked=absorbing) if "next" in inputs else None
        scaled = torch.zeros(self.size, dtype=torch.bool)
        for block in self.blocks:
            for piece in block.pieces:
                scaled[piece.columns] = piece.scaled
        self.scaled: Tensor
        self.register_buffer("scaled", scaled, persistent=False)
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("variance", torch.ones(self.size))
        self.register_buffer("count", torch.tensor(1e-4, dtype=torch.float64))

    @property
    def blocks(self) -> list[Block]:
        """The blocks that are used, from left to right."""
        return [block for block in (self.state, self.action, self.next_state) if block is not None]

    def _block(self, space: gym.Space[Any], marked: bool) -> Block:
        first, pieces = self.size, []
        for path, leaf in flat_space(space):
            image = looks_like_image(leaf)
            columns = slice(self.size, self.size + width(leaf))
            scaled = isinstance(leaf, gym.spaces.Box) and not image
            pieces.append(Piece(columns, leaf, path, image, scaled))
            self.size = columns.stop
        mark = self.size if marked else None
        self.size += marked
        return Block(slice(first, self.size), tuple(pieces), mark)

    # ------------------------------------------------------------------ encoding
    def encode(self, obs: Any, actions: Any, next_obs: Any, terminated: Any) -> Tensor:
        """(N, ...) arrays and (N,) bool to (N, F); with marks, a terminated step leads to the absorbing state."""
        features = self.mean.new_zeros(len(terminated), self.size)
        _fill(features, self.state, obs)
        if self.action is not None:
            _fill(features, self.action, actions)
        if self.next_state is not None:
            _fill(features, self.next_state, next_obs)
            if self.next_state.mark is not None:
                ends = torch.as_tensor(native(terminated), dtype=torch.bool, device=features.device)
                features[ends, self.next_state.columns] = 0.0
                features[ends, self.next_state.mark] = 1.0
        return features

    def encode_absorbing(self) -> Tensor:
        """The transition from the absorbing state to itself, (1, F)."""
        features = self.mean.new_zeros(1, self.size)
        for block in (self.state, self.next_state):
            if block is not None and block.mark is not None:
                features[:, block.mark] = 1.0
        return features

    # ------------------------------------------------------------------ normalisation
    @torch.no_grad()
    def update_statistics(self, features: Tensor) -> None:
        """Add (N, F) to the running mean and variance (Chan et al. 1983)."""
        n = len(features)
        mean, variance = features.mean(0), features.var(0, correction=0)
        total = self.count + n
        shift, share = mean - self.mean, (n / total).float()
        self.variance.copy_(self.variance + share * (variance - self.variance + (1 - share) * shift**2))
        self.mean.add_(shift * share)
        self.count.copy_(total)

    def normalize(self, features: Tensor) -> Tensor:
        """Normalise boxes to mean 0 and variance 1, with 0 in the absorbing state; all else is unchanged."""
        scaled = ((features - self.mean) * torch.rsqrt(self.variance + 1e-8)).clamp(-CLIP, CLIP)
        features = torch.where(self.scaled, scaled, features)
        if not self.absorbing:
            return features
        features = features.clone()
        for block in (self.state, self.next_state):
            if block is not None and block.mark is not None:
                features[:, block.columns.start : block.mark] *= 1 - features[:, block.mark : block.mark + 1]
        return features


def _fill(features: Tensor, block: Block, tree: Any) -> None:
    """Write a tree of (N, ...) arrays into a block's columns."""
    for piece in block.pieces:
        leaf = tree
        for key in piece.path:
            leaf = leaf[key]
        values = torch.as_tensor(native(leaf) if not isinstance(leaf, Tensor) else leaf, device=features.device)
        features[:, piece.columns] = _numbers(values, piece)


def _numbers(values: Tensor, piece: Piece) -> Tensor:
    """(N, ...) values of a space as (N, width) numbers."""
    space, n = piece.space, len(values)
    if isinstance(space, gym.spaces.Discrete):
        return nn.functional.one_hot(values.long() - int(space.start), int(space.n)).float()
    if isinstance(space, gym.spaces.MultiDiscrete):
        counts, starts = space.nvec.flatten(), np.asarray(space.start).flatten()
        parts = zip(values.reshape(n, -1).long().T, counts.tolist(), starts.tolist(), strict=True)
        return torch.cat([nn.functional.one_hot(v - start, k) for v, k, start in parts], 1).float()
    numbers = values.reshape(n, -1).float()
    return numbers / 255.0 if piece.image and values.dtype == torch.uint8 else numbers
