"""Observations and rewards brought to mean 0 and variance 1 by statistics that grow with the training."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.saved_states import check_like

CLIP = 10.0


class RunningMoments:
    """Mean and variance of everything seen (Chan et al. 1983: moments of parts add up).

    Args:
        shape: Of one sample.
    """

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self.mean, self.variance, self.count = np.zeros(shape), np.ones(shape), 1e-4

    def update(self, samples: np.ndarray) -> None:
        """Take (N, *shape) samples in."""
        n = len(samples)  # hot: sums, which cost a third of numpy's mean and var
        mean = samples.sum(0, dtype=np.float64) / n
        deviation, shift, total = samples - mean, mean - self.mean, self.count + n
        squares = (deviation * deviation).sum(0) + shift * shift * (self.count * n / total)
        self.variance = (self.variance * self.count + squares) / total
        self.mean = self.mean + shift * (n / total)
        self.count = total

    def state_dict(self) -> dict[str, Any]:
        """All of it."""
        return {"mean": np.asarray(self.mean), "variance": np.asarray(self.variance), "count": float(self.count)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there.

        Raises:
            ValueError: of samples of another shape.
        """
        check_like(state, self.state_dict(), shapes=True)
        self.mean, self.variance = np.array(state["mean"]), np.array(state["variance"])
        self.count = float(state["count"])


def normalized_space(space: gym.Space[Any]) -> gym.spaces.Box:
    """The space of normalised observations: floats, also where whole numbers are normalised.

    Raises:
        UserError: observations that have no moments.
    """
    if not isinstance(space, gym.spaces.Box):
        raise UserError(f"observations of {brief(space)} cannot be normalised; allowed: Box")
    return gym.spaces.Box(-CLIP, CLIP, space.shape, np.float32)


class Normalizer:
    """What an agent does to observations and rewards before it learns from them.

    Rewards are divided by the standard deviation of the discounted return, and not centred, which would change the
    task (as in Stable-Baselines3's ``VecNormalize``).

    Args:
        space: Of one observation.
        num_envs: B.
        gamma: Of the return.
        observed, rewarded: Whether observations and rewards are normalised.

    Raises:
        UserError: observations that have no moments.
    """

    def __init__(
        self, space: gym.Space[Any], num_envs: int, gamma: float, observed: bool = False, rewarded: bool = False
    ) -> None:
        self.observed = RunningMoments(normalized_space(space).shape) if observed else None
        self.rewarded = RunningMoments() if rewarded else None
        self.gamma = gamma
        self.running = np.zeros(num_envs)

    def learn(self, obs: Any, counts: np.ndarray) -> None:
        """Take the observations (B, ...) in that count, (B,) bool: each that is acted on, once."""
        if self.observed is not None and counts.any():
            self.observed.update(np.asarray(obs) if counts.all() else np.asarray(obs)[counts])

    def observations(self, obs: Any) -> Any:
        """(B, ...) or one observation, normalised."""
        if self.observed is None:
            return obs
        scaled = (obs - self.observed.mean) / np.sqrt(self.observed.variance + 1e-8)
        return np.clip(scaled, -CLIP, CLIP).astype(np.float32)

    def rewards(self, rewards: np.ndarray, done: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """(T, B) rewards in the order they came, scaled; those of steps that are not valid are not learned from."""
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
        """Its statistics."""
        return {
            "observed": self.observed.state_dict() if self.observed else None,
            "rewarded": self.rewarded.state_dict() if self.rewarded else None,
            "running": self.running,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with these; with another number of instances new episodes begin, and their returns with them.

        Raises:
            UserError: statistics that this one has not, or the other way round; ``normalize_...`` differed.
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
