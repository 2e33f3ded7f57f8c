"""What was played in a fixed number of steps, and how it is written down."""

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
        obs: (T + 1, B, ...), the last row after the last step; normalised where the agent does so.
        actions: (T, B, ...).
        rewards: (T, B).
        start: (T + 1, B) bool: an episode begins with this observation.
        terminated, truncated: (T, B) bool.
        valid: (T, B) bool: false where the step only reset the environment (``AutoresetMode.NEXT_STEP``).
        action_mask: (T, B, A) bool, all true at the steps without masks; None where no step had any.
        state: The policy's memory before the first step.
        features: (T, B, H) that the actor's head read, where that costs nothing to know; they need no second reading.
        truncated_final_obs: (step, instance, observation) of truncated episodes whose last observation is not in
            ``obs``.
        raw_obs: (T + 1, B, ...) numpy arrays, the observations as the environment gave them; where asked for.
        final_obs: (step, instance, observation) of all episodes whose last observation is not in ``raw_obs``; where
            asked for.
        env_actions: (T, B, ...) numpy array, the actions as the environment took them; where asked for.
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
        """The valid steps in rows, as the environment gave and took them; where ``raw_obs`` were kept."""
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
        """Scale the rewards with the statistics of a normaliser, which learns from them."""
        if normalizer.rewarded is not None:
            done = self.terminated | self.truncated
            arrays = (x.cpu().numpy() for x in (self.rewards, done, self.valid))
            self.rewards = torch.from_numpy(normalizer.rewards(*arrays)).to(self.rewards.device)


@dataclass
class RolloutBuffer:
    """What is written down of a rollout while it is played; names as in :class:`Rollout`, arrays in numpy."""

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
        """The first ``t`` steps, on the policy's device, with its memory before them and what its head read."""

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
    """The type in which observations are kept: numbers as torch's own float, images and tokens as they are."""
    return np.float32 if np.issubdtype(np.asarray(x).dtype, np.floating) else np.asarray(x).dtype


def put(rows: Any, t: int, obs: Any) -> None:
    """Enter an observation into row t."""
    if isinstance(rows, np.ndarray):
        rows[t] = obs
    else:
        map_tree(lambda x, y: x.__setitem__(t, y), rows, obs)
