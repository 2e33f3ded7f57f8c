"""Whole episodes, one in each instance of a vector environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from lhy_rl.nn.policy import ActorCritic
from lhy_rl.nn.sequence import State
from lhy_rl.protocols import TextTask


@dataclass(frozen=True)
class Episodes:
    """B episodes side by side, up to T steps; what stands behind an episode's end does not count.

    Attributes:
        obs: (T, B, ...).
        actions: (T, B).
        rewards: (T, B), 0 behind the ends.
        mask: (T, B) bool: true until the end.
        states: The policy's memory before each step, (T, B, ...) tensors.
    """

    obs: Tensor
    actions: Tensor
    rewards: Tensor
    mask: Tensor
    states: State

    @property
    def lengths(self) -> Tensor:
        """(B,) steps of each episode."""
        return self.mask.sum(0)

    @property
    def start(self) -> Tensor:
        """(T, B) bool: one episode a column, begun at step 0."""
        start = torch.zeros_like(self.mask)
        start[0] = True
        return start

    def sentences(self, task: TextTask) -> Tensor:
        """(B, max_length) tokens, padded, of episodes of a text task."""
        tokens = torch.where(self.mask, self.actions, task.pad_token).T
        return torch.nn.functional.pad(tokens, (0, task.max_length - tokens.shape[1]), value=task.pad_token)


@torch.no_grad()
def collect_episodes(
    env: VectorEnv[Any, Any, Any],
    policy: ActorCritic,
    seed: int,
    generator: torch.Generator | None = None,
    deterministic: bool = False,
) -> Episodes:
    """Begin in all instances at once and step until every first episode has ended.

    Args:
        seed: Of the episodes' beginnings: the same seed begins the same episodes, in any environment.
        generator: Owner of the policy's draws.
        deterministic: The most probable actions (the greedy episodes of self-critical training).
    """
    obs, _ = env.reset(seed=seed)
    state = policy.initial_state(env.num_envs)
    alive = np.ones(env.num_envs, bool)
    steps: list[tuple[Tensor, Tensor, Tensor, Tensor, State]] = []
    while alive.any():
        obs_t = torch.as_tensor(obs, device=policy.device)
        before = state
        action, state = policy.act(obs_t, state, generator=generator, deterministic=deterministic)
        obs, reward, terminated, truncated, _ = env.step(action.cpu().numpy())
        reward_t = torch.as_tensor(reward * alive, dtype=torch.float32)
        steps.append((obs_t, action, reward_t, torch.as_tensor(alive), before))
        alive = alive & ~(terminated | truncated)
    obs_tb, actions, rewards, mask, states = zip(*steps, strict=True)
    return Episodes(
        torch.stack(obs_tb),
        torch.stack(actions),
        torch.stack(rewards).to(policy.device),
        torch.stack(mask).to(policy.device),
        tuple(torch.stack(tensors) for tensors in zip(*states, strict=True)),
    )
