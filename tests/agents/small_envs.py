"""Environments of a few lines, for tests of agents that meet what others wrote."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Text


class Always(gymnasium.Env):
    """Reward 1 for ever, nothing to see; ``ending`` says how an episode of ten steps ends."""

    observation_space = Box(-1, 1, (1,), np.float32)
    action_space = Discrete(2)

    def __init__(self, ending: str = "truncated", length: int = 10) -> None:
        self.ending, self.length = ending, length

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.t += 1
        over = self.t == self.length
        terminated, truncated = (over and self.ending == ending for ending in ("terminated", "truncated"))
        return np.zeros(1, np.float32), 1.0, terminated, truncated, {}


class Parrot(gymnasium.Env):
    """Reward 1 for the action that a random target in the observation names; any spaces."""

    def __init__(
        self, observation: str = "box", action: str = "discrete", masked: bool = False, length: int = 8
    ) -> None:
        self.kind, self.length, self.masked = observation, length, masked
        flat, image = Box(-1, 1, (4,), np.float32), Box(0, 255, (1, 8, 8), np.uint8)
        self.observation_space: Space[Any] = {
            "box": flat,
            "image": image,
            "tokens": Discrete(4),
            "multi": MultiDiscrete([4, 2]),
            "bits": MultiBinary(4),
            "dict": Dict({"image": image, "vector": flat}),
            "text": Text(3),
        }[observation]
        self.action_space: Space[Any] = {
            "discrete": Discrete(4, start=3),
            "multi": MultiDiscrete([4, 3]),
            "bits": MultiBinary(3),
            "box": Box(-1, 1, (2,), np.float32),
            "text": Text(3),
        }[action]

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return self._next()

    def step(self, action: Any) -> Any:
        assert action in self.action_space
        if isinstance(self.action_space, Discrete):
            reward = float(action - 3 == self.target)
        else:
            first = float(np.ravel(action)[0])
            continuous = isinstance(self.action_space, Box)
            reward = -abs(first - self.target / 3) if continuous else float(first == self.target)
        self.t += 1
        obs, info = self._next()
        return obs, reward, False, self.t == self.length, info

    def _next(self) -> Any:
        self.target = int(self.np_random.integers(2 if isinstance(self.action_space, MultiBinary) else 4))
        one_hot = np.eye(4, dtype=np.float32)[self.target]
        image = np.zeros((1, 8, 8), np.uint8)
        image[0, :, 2 * self.target] = 255
        obs = {
            "box": one_hot,
            "image": image,
            "tokens": self.target,
            "multi": np.array([self.target, 0]),
            "bits": one_hot.astype(np.int8),
            "dict": {"image": image, "vector": one_hot},
        }[self.kind]
        mask = np.ones(4, bool)
        mask[(self.target + 1) % 4] = False
        return obs, {"action_mask": mask} if self.masked else {}


class Failing(Always):
    """Gives something that is not a number, or raises, at step 20."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what, self.total = what, 0

    def step(self, action: Any) -> Any:
        obs, reward, terminated, truncated, info = super().step(action)
        self.total += 1
        if self.total == 20:
            if self.what == "raises":
                raise RuntimeError("the robot fell over")
            obs, reward = (obs * np.nan, reward) if self.what == "observation" else (obs, float("inf"))
        return obs, reward, terminated, truncated, info


class NoChoice(Parrot):
    """No action is legal in some state."""

    def _next(self) -> Any:
        obs, _ = super()._next()
        return obs, {"action_mask": np.zeros(4, bool) if getattr(self, "t", 0) == 3 else np.ones(4, bool)}


def vectors(name: str, num_envs: int, autoreset_mode: str) -> Any:
    """Instances of an environment side by side, which reset themselves in this mode."""
    options = {"vectorization_mode": "sync", "vector_kwargs": {"autoreset_mode": autoreset_mode}}
    return gymnasium.make_vec(name, num_envs=num_envs, **options)
