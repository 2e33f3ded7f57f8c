"""Wrappers: the horizon is fixed and pays nothing behind the end; single and vector agree; learned rewards are paid."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import SyncVectorEnv

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.core.errors import UserError
from lhy_rl.envs.wrappers import FixedHorizon, FixedHorizonVector
from tests.agents.small_envs import Always

H = 60


def play(env: Any, seed: int = 0) -> tuple[list[float], list[np.ndarray], list[bool]]:
    """One episode of always pushing to the right."""
    obs, _ = env.reset(seed=seed)
    rewards, seen, over, cut = [], [obs], [], False
    while not cut:
        obs, reward, terminated, cut, info = env.step(1)
        assert not terminated
        rewards.append(reward), seen.append(obs), over.append(info["over"])
    return rewards, seen, over


@pytest.mark.parametrize("after", ["freeze", "evolve"])
def test_cartpole_lasts_h_steps_and_pays_while_the_pole_stands(after):
    plain = gymnasium.make("CartPole-v1")
    plain.reset(seed=0)
    stood = 1
    while not plain.step(1)[2]:
        stood += 1
    rewards, seen, over = play(gymnasium.make("lhy_rl/FixedHorizon-v0", horizon=H, after=after))
    assert len(rewards) == H and sum(rewards) == stood
    assert rewards == [1.0] * stood + [0.0] * (H - stood)
    assert over == [False] * stood + [True] * (H - stood)
    still = [np.array_equal(a, b) for a, b in zip(seen[stood:-1], seen[stood + 1 :], strict=True)]
    assert all(still) if after == "freeze" else not any(still)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("inner", ["NextStep", "SameStep"])
def test_vector_and_single_agree(mode, inner):
    def one() -> gymnasium.Env[Any, Any]:
        return gymnasium.make("lhy_rl/Catch-v0", field=4)

    ours = FixedHorizonVector(SyncVectorEnv([one] * 3, autoreset_mode=inner), 7, mode)
    theirs = SyncVectorEnv([lambda: FixedHorizon(one(), 7)] * 3, autoreset_mode=mode)
    first, second = ours.reset(seed=0)[0], theirs.reset(seed=0)[0]
    assert np.array_equal(first, second)
    ours.action_space.seed(0)
    for _ in range(7):  # the first episode; later ones begin from other generators' states
        action = ours.action_space.sample()
        a, b = ours.step(action), theirs.step(action)
        assert all(np.array_equal(x, y) for x, y in zip(a[1:4], b[1:4], strict=True))
        assert a[0] is not None and ((a[3].any() and mode == "SameStep") or np.array_equal(a[0], b[0]))
    assert a[3].all() and not a[2].any()
    if mode == "SameStep":
        assert all(np.array_equal(x, y) for x, y in zip(a[4]["final_obs"], b[4]["final_obs"], strict=True))


def test_snapshot_of_a_frozen_batch():
    env = FixedHorizonVector(gymnasium.make_vec("lhy_rl/Catch-v0", num_envs=3, field=4), 9)
    env.reset(seed=0)
    env.action_space.seed(0)
    script = [env.action_space.sample() for _ in range(12)]
    for action in script[:5]:
        env.step(action)
    kept = env.snapshot()
    first = [env.step(action) for action in script[5:]]
    env.restore(kept)
    assert data_equivalence(first, [env.step(action) for action in script[5:]], exact=True)
    assert not hasattr(FixedHorizonVector(gymnasium.make_vec("CartPole-v1", num_envs=2)), "snapshot")


def test_gymnasium_is_content():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of CartPole's own bounds
        check_env(FixedHorizon(gymnasium.make("CartPole-v1").unwrapped, 20), skip_render_check=True)


def test_failures_speak():
    with pytest.raises(UserError, match="own time limit is 10 steps"):
        play(FixedHorizon(Always(), 20))
    with pytest.raises(UserError, match="horizon=0"):
        FixedHorizon(Always(), 0)
    with pytest.raises(UserError, match="did you mean 'freeze'"):
        FixedHorizon(Always(), 10, after="freez")
    with pytest.raises(UserError, match="SameStep, NextStep"):
        FixedHorizonVector(gymnasium.make_vec("lhy_rl/Catch-v0", num_envs=2, autoreset_mode="Disabled"))
    env = FixedHorizonVector(gymnasium.make_vec("lhy_rl/Catch-v0", num_envs=2))
    with pytest.raises(UserError, match="all instances reset together"):
        env.reset(options={"reset_mask": np.array([True, False])})
