"""Cloning and DAgger reach what they are to, and what leaves out their key part does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest

from lhy_rl.agents import BC, DAgger
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.interop.demonstrations import load_demonstrations
from lhy_rl.rollouts.evaluate_policy import play
from lhy_rl.rollouts.scripted_controllers import EXPERTS


def score(agent: Any, env: Any, episodes: int = 20) -> float:
    """Mean return of the deterministic policy."""

    def predict(obs: Any, state: Any, start: np.ndarray, action_mask: Any) -> Any:
        return agent.predict(obs, state, start, deterministic=True)

    return float(play(predict, env, episodes, 100)[0].mean())


def shown(env_id: str, episodes: int, act: Any = None, **options: Any) -> Demonstrations:
    """Episodes of a scripted expert, or of a function of observations."""
    env = gymnasium.make(env_id, **options)
    act = act or (EXPERTS[env_id]() if env_id in EXPERTS else None)
    found = []
    for i in range(episodes):
        obs, over = env.reset(seed=i)[0], False
        seen, acted, earned = [obs], [], []
        while not over:
            asked = act(np.asarray(obs)[None]) if act else env.unwrapped.expert_action()
            acted.append(asked[0])
            obs, reward, terminated, truncated, _ = env.step(acted[-1])
            seen.append(obs)
            earned.append(reward)
            over = terminated or truncated
        found.append(Episode(np.stack(seen), np.stack(acted), np.array(earned), terminated, truncated))
    return Demonstrations(found, env.observation_space, env.action_space, {"env_id": env_id})


def test_cloning_one_episode_balances_a_pole_and_with_shuffled_actions_it_does_not() -> None:
    given = load_demonstrations("cartpole-expert").take(1)
    agent = BC("CartPole-v1", demonstrations=given, seed=0).learn(60_000)
    assert score(agent, gymnasium.make_vec("CartPole-v1", 20)) >= 490
    rng = np.random.default_rng(0)
    shuffled = [replace(episode, actions=rng.permutation(episode.actions)) for episode in given.episodes]
    control = BC("CartPole-v1", demonstrations=replace(given, episodes=shuffled), seed=0).learn(60_000)
    assert score(control, gymnasium.make_vec("CartPole-v1", 20)) < 200


def test_what_is_learned_is_the_demonstrations() -> None:
    """A clone of an expert that lets the pole fall lets it fall, too: nothing but the labels is learned."""
    bad = shown("CartPole-v1", 30, act=lambda obs: (obs[:, 2] < 0).astype(np.int64))
    agent = BC("CartPole-v1", demonstrations=bad, seed=0).learn(30_000)
    assert score(agent, gymnasium.make_vec("CartPole-v1", 20)) < 20


def test_cloning_swings_a_pendulum_up() -> None:
    agent = BC("Pendulum-v1", demonstrations="pendulum-expert", trajectories=10, batch_size=256, seed=0).learn(600_000)
    assert score(agent, gymnasium.make_vec("Pendulum-v1", 20)) > -250  # at random -1200


@pytest.mark.parametrize("seed", [0, 1])
def test_dagger_mends_what_25_steps_of_cartpole_leave_open(seed: int) -> None:
    options = {"demonstrations": "cartpole-expert", "trajectories": 1, "subsample": 20, "seed": seed}
    agent = DAgger("CartPole-v1", num_envs=4, n_steps=64, label_interval=4, max_labels=1000, **options).learn(10_000)
    assert agent.labels <= 1000
    assert score(agent, gymnasium.make_vec("CartPole-v1", 20)) >= 490


def drive(num_envs: int) -> Any:
    return gymnasium.make_vec("lhy_rl/DriveCorridor-v0", num_envs=num_envs, horizon=100, autoreset_mode="SameStep")


def test_at_equal_labels_and_gradient_steps_the_clone_leaves_the_road_and_dagger_does_not() -> None:
    shared: dict[str, Any] = {"encoder": "mlp", "learning_rate": 1e-3, "seed": 0}
    four = shown("lhy_rl/DriveCorridor-v0", 4, horizon=100)
    clone = BC(drive(1), demonstrations=four, held_out=0, **shared).learn(600 * 64)
    dagger = DAgger(drive(4), n_steps=10, gradient_steps=60, max_labels=400, **shared).learn(400)
    assert dagger.labels == 400 and dagger.num_gradient_steps == clone.num_gradient_steps == 600
    assert score(clone, drive(50), 50) < -10
    assert score(dagger, drive(50), 50) > -1


@pytest.mark.parametrize(("core", "least", "most"), [("gru", 0.95, 1.01), (None, -1.0, 0.0)])
def test_a_memory_is_cloned_from_whole_episodes(core: str | None, least: float, most: float) -> None:
    cards = {"k": 2, "num_ranks": 4}  # the card before, in a deck of 16
    demonstrations = shown("lhy_rl/RepeatPrevious-v0", 40, **cards)
    envs = gymnasium.make_vec("lhy_rl/RepeatPrevious-v0", num_envs=20, autoreset_mode="SameStep", **cards)
    agent = BC(envs, demonstrations=demonstrations, core=core, batch_size=256, learning_rate=0.01, seed=0)
    agent.learn(60 * 256)
    assert least <= score(agent, envs) <= most
