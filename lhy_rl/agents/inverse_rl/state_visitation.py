"""State visitation as weighted features, so that the score under a reward is one sum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Tabular
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.functional.dynamic_programming import (
    occupancies,
    reached,
    sample_paths,
    soft_value_iteration,
    value_iteration,
    visitation,
)
from lhy_rl.nn.rewards.feature_reward import RewardNet


@dataclass(frozen=True)
class StateVisitation:
    """N states or steps with the weight of each.

    Attributes:
        features: (N, F).
        weights: (N,) expected discounted visits in an episode on tables; shares of all steps otherwise.
    """

    features: Tensor
    weights: Tensor

    def score(self, reward: RewardNet) -> Tensor:
        """sum_n weights_n R(features_n): the expected return under this reward, or the mean reward of a step."""
        score: Tensor = self.weights @ reward(self.features)
        return score

    @property
    def mean(self) -> Tensor:
        """(F,) feature expectation mu: under a linear reward the score is w . mu."""
        return self.weights @ self.features

    def state_dict(self) -> dict[str, Tensor]:
        """Both tensors."""
        return {"features": self.features, "weights": self.weights}


def mixture_policy(policies: list[np.ndarray], shares: np.ndarray, task: Tabular, gamma: float) -> np.ndarray:
    """(T, S, A) or (S, A): the policy with the expected visits of a mixture of policies.

    pi(a|s) = sum_i c_i D_i(s, a) / sum_i c_i D_i(s), at each time if there is a horizon: drawing policy i with
    probability c_i at the beginning of an episode has the same expected visits (Puterman 1994, theorem 5.5.1).
    """
    horizon, tables = task.max_episode_steps, (task.transitions, task.starts)
    together, likeliest = np.zeros(()), policies[int(shares.argmax())]
    for policy, share in zip(policies, shares.tolist(), strict=True):
        if share > 0:
            parts = (tables[0], policy, tables[1])
            occupancy = visitation(*parts, gamma) if horizon is None else occupancies(*parts, horizon)
            together = together + share * occupancy
    total = together.sum(-1, keepdims=True)
    return np.where(total > 1e-15, together / np.maximum(total, 1e-300), likeliest)


def planned_expert(
    task: Tabular, temperature: float, gamma: float, episodes: int | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The visits of the optimal policy under the task's true reward: expected ones, or those of sampled episodes.

    Args:
        temperature: Above 0, the soft optimal policy is taken.
        episodes: Number of episodes to sample; None for expected visits.

    Returns:
        (S,) discounted visits of the states reached, and (S,) distribution of the first states.

    Raises:
        UserError: episodes are to be sampled, but there is no time limit.
    """
    problem = task.transitions, task.state_rewards, gamma, task.max_episode_steps
    plan = soft_value_iteration(*problem, temperature) if temperature > 0 else value_iteration(*problem)
    if episodes is None:
        return state_occupancy(task, plan.policy, gamma), task.starts
    if task.max_episode_steps is None:
        raise UserError(f"trajectories is {episodes}, but without max_episode_steps an episode has no end; give one")
    horizon = task.max_episode_steps
    states, _, lengths = sample_paths(
        task.transitions, plan.policy, task.starts, horizon, episodes, np.random.default_rng(seed)
    )
    return empirical_occupancy([row[: n + 1] for row, n in zip(states, lengths, strict=True)], len(task.starts), gamma)


def demonstrated_occupancy(demonstrations: Demonstrations, states: int, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """(S,) discounted visits of the states reached, averaged over episodes, and (S,) distribution of first states."""
    return empirical_occupancy([np.asarray(episode.observations) for episode in demonstrations.episodes], states, gamma)


def empirical_occupancy(paths: list[np.ndarray], states: int, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """Discounted visits (S,) and distribution of first states (S,) of paths, (L + 1,) states each."""
    occupancy, first = np.zeros(states), np.zeros(states)
    for path in paths:
        np.add.at(occupancy, path[1:], gamma ** np.arange(len(path) - 1))
        first[path[0]] += 1
    return occupancy / len(paths), first / len(paths)


def state_occupancy(task: Tabular, policy: np.ndarray, gamma: float, starts: np.ndarray | None = None) -> np.ndarray:
    """(S,) expected discounted visits of the states reached by a policy."""
    begun = task.starts if starts is None else starts
    occupancy = visitation(task.transitions, policy, begun, gamma, task.max_episode_steps)
    return reached(task.transitions, occupancy)


def uniform_visitation(features: Tensor, absent: float = 0.0) -> StateVisitation:
    """Steps of equal weight; ``absent`` further steps after terminations count with features and reward 0."""
    return StateVisitation(features, torch.full_like(features[:, 0], 1 / (len(features) + absent)))


def loaded_visitation(state: Any, device: torch.device, size: int) -> StateVisitation:
    """Restore a :meth:`StateVisitation.state_dict` with F = ``size``.

    Raises:
        ValueError: the state has other shapes.
    """
    features, weights = state["features"].to(device), state["weights"].to(device)
    if features.shape != (len(weights), size) or weights.ndim != 1:
        raise ValueError(
            f"visits have shapes {tuple(features.shape)} and {tuple(weights.shape)}; must be (N, {size}) and (N,)"
        )
    return StateVisitation(features, weights)
