"""REINFORCE learns with every kind of action, and from what it is shown."""

from __future__ import annotations

import pytest

from lhy_rl.agents import Reinforce
from tests.agents.small_envs import Parrot


def score(observation: str, action: str, goal: float, steps: int = 24_000, **options) -> tuple[float, float]:
    """Mean return of the first update and of the last five, which are those that reach the goal."""
    options = {"num_envs": 32, "core": None, "learning_rate": 0.01, "normalize_advantage": True, "gamma": 0.0} | options
    returns: list[float] = []
    agent = Reinforce(lambda: Parrot(observation, action), seed=0, **options)

    def going(agent, metrics) -> bool:
        returns.append(metrics["rollout/ep_rew_mean"])
        return len(returns) < 5 or sum(returns[-5:]) / 5 <= goal

    agent.learn(steps, callback=going)
    return returns[0], sum(returns[-5:]) / 5


@pytest.mark.parametrize(
    ("action", "chance", "goal"), [("discrete", 2.5, 6.5), ("multi", 2.5, 6.5), ("bits", 4.6, 7.0), ("box", -4.0, -2.5)]
)
def test_every_kind_of_action(action, chance, goal):
    """Eight answers an episode; for the box minus the distance to the target, -0.7 each by chance."""
    first, last = score("box", action, goal)
    assert first < chance
    assert last > goal


@pytest.mark.parametrize("observation", ["image", "dict"])
def test_pictures_and_dicts(observation):
    first, last = score(observation, "discrete", 6.0, baseline="critic")
    assert first < 2.5
    assert last > 6.0


def test_blind_it_stays_at_chance():
    """The floor: a learning rate of nearly nothing."""
    _, last = score("box", "discrete", 2.6, 4000, learning_rate=1e-9)
    assert last < 2.6
