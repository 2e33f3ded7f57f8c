"""Works on what others wrote: Minigrid, POPGym, Gymnasium's vector environments and wrappers, a user's own."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector as vector_wrappers

from lhy_rl.agents import A2C, PPO, Reinforce
from lhy_rl.core.errors import UserError
from tests.agents.small_envs import Parrot

SMALL: dict[str, Any] = {"num_envs": 2, "embedding_size": 16, "seed": 0}
KINDS = {"ppo": (PPO, {"n_steps": 16}), "a2c": (A2C, {"n_steps": 8}), "reinforce": (Reinforce, {"core": None})}
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind: str, env: Any, **options: Any) -> Any:
    agent, own = KINDS[kind]
    return agent(env, **SMALL | own | options)


def recent(agent: Any) -> float:
    return float(np.mean([r for r, _ in agent.collector.recent]))


def until(wanted: float) -> Any:
    """A callback that stops a training where so much is reached."""
    return lambda agent, metrics: recent(agent) < wanted


# ---------------------------------------------------------------------- Minigrid
EMPTY = "minigrid:MiniGrid-Empty-5x5-v0"


@every_kind
def test_minigrid_as_it_is(kind):
    """Its text is left out with a line that says so; the policy takes the raw observation, too."""
    pytest.importorskip("minigrid")
    with pytest.warns(UserWarning, match=r"'mission' of the observations is text.*FilterObservation") as caught:
        agent = make(kind, EMPTY)
    assert len(caught) == 1
    agent.learn(150)
    obs, _ = gymnasium.make(EMPTY).reset(seed=0)
    assert "mission" in obs
    action, _ = agent.predict(obs, deterministic=True)
    assert action in agent.env.single_action_space


@every_kind
@pytest.mark.parametrize("wrapper", ["image", "flat", "filter"])
def test_minigrid_in_its_wrappers(kind, wrapper):
    wrappers = pytest.importorskip("minigrid.wrappers")

    def one() -> Any:
        env = gymnasium.make(EMPTY)
        if wrapper == "filter":
            return gymnasium.wrappers.FilterObservation(env, ["direction", "image"])
        return wrappers.ImgObsWrapper(env) if wrapper == "image" else wrappers.FlatObsWrapper(env)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent = make(kind, one).learn(120)
    assert agent.num_timesteps >= 120
    choice, _ = agent.predict(agent.env.reset(seed=0)[0], deterministic=True)
    assert all(action in agent.env.single_action_space for action in choice)


def test_minigrid_is_learned():
    """An empty room: the way to the goal is worth 0.96 at best; a random walk gets 0.4."""
    wrappers = pytest.importorskip("minigrid.wrappers")
    agent = PPO(
        lambda: wrappers.ImgObsWrapper(gymnasium.make(EMPTY)), num_envs=8, n_steps=64, batch_size=128,
        learning_rate=1e-3, entropy_coef=0.01, normalize_observations=True, seed=0,
    )  # fmt: skip
    agent.learn(4000)
    first = recent(agent)
    agent.learn(16_000, callback=until(0.86), reset_num_timesteps=False)
    assert first < 0.8 < 0.85 < recent(agent)


# ---------------------------------------------------------------------- POPGym
def test_popgym_is_learned_with_a_memory():
    """RepeatPrevious, easy: 1 at best, -0.5 by chance."""
    pytest.importorskip("popgym")
    agent = PPO(
        "popgym:popgym-RepeatPreviousEasy-v0", num_envs=16, core="gru", critic="shared", n_steps=52, batch_size=208,
        learning_rate=2e-3, gamma=0.5, gae_lambda=0.5, seed=0,
    )  # fmt: skip
    agent.learn(5000)
    first = recent(agent)
    agent.learn(35_000, callback=until(0.32), reset_num_timesteps=False)
    assert first < -0.2
    assert recent(agent) > 0.3


def test_a_package_that_is_not_there_is_named():
    with pytest.raises(UserError, match="No module named 'popgim'; if it is your own, its folder must be"):
        PPO("popgim:popgym-RepeatPreviousEasy-v0")
    pytest.importorskip("popgym")
    with pytest.raises(UserError, match="unknown environment 'popgym:Repeat-v0'"):
        PPO("popgym:Repeat-v0")


# ---------------------------------------------------------------------- a user's own
@every_kind
@pytest.mark.parametrize("observation", ["box", "dict"])
def test_an_instance_that_nobody_registered(kind, observation):
    agent = make(kind, Parrot(observation)).learn(100)
    assert agent.env.num_envs == 1 and agent.num_timesteps >= 100


# ---------------------------------------------------------------------- vector environments
def cart_pole() -> Any:
    return gymnasium.make("CartPole-v1", max_episode_steps=25)


VECTORS = {
    "batched": lambda: gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="vector_entry_point"),
    "sync, same step": lambda: SyncVectorEnv([cart_pole] * 3, autoreset_mode=AutoresetMode.SAME_STEP),
    "sync, next step": lambda: SyncVectorEnv([cart_pole] * 3, autoreset_mode=AutoresetMode.NEXT_STEP),
    "async, same step": lambda: AsyncVectorEnv([cart_pole] * 3, autoreset_mode=AutoresetMode.SAME_STEP),
    "async, next step": lambda: AsyncVectorEnv([cart_pole] * 3, autoreset_mode=AutoresetMode.NEXT_STEP),
    "one array for ever": lambda: SyncVectorEnv([cart_pole] * 3, copy=False, autoreset_mode=AutoresetMode.SAME_STEP),
}


@every_kind
@pytest.mark.parametrize("name", VECTORS)
def test_vector_environments_and_closed_ones(kind, name):
    rows: list[dict[str, float]] = []
    env = VECTORS[name]()
    agent = make(kind, env).learn(150, callback=lambda agent, metrics: rows.append(metrics))
    seen = [row for row in rows if "rollout/ep_rew_mean" in row]
    assert seen and all(row["rollout/ep_rew_mean"] == row["rollout/ep_len_mean"] > 5 for row in seen)
    env.close()
    if not env.closed:  # it has nothing to close, and plays on
        agent.learn(20)
        return
    with pytest.raises(UserError, match="the environment is closed; give a new one with set_env"):
        agent.learn(150)
    agent.set_env(cart_pole)
    agent.learn(50)


def test_one_array_for_ever_gives_the_same_weights():
    """An environment that writes every observation into the same array teaches the same."""
    for kind in KINDS:
        a, b = (make(kind, VECTORS[name]()).learn(100) for name in ("one array for ever", "sync, same step"))
        for p, q in zip(a.policy.parameters(), b.policy.parameters(), strict=True):
            np.testing.assert_array_equal(p.detach(), q.detach())


# ---------------------------------------------------------------------- wrappers
@every_kind
def test_wrappers_of_single_environments(kind, tmp_path, monkeypatch):
    """Statistics are those of the agent; films are made while it learns."""
    pytest.importorskip("moviepy")
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env: Any = gymnasium.make("CartPole-v1", render_mode="rgb_array", max_episode_steps=15)
    env = gymnasium.wrappers.RecordVideo(env, str(tmp_path / "films"), episode_trigger=lambda n: n == 1)
    env = gymnasium.wrappers.RecordEpisodeStatistics(env)
    rows: list[dict[str, float]] = []
    agent = make(kind, env)
    agent.learn(90, callback=lambda agent, metrics: rows.append(metrics))
    assert len(env.return_queue) >= 4
    if kind != "reinforce":
        assert rows[-1]["rollout/ep_rew_mean"] == pytest.approx(np.mean(env.return_queue))
    env.close()
    assert [path.suffix for path in (tmp_path / "films").iterdir()] == [".mp4"]


@every_kind
def test_sb3_s_monitor(kind, tmp_path):
    monitor = pytest.importorskip("stable_baselines3.common.monitor")
    env = monitor.Monitor(cart_pole(), str(tmp_path / "log"))
    make(kind, env).learn(100)
    assert len(env.get_episode_rewards()) >= 4
    assert (tmp_path / "log.monitor.csv").read_text().count("\n") >= 6


@every_kind
@pytest.mark.parametrize("name", ["batched", "sync, same step", "sync, next step"])
def test_vector_statistics(kind, name):
    env = vector_wrappers.RecordEpisodeStatistics(VECTORS[name]())
    rows: list[dict[str, float]] = []
    make(kind, env).learn(200, callback=lambda agent, metrics: rows.append(metrics))
    assert len(env.return_queue) >= 6
    if kind != "reinforce" and len(env.return_queue) < 100:
        assert rows[-1]["rollout/ep_rew_mean"] == pytest.approx(np.mean(env.return_queue))


@every_kind
def test_vector_films(kind, tmp_path, monkeypatch):
    pytest.importorskip("moviepy")
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    envs = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1", render_mode="rgb_array", max_episode_steps=9)] * 2)
    env = vector_wrappers.RecordVideo(envs, str(tmp_path / "films"), episode_trigger=lambda n: n == 1)
    make(kind, env).learn(60)
    env.close()
    assert [path.suffix for path in (tmp_path / "films").iterdir()] == [".mp4"]


@every_kind
def test_normalising_wrappers(kind):
    env: Any = gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="vector_entry_point")
    env = vector_wrappers.NormalizeReward(vector_wrappers.NormalizeObservation(env))
    agent = make(kind, env).learn(100)
    assert agent.num_timesteps >= 100
