"""What an actor-critic learns from: pieces of rollouts, and what is made of their numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.trees import map_tree
from lhy_rl.functional.policy_gradient import masked_mean
from lhy_rl.nn.backbones.base import State


@dataclass
class Batch:
    """Pieces of L steps, N side by side, to learn from: tensors (L, N, ...).

    Without memory the order does not matter: each valid step is a piece of its own, (1, N, ...).

    Attributes:
        obs, actions, action_mask, start: As in :class:`Rollout`.
        log_prob: Of the actions, when they were taken.
        values: The critic's opinion then.
        advantages: (L, N).
        returns: (L, N) targets of the critic.
        valid: (L, N) bool.
        state: The policy's memory before each piece, (N, ...) tensors.
    """

    obs: Any
    actions: Tensor
    start: Tensor
    log_prob: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor
    valid: Tensor
    action_mask: Tensor | None
    state: State

    def part(self, columns: Tensor) -> Batch:
        """Some of the N pieces."""

        def pick(x: Tensor) -> Tensor:
            return x.index_select(1, columns)

        picked = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("obs", "action_mask", "state")}
        return Batch(
            obs=map_tree(pick, self.obs),
            action_mask=None if self.action_mask is None else pick(self.action_mask),
            state=tuple(s.index_select(0, columns) for s in self.state),
            **{name: pick(x) for name, x in picked.items()},
        )

    def arrays(self) -> Arrays:
        """The same memory as arrays: for steps without memory, of vectors, on a CPU."""
        found: list[Any] = [self.obs, self.actions, self.log_prob, self.advantages, self.returns, self.action_mask]
        return Arrays._make(None if x is None else x[0].numpy() for x in found)


class Arrays(NamedTuple):
    """N steps without memory for a gradient by hand, (N, ...) numpy arrays; names as in :class:`Batch`."""

    obs: np.ndarray
    actions: np.ndarray
    log_prob: np.ndarray
    advantages: np.ndarray
    returns: np.ndarray
    action_mask: np.ndarray | None

    def part(self, rows: np.ndarray) -> Arrays:
        """Some of the N steps."""
        return Arrays._make(None if x is None else x[rows] for x in self)

    def standardized(self) -> Arrays:
        """With advantages of mean 0 and standard deviation 1."""
        if len(self.advantages) == 1:
            return self
        centred = self.advantages - self.advantages.mean()
        return self._replace(advantages=centred / (self.advantages.std(ddof=1) + np.float32(1e-8)))


def standardized(advantage: Tensor, valid: Tensor | None) -> Tensor:
    """Mean 0 and standard deviation 1 over the valid steps."""
    if valid is None:
        deviation, mean = torch.std_mean(advantage)
    else:
        mean = masked_mean(advantage, valid)
        deviation = masked_mean((advantage - mean).square(), valid).sqrt()
    return (advantage - mean) / (deviation + 1e-8)


def explained_variance(batch: Batch) -> Tensor:
    """1 - Var[G - V] / Var[G]: how much of the returns the critic knew before; 1 is all, 0 or less nothing."""
    returns, values = batch.returns[batch.valid], batch.values[batch.valid]
    return 1 - (returns - values).var(correction=0) / returns.var(correction=0).clamp(min=1e-8)
