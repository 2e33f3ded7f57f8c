"""The batch that an actor-critic learns from: sequences of a rollout, with advantages and returns."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.trees import map_tree
from lhy_rl.functional.policy_gradient import masked_mean
from lhy_rl.nn.backbones.base import State
from lhy_rl.rollouts.rollout import Rollout


@dataclass
class Batch:
    """N sequences of L steps to learn from: tensors (L, N, ...).

    For a policy without memory the order does not matter: each valid step is a sequence of its own, (1, N, ...).

    Attributes:
        obs, actions, action_mask, start: As in :class:`Rollout`.
        log_prob: Log-probabilities of the actions under the policy that acted.
        values: The critic's values at that time.
        advantages: (L, N).
        returns: (L, N) targets of the critic.
        valid: (L, N) bool; None where all steps are.
        state: The policy's memory before each sequence, (N, ...) tensors.
    """

    obs: Any
    actions: Tensor
    start: Tensor
    log_prob: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor
    valid: Tensor | None
    action_mask: Tensor | None
    state: State

    @classmethod
    def of_rollout(
        cls, rollout: Rollout, log_prob: Tensor, values: Tensor, advantages: Tensor, state: State, length: int | None
    ) -> Batch:
        """Cut a rollout into sequences of ``length`` steps, or with None into its valid steps; tensors are (T, B)."""
        all_valid = bool(rollout.valid.all())

        def pieces(x: Tensor) -> Tensor:
            if length is None:
                return (x.flatten(0, 1) if all_valid else x[rollout.valid])[None]
            return x.reshape(-1, length, *x.shape[1:]).transpose(0, 1).flatten(1, 2)

        return cls(
            obs=map_tree(lambda x: pieces(x[:-1]), rollout.obs),
            actions=pieces(rollout.actions),
            start=pieces(rollout.start[:-1]),
            log_prob=pieces(log_prob),
            values=pieces(values),
            advantages=pieces(advantages),
            returns=pieces(advantages + values),
            valid=None if all_valid or length is None else pieces(rollout.valid),
            action_mask=None if rollout.action_mask is None else pieces(rollout.action_mask),
            state=state,
        )

    @property
    def shape(self) -> tuple[int, int]:
        """L and N."""
        length, count = self.returns.shape
        return length, count

    def part(self, columns: Tensor) -> Batch:
        """Some of the N sequences."""
        columns = columns.to(self.returns.device)

        def pick(x: Any) -> Any:
            return None if x is None else x.index_select(1, columns)

        state = tuple(s.index_select(0, columns) for s in self.state)
        picked = {f.name: map_tree(pick, getattr(self, f.name)) for f in fields(self) if f.name != "state"}
        return Batch(**picked, state=state)

    def standardized(self) -> Batch:
        """A copy with advantages of mean 0 and standard deviation 1 (the sample's, without memory) over valid steps."""
        if self.advantages.numel() == 1:
            return self
        if self.valid is None:
            deviation, mean = torch.std_mean(self.advantages, correction=0 if self.state else 1)
        else:
            mean = masked_mean(self.advantages, self.valid)
            deviation = masked_mean((self.advantages - mean).square(), self.valid).sqrt()
        return replace(self, advantages=(self.advantages - mean) / (deviation + 1e-8))

    def arrays(self) -> Arrays:
        """Numpy views of the tensors, on a CPU: for vector observations and a policy without memory."""
        found: list[Any] = [self.obs, self.actions, self.log_prob, self.advantages, self.returns, self.action_mask]
        return Arrays._make(None if x is None else x[0].numpy() for x in found)

    def explained_variance(self) -> float:
        """1 - Var[G - V] / Var[G]: how well the critic predicted the returns; 1 is perfect, 0 or less is useless."""
        pair = self.returns, self.values
        returns, values = (x if self.valid is None else x[self.valid] for x in pair)
        return float(1 - (returns - values).var(correction=0) / returns.var(correction=0).clamp(min=1e-8))


class Arrays(NamedTuple):
    """N steps of a policy without memory, for gradients by hand: (N, ...) numpy arrays, named as in :class:`Batch`."""

    obs: np.ndarray
    actions: np.ndarray
    log_prob: np.ndarray
    advantages: np.ndarray
    returns: np.ndarray
    action_mask: np.ndarray | None

    @property
    def shape(self) -> tuple[int, int]:
        """1 and N."""
        return 1, len(self.returns)

    def part(self, columns: Tensor) -> Arrays:
        """Some of the N steps."""
        rows = columns.numpy()
        return Arrays._make(None if x is None else x[rows] for x in self)

    def standardized(self) -> Arrays:
        """A copy with advantages of mean 0 and standard deviation 1."""
        if len(self.advantages) == 1:
            return self
        centred = self.advantages - self.advantages.mean()
        return self._replace(advantages=centred / (self.advantages.std(ddof=1) + np.float32(1e-8)))
