"""Our loop over single environments gives what Gymnasium's gives."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Tuple
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lhy_rl.rollouts.sync_vector_env import SameStepVectorEnv
from lhy_rl.rollouts.vector_envs import make_vector_env


class Counting(gym.Env[Any, Any]):
    """Counts its steps in observations of every kind, and says now and then something in its infos."""

    observation_space = Dict(box=Box(0, 99, (2, 1), np.float32), both=Tuple((Discrete(99), Box(0, 99, (), np.int64))))
    action_space = Box(-1, 1, (3,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.time = 0
        self.length = int(self.np_random.integers(1, 5))
        return self.see(), {"length": self.length} if self.length > 2 else {}

    def step(self, action: Any) -> Any:
        self.time += 1
        info = {"seen": action.copy(), "time": self.time} if self.time % 2 else {}
        ended = self.time == self.length
        return self.see(), float(action.sum()), ended and self.length % 2 == 0, ended and self.length % 2 == 1, info

    def see(self) -> Any:
        return {"box": np.full((2, 1), self.time, np.float32), "both": (self.time, np.array(self.length))}


class Overwriting(gym.Wrapper[Any, Any, Any, Any]):
    """Writes every observation into the same array."""

    def reset(self, **options: Any) -> Any:
        obs, info = self.env.reset(**options)
        self.obs = obs.copy() if not hasattr(self, "obs") else self.obs
        self.obs[:] = obs
        return self.obs, info

    def step(self, action: Any) -> Any:
        obs, *rest = self.env.step(action)
        self.obs[:] = obs
        return self.obs, *rest


@pytest.mark.parametrize("make", [lambda: gym.make("CartPole-v1"), Counting], ids=["CartPole", "every kind"])
def test_it_gives_what_gymnasiums_gives(make):
    ours, theirs = SameStepVectorEnv([make] * 3), SyncVectorEnv([make] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    assert ours.metadata == theirs.metadata
    assert data_equivalence(ours.reset(seed=4), theirs.reset(seed=4), exact=True)
    ours.action_space.seed(0)
    for _ in range(60):
        actions = ours.action_space.sample()
        a, b = ours.step(actions), theirs.step(actions)
        assert data_equivalence(a[:4], b[:4], exact=True)
        assert a[4].keys() == b[4].keys() and repr(a[4]) == repr(b[4])


def test_what_it_gave_stays_what_it_was():
    """Also the last observation of an episode, in an environment that writes all of them into one array."""
    plain, reusing = (
        make_vector_env(make, 2)
        for make in (lambda: gym.make("CartPole-v1"), lambda: Overwriting(gym.make("CartPole-v1")))
    )
    first, _ = reusing.reset(seed=0)
    expected, _ = plain.reset(seed=0)
    ends = 0
    for _ in range(50):
        obs, *_, infos = reusing.step(np.ones(2, int))
        wanted, *_, others = plain.step(np.ones(2, int))
        np.testing.assert_array_equal(obs, wanted)
        for i in np.flatnonzero(others.get("_final_obs", [])):
            ends += 1
            np.testing.assert_array_equal(infos["final_obs"][i], others["final_obs"][i])
    np.testing.assert_array_equal(first, expected)
    assert ends > 5
