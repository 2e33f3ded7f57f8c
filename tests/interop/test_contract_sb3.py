"""Stable-Baselines3 takes every registered environment, single and batched."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.core.errors import UserError
from lhy_rl.envs.registration import TABLE, Row

pytest.importorskip("stable_baselines3", reason="the extra sb3 is not installed")

from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from lhy_rl.interop.feature_extractors import Encoder
from lhy_rl.interop.sb3 import from_sb3, to_sb3
from lhy_rl.nn.encoders.image_spaces import looks_like_image

every_row = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.id)


def is_text(row: Row) -> bool:
    return ".text." in row.batched


def batch(row: Row, n: int, **kwargs: Any) -> Any:
    return gymnasium.make_vec(row.id, num_envs=n, **{"autoreset_mode": "SameStep", **row.small, **kwargs})


def larger(row: Row) -> dict[str, Any]:
    """Images that SB3's CNN reads: from 36 x 36 up."""
    return {"size": 36} if ".third_person." in row.batched else {}


@every_row
def test_sb3_check_env(row: Row) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "The minimal resolution for an image")  # of SB3's own network, not of ours
        warnings.filterwarnings("ignore", "Your observation source has an unconventional shape")  # (L, F), of a set
        warnings.filterwarnings("ignore", "Your observation  has an unconventional shape")  # a table, say
        check_env(gymnasium.make(row.id, **row.small).unwrapped)


def policy_for(env: VecEnv) -> str:
    """SB3's policy for these observations."""
    return "MultiInputPolicy" if isinstance(env.observation_space, gymnasium.spaces.Dict) else "MlpPolicy"


def extractor_for(env: VecEnv) -> dict[str, Any]:
    """Ours where a part of the observations is a picture that is too small for SB3's CNN."""
    parts = getattr(env.observation_space, "spaces", {}).values()
    small = any(looks_like_image(part) and min(part.shape[:2]) < 36 for part in parts)
    return {"features_extractor_class": Encoder} if small else {}


def dict_of(obs: Any) -> Any:
    """SB3's observations; an ordered dict as the dict that it is."""
    return dict(obs) if isinstance(obs, dict) else obs


@every_row
def test_ppo_trains(row: Row) -> None:
    env = VecMonitor(to_sb3(batch(row, 8, **larger(row))))
    model = PPO(
        policy_for(env),
        env,
        n_steps=50,
        batch_size=200,
        n_epochs=1,
        seed=0,
        device="cpu",
        policy_kwargs=extractor_for(env),
    )
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(800)
    assert model.num_timesteps == 800 and len(model.ep_info_buffer) > 0
    lengths = [episode["l"] for episode in model.ep_info_buffer]
    assert max(lengths) <= (row.small["max_length"] if is_text(row) else 50)
    assert any(not np.array_equal(a, b.detach()) for a, b in zip(before, model.policy.parameters(), strict=True))
    mean, _ = evaluate_policy(model, env, n_eval_episodes=4)
    assert np.isfinite(mean)


@every_row
def test_ppo_steps_at_default_size(row: Row) -> None:
    env = to_sb3(gymnasium.make_vec(row.id, num_envs=4, autoreset_mode="SameStep", **larger(row)))
    small = {"net_arch": [8], **extractor_for(env)}
    model = PPO(policy_for(env), env, n_steps=8, batch_size=32, n_epochs=1, seed=0, policy_kwargs=small, device="cpu")
    assert model.learn(64).num_timesteps == 64


@every_row
@pytest.mark.parametrize("limit", [None, 3])
def test_equals_dummy_vec_env(row: Row, limit: int | None) -> None:
    """What SB3 sees is what its own wrapper of the single environments shows it.

    An environment that draws random numbers shares a generator in the batch and is compared as a batch of one.
    """
    n = 3 if is_text(row) else 1
    ours = to_sb3(batch(row, n, max_episode_steps=limit))
    made = type(gymnasium.make(row.id, **row.small).unwrapped)
    theirs = DummyVecEnv([lambda: made(**row.small, max_episode_steps=limit) for _ in range(n)])
    ours.seed(5)
    theirs.seed(5)
    assert data_equivalence(ours.reset(), dict_of(theirs.reset()), exact=True)
    ours.action_space.seed(0)
    for _ in range(25):
        action = np.array([ours.action_space.sample() for _ in range(n)])
        a, b = ours.step(action), theirs.step(action)
        assert data_equivalence(a[0], dict_of(b[0]), exact=True)
        for x, y in zip(a[1:3], b[1:3], strict=True):
            np.testing.assert_array_equal(x, y)
            assert x.dtype == y.dtype
        assert data_equivalence(a[3], b[3], exact=True)
        assert data_equivalence(ours.reset_infos, theirs.reset_infos, exact=True)


class Count(gymnasium.Env[int, int]):
    """Three steps an episode; the infos tell the reset and the steps of every episode apart."""

    observation_space = gymnasium.spaces.Discrete(4)
    action_space = gymnasium.spaces.Discrete(2)
    episode = -1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        super().reset(seed=seed)
        self.place, self.episode = 0, self.episode + 1
        return 0, {"began": self.episode}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self.place += 1
        return self.place, 1.0, self.place == 3, False, {"place": self.place, "deep": {"word": "abc"[self.place - 1]}}


def test_infos_are_those_of_sb3() -> None:
    ours = to_sb3(SyncVectorEnv([Count] * 2, autoreset_mode=AutoresetMode.SAME_STEP))
    theirs = DummyVecEnv([Count] * 2)
    ours.reset()
    theirs.reset()
    for _ in range(7):
        assert ours.reset_infos == theirs.reset_infos
        ours_infos, theirs_infos = ours.step(np.zeros(2, int))[3], theirs.step(np.zeros(2, int))[3]
        assert ours_infos == theirs_infos
    assert ours.reset_infos == [{"began": 2}] * 2


