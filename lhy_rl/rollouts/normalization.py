"""Normalises observations and rewards by running statistics of the training."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.saved_states import check_like

CLIP = 10.0


class RunningMoments:
    """Running mean and variance, updated batch by batch (Chan et al. 1983).

    Args:
        shape: Shape of one sample.
    """

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self.mean, self.variance, self.count = np.zeros(shape), np.ones(shape), 1e-4

    def update(self, samples: np.ndarray) -> None:
        """Update with (N, *shape) samples."""
        n = len(samples)  # hot: these sums take a third of the time of numpy's mean and var
        mean = samples.sum(0, dtype=np.float64) / n
        deviation, shift, total = samples - mean, mean - self.mean, self.count + n
        squares = (deviation * deviation).sum(0) + shift * shift * (self.count * n / total)
        self.variance = (self.variance * self.count + squares) / total
        self.mean = self.mean + shift * (n / total)
        self.count = total

    def state_dict(self) -> dict[str, Any]:
        """Mean, variance and count."""
        return {"mean": np.asarray(self.mean), "variance": np.asarray(self.variance), "count": float(self.count)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore saved moments.

        Raises:
            ValueError: They are of samples of another shape.
        """
        check_like(state, self.state_dict(), shapes=True)
        self.mean, self.variance = np.array(state["mean"]), np.array(state["variance"])
        self.count = float(state["count"])


def normalized_space(space: gym.Space[Any]) -> gym.spaces.Box:
    """The space of normalised observations: floats, even if the observations are integers.

    Raises:
        UserError: The space is no Box.
    """
    if not isinstance(space, gym.spaces.Box):
        raise UserError(f"observations of {brief(space)} cannot be normalised; allowed: Box")
    return gym.spaces.Box(-CLIP, CLIP, space.shape, np.float32)


class Normalizer:
    """Normalises observations and scales rewards before an agent learns from them.

    Rewards are divided by the standard deviation of the discounted return, but not centred, which would change the
    task (as in Stable-Baselines3's ``VecNormalize``).

    Args:
        space: Space of one observation.
        num_envs: B.
        gamma: Discount of the return.
        observed, rewarded: Whether observations and rewards are normalised.

    Raises:
        UserError: Observations are to be normalised, and the space is no Box.
    """

    def __init__(
        self, space: gym.Space[Any], num_envs: int, gamma: float, observed: bool = False, rewarded: bool = False
    ) -> None:
        self.observed = RunningMoments(normalized_space(space).shape) if observed else None
        self.rewarded = RunningMoments() if rewarded else None
        self.gamma = gamma
        self.running = np.zeros(num_envs)

    def learn(self, obs: Any, counts: np.ndarray) -> None:
        """Update the statistics with the observations (B, ...) where ``counts`` (B,) is true."""
        if self.observed is not None and counts.any():
            self.observed.update(np.asarray(obs) if counts.all() else np.asarray(obs)[counts])

    def observations(self, obs: Any) -> Any:
        """Observations (B, ...), or a single one, normalised."""
        if self.observed is None:
            return obs
        scaled = (obs - self.observed.mean) / np.sqrt(self.observed.variance + 1e-8)
        return np.clip(scaled, -CLIP, CLIP).astype(np.float32)

    def rewards(self, rewards: np.ndarray, done: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """(T, B) rewards, scaled; the statistics are updated first, with the valid steps in order of time."""
        if self.rewarded is None:
            return rewards
        returns = np.empty(rewards.shape)
        for t, (reward, ended, counts) in enumerate(zip(rewards, done, valid, strict=True)):
            self.running = np.where(counts, self.running * self.gamma + reward, self.running)
            returns[t] = self.running
            self.running = np.where(ended, 0.0, self.running)
        if valid.any():
            self.rewarded.update(returns[valid])
        scaled = rewards / np.sqrt(self.rewarded.variance + 1e-8)
        return np.clip(scaled, -CLIP, CLIP).astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        """The statistics."""
        return {
            "observed": self.observed.state_dict() if self.observed else None,
            "rewarded": self.rewarded.state_dict() if self.rewarded else None,
            "running": self.running,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore saved statistics; if the number of instances differs, the running returns begin at 0.

        Raises:
            UserError: The saved normaliser had other ``normalize_observations`` or ``normalize_rewards``.
        """
        for name, moments in (("observed", self.observed), ("rewarded", self.rewarded)):
            saved, option = state[name], {"observed": "normalize_observations", "rewarded": "normalize_rewards"}[name]
            if (saved is None) != (moments is None):
                was, now = ("without", "true") if saved is None else ("with", "false")
                raise UserError(f"{option} is {now}, but this agent was trained {was} it; leave {option} as it was")
            if moments is not None:
                moments.load_state_dict(saved)
        running = np.array(state["running"], float)
        self.running = running if running.shape == self.running.shape else np.zeros_like(self.running)
