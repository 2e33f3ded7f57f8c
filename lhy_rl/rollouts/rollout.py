"""Rollouts of a fixed number of steps, and the buffer that they are collected in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.trees import map_tree
from lhy_rl.data.demonstrations import Transitions
from lhy_rl.nn.backbones.base import State
from lhy_rl.rollouts.normalization import Normalizer


@dataclass
class Rollout:
    """T steps of B instances.

    Attributes:
        obs: (T + 1, B, ...), the last row after the last step; normalised if the agent normalises observations.
        actions: (T, B, ...).
        rewards: (T, B).
        start: (T + 1, B) bool: an episode begins with this observation.
        terminated, truncated: (T, B) bool.
        valid: (T, B) bool: false where the step only reset the environment (``AutoresetMode.NEXT_STEP``).
        action_mask: (T, B, A) bool, all true at the steps without masks; None if no step had one.
        state: The policy's memory before the first step.
        features: (T, B, H) inputs of the actor's head, if collecting computed them; they need not be computed again.
        truncated_final_obs: (step, instance, observation) of truncated episodes whose last observation is not in
            ``obs``.
        raw_obs: (T + 1, B, ...) numpy arrays, the observations as the environment gave them; None if not kept.
        final_obs: (step, instance, observation) of all episodes whose last observation is not in ``raw_obs``; empty
            if not kept.
        env_actions: (T, B, ...) numpy array, the actions as the environment took them; None if not kept.
    """

    obs: Any
    actions: Tensor
    rewards: Tensor
    start: Tensor
    terminated: Tensor
    truncated: Tensor
    valid: Tensor
    action_mask: Tensor | None
    state: State
    features: Tensor | None = None
    truncated_final_obs: list[tuple[int, int, Any]] = field(default_factory=list)
    raw_obs: Any = None
    final_obs: list[tuple[int, int, Any]] = field(default_factory=list)
    env_actions: np.ndarray | None = None

    def transitions(self) -> Transitions:
        """The valid steps as transitions, in the environment's own observations and actions; needs ``raw_obs``."""
        assert self.env_actions is not None
        valid = self.valid.cpu().numpy()
        next_obs = map_tree(lambda x: x[1:].copy(), self.raw_obs)
        for t, i, final in self.final_obs:
            map_tree(lambda x, one, t=t, i=i: x.__setitem__((t, i), one), next_obs, final)
        return Transitions(
            map_tree(lambda x: x[:-1][valid], self.raw_obs),
            self.env_actions[valid],
            map_tree(lambda x: x[valid], next_obs),
            *(x.cpu().numpy()[valid] for x in (self.rewards, self.terminated, self.start[:-1])),
        )

    def normalize_rewards(self, normalizer: Normalizer) -> None:
        """Scale the rewards by a normaliser's statistics, after updating these with the rewards."""
        if normalizer.rewarded is not None:
            done = self.terminated | self.truncated
            arrays = (x.cpu().numpy() for x in (self.rewards, done, self.valid))
            self.rewards = torch.from_numpy(normalizer.rewards(*arrays)).to(self.rewards.device)


@dataclass
class RolloutBuffer:
    """The numpy arrays that a rollout is collected in; names as in :class:`Rollout`."""

    obs: Any
    raw_obs: Any
    rewards: np.ndarray
    start: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    valid: np.ndarray
    action_mask: np.ndarray | None = None
    actions: list[np.ndarray] = field(default_factory=list)
    env_actions: list[np.ndarray] = field(default_factory=list)
    truncated_final_obs: list[tuple[int, int, Any]] = field(default_factory=list)
    final_obs: list[tuple[int, int, Any]] = field(default_factory=list)

    def rollout(self, t: int, state: State, features: list[np.ndarray], device: torch.device) -> Rollout:
        """The first ``t`` steps as a rollout on the policy's device.

        Args:
            state: The policy's memory before the first step.
            features: Inputs (B, H) of the actor's head at each step, or an empty list.
        """

        def tensor(x: np.ndarray) -> Tensor:
            return torch.from_numpy(x).to(device)

        played = Rollout(
            map_tree(lambda x: tensor(x[: t + 1]), self.obs),
            tensor(np.stack(self.actions)),
            tensor(self.rewards[:t]),
            tensor(self.start[: t + 1]),
            tensor(self.terminated[:t]),
            tensor(self.truncated[:t]),
            tensor(self.valid[:t]),
            None if self.action_mask is None else tensor(self.action_mask[:t]),
            state,
            tensor(np.stack(features)) if features else None,
            self.truncated_final_obs,
        )
        if self.env_actions:
            played.raw_obs, played.final_obs = map_tree(lambda x: x[: t + 1], self.raw_obs), self.final_obs
            played.env_actions = np.stack(self.env_actions)
        return played


def stored(x: Any) -> Any:
    """The dtype in which observations are stored: floats as float32, images and tokens unchanged."""
    return np.float32 if np.issubdtype(np.asarray(x).dtype, np.floating) else np.asarray(x).dtype


def put(rows: Any, t: int, obs: Any) -> None:
    """Write an observation into row t."""
    if isinstance(rows, np.ndarray):
        rows[t] = obs
    else:
        map_tree(lambda x, y: x.__setitem__(t, y), rows, obs)