def test_gymnasiums_own_vector_env() -> None:
    made = [lambda: gymnasium.make("CartPole-v1", max_episode_steps=9) for _ in range(3)]
    ours, theirs = to_sb3(SyncVectorEnv(made, autoreset_mode=AutoresetMode.SAME_STEP)), DummyVecEnv(made)
    ours.seed(1)
    theirs.seed(1)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    truncations = 0
    for t in range(60):
        action = np.array([0, t % 2, 1])
        a, b = ours.step(action), theirs.step(action)
        for x, y in zip(a[:3], b[:3], strict=True):
            np.testing.assert_array_equal(x, y)
        for x, y in zip(a[3], b[3], strict=True):
            assert x.keys() == y.keys() and x["TimeLimit.truncated"] == y["TimeLimit.truncated"]
            if "terminal_observation" in x:
                np.testing.assert_array_equal(x["terminal_observation"], y["terminal_observation"])
            truncations += x["TimeLimit.truncated"]
    assert truncations > 0
    assert len(ours.get_attr("spec")) == 3 and ours.get_attr("spec", 1)[0].id == "CartPole-v1"
    assert ours.env_is_wrapped(gymnasium.Wrapper) == [False] * 3


def test_attributes_and_methods() -> None:
    env = to_sb3(batch(TABLE[0], 3, render_mode="ansi"))
    env.seed(0)
    env.reset()
    env.step(np.array([1, 2, 3]))
    assert env.render_mode == "ansi"
    assert env.get_attr("vocabulary_size") == [20] * 3 and env.get_attr("vocabulary_size", 1) == [20]
    assert env.env_method("render", indices=[0, 2]) == ["1", "3"]
    assert env.env_method("decode", np.array([4, 5])) == ["4 5"] * 3
    assert env.has_attr("max_length") and not env.has_attr("no_such_thing")
    env.set_attr("mark", 1)
    assert env.get_attr("mark") == [1] * 3
    with pytest.raises(UserError, match="whole batch"):
        env.set_attr("mark", 2, indices=0)
    env.close()


@every_row
@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
def test_every_autoreset_mode_gives_the_same(row: Row, mode: str) -> None:
    """Trajectories, infos and random numbers of an environment that resets by itself and of one that is asked to."""
    if row.id == "lhy_rl/FixedHorizon-v0" and mode == "Disabled":
        pytest.skip("its instances end by themselves")
    one, other = (to_sb3(batch(row, 3, autoreset_mode=m, max_episode_steps=4)) for m in ("SameStep", mode))
    assert_equal(one, other, 20)


@pytest.mark.parametrize("mode", ["NextStep", "Disabled"])
@pytest.mark.parametrize("kind", [SyncVectorEnv, AsyncVectorEnv])
def test_every_autoreset_mode_of_gymnasium_gives_the_same(kind: Any, mode: str) -> None:
    made = [lambda: gymnasium.make("CartPole-v1", max_episode_steps=9) for _ in range(3)]
    one, other = (to_sb3(kind(made, autoreset_mode=AutoresetMode(m))) for m in ("SameStep", mode))
    assert_equal(one, other, 50)


def assert_equal(one: Any, other: Any, steps: int) -> None:
    one.seed(2)
    other.seed(2)
    np.testing.assert_equal(one.reset(), other.reset())
    one.action_space.seed(0)
    ended = 0
    for _ in range(steps):
        action = np.array([one.action_space.sample() for _ in range(3)])
        a, b = one.step(action), other.step(action)
        for x, y in zip(a, b, strict=True):
            assert data_equivalence(x, y, exact=True)
        assert data_equivalence(one.reset_infos, other.reset_infos, exact=True)
        ended += int(a[2].sum())
    assert ended > 3
    one.close()
    other.close()


def test_there_and_back() -> None:
    """Environments that were turned into the other side's and back are the same objects, or give the same."""
    ours = batch(TABLE[0], 2)
    assert from_sb3(to_sb3(ours)) is ours
    made = [lambda: gymnasium.make("CartPole-v1", max_episode_steps=9) for _ in range(3)]
    theirs = DummyVecEnv(made)
    assert to_sb3(from_sb3(theirs)) is theirs
    one = SyncVectorEnv(made, autoreset_mode=AutoresetMode.SAME_STEP)
    other = from_sb3(VecMonitor(theirs))
    np.testing.assert_array_equal(one.reset(seed=3)[0], other.reset(seed=3)[0])
    for t in range(60):
        a, b = (env.step(np.array([0, t % 2, 1])) for env in (one, other))
        for x, y in zip((*a[:3], a[3] & ~a[2]), b[:4], strict=True):
            np.testing.assert_allclose(x, y)
        assert ("final_obs" in a[4]) == ("final_obs" in b[4])
        if "final_obs" in a[4]:
            assert data_equivalence(list(a[4]["final_obs"]), list(b[4]["final_obs"]))
            np.testing.assert_array_equal(a[4]["_final_obs"], b[4]["_final_obs"])
            i = int(np.flatnonzero(b[4]["_final_obs"])[0])
            assert b[4]["final_info"]["episode"]["l"][i] <= 9


def test_what_is_refused() -> None:
    with pytest.raises(UserError, match="make it with autoreset_mode='SameStep'"):
        to_sb3(gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="vector_entry_point"))
    with pytest.raises(UserError, match="vector environment, got"):
        to_sb3(gymnasium.make(TABLE[0].id, **TABLE[0].small))  # type: ignore[arg-type]
