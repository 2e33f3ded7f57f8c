"""What an actor-critic learns from: pieces of rollouts, and what is made of their numbers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from lhy_rl.functional.policy_gradient import masked_mean
from lhy_rl.nn.sequence import State
from lhy_rl.trees import map_tree


@dataclass
class Batch:
    """Pieces of L steps, N side by side, to learn from: tensors (L, N, ...).

    Attributes:
        obs, actions, legal, start: As in :class:`Steps`.
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
    legal: Tensor | None
    state: State

    def part(self, columns: Tensor) -> Batch:
        """Some of the N pieces."""

        def pick(x: Tensor) -> Tensor:
            return x.index_select(1, columns)

        picked = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("obs", "legal", "state")}
        return Batch(
            obs=map_tree(pick, self.obs),
            legal=None if self.legal is None else pick(self.legal),
            state=tuple(s.index_select(0, columns) for s in self.state),
            **{name: pick(x) for name, x in picked.items()},
        )


def flattened(batch: Batch) -> Batch:
    """Every valid step a piece of its own, (1, N): for a policy without memory the order does not matter."""
    rows = batch.valid.flatten()
    everything = bool(rows.all())

    def flat(x: Tensor) -> Tensor:
        x = x.flatten(0, 1)
        return (x if everything else x[rows])[None]

    whole = {f.name: getattr(batch, f.name) for f in fields(batch) if f.name not in ("obs", "legal", "state")}
    return Batch(
        obs=map_tree(flat, batch.obs),
        legal=None if batch.legal is None else flat(batch.legal),
        state=(),
        **{name: flat(x) for name, x in whole.items()},
    )


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
