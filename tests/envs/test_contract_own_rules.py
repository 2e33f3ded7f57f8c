"""Rules of somebody else's are tried before the first episode: each mistake in them is one line that says where."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

import lhy_rl  # noqa: F401
from lhy_rl.core.errors import UserError
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.game import BatchedGame, GameBatch
from lhy_rl.envs.own_rules import try_env, try_game
from lhy_rl.envs.registration import GAMES, TABLE, Row
from lhy_rl.envs.single import SingleEnv
from lhy_rl.rollouts.game_sources import imported
from tests.agents.small_games import Nim


class Walk(BatchedEnv):
    """Walk to the right end of five places."""

    def __init__(self, num_envs: int = 1, **base: Any) -> None:
        super().__init__(num_envs, Discrete(5), Discrete(2), **base)

    def initial(self, n: int, rng: np.random.Generator) -> Any:
        return {"place": rng.integers(4, size=n)}

    def transition(self, state: Any, action: np.ndarray, rng: np.random.Generator) -> Any:
        return {"place": np.clip(state["place"] + 2 * action - 1, 0, 4)}

    def observation(self, state: Any) -> Any:
        return state["place"]

    def reward(self, state: Any, action: np.ndarray, next_state: Any) -> Any:
        return (next_state["place"] - state["place"]).astype(float)

    def terminal(self, state: Any) -> Any:
        return state["place"] == 4


def walks_in_place(self: Any, state: Any, action: np.ndarray, rng: np.random.Generator) -> Any:
    state["place"] += 2 * action - 1
    np.clip(state["place"], 0, 4, out=state["place"])
    return state


def takes_in_place(self: Any, state: Any, action: np.ndarray, rng: np.random.Generator) -> Any:
    state["left"] -= action + 1
    return state


MISTAKES: dict[str, tuple[type, dict[str, Any], str]] = {
    "a state is written to": (Walk, {"transition": walks_in_place}, "transition writes into the state that it is"),
    "always all instances": (Walk, {"initial": lambda *_: {"place": np.zeros(4, int)}}, r"initial returns .*\(4,\)"),
    "a state that is a list": (Walk, {"initial": lambda _, n, rng: {"place": [0] * n}}, "must be a dict of arrays"),
    "another array": (Walk, {"transition": lambda _, s, a, rng: {"plaze": s["place"]}}, "'place' is missing"),
    "no state": (Walk, {"transition": lambda *_: None}, "transition returns None for 2 instances"),
    "fractions": (Walk, {"transition": lambda _, s, a, rng: {"place": s["place"] / 2}}, "returns float64"),
    "no such place": (Walk, {"observation": lambda _, s: s["place"] + 4}, "observation returns, .*from 0 to 4"),
    "a column": (Walk, {"observation": lambda _, s: s["place"][:, None]}, "observation returns, .*shape"),
    "rewards in a column": (Walk, {"reward": lambda _, s, a, n: np.zeros((len(a), 1))}, "reward returns .*numbers"),
    "no reward": (Walk, {"reward": lambda *_: None}, "reward returns None"),
    "no end": (Walk, {"terminal": lambda *_: None}, "terminal returns None"),
    "nothing legal": (Walk, {"info": lambda _, s: {"action_mask": np.zeros((2, 2), bool)}}, "must be allowed"),
    "not defined": (Walk, {"reward": BatchedEnv.reward, "terminal": BatchedEnv.terminal}, "define reward, terminal"),
    "a game's state is written to": (Nim, {"transition": takes_in_place}, "transition writes into the state"),
    "one reward for two": (Nim, {"reward": lambda _, s, a, n: np.zeros(len(a))}, r"reward returns .*shape \(2, 2\)"),
    "a third player": (Nim, {"to_move": lambda _, s: s["turn"] + 2}, "to_move returns .*0 to 1"),
    "a mask too wide": (
        Nim,
        {"action_mask": lambda *_: np.ones((2, 4), bool)},
        r"action_mask returns .*shape \(2, 3\)",
    ),
    "no legal move": (Nim, {"action_mask": lambda *_: np.zeros((2, 3), bool)}, "an action must be allowed"),
    "ends as numbers": (
        Nim,
        {"terminal": lambda _, s: (s["left"] == 0).astype(int)},
        "terminal returns .*a bool array",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_rules_is_one_line(mistake: str) -> None:
    base, functions, message = MISTAKES[mistake]
    rules: Any = type("Mine", (base,), functions)
    with pytest.raises(UserError, match=f"Mine.*{message}"):
        GameBatch(rules(), 3) if base is Nim else rules(3).reset(seed=0)


def test_right_rules_are_played_as_if_nobody_had_tried() -> None:
    one, other = Walk(3), Walk(3)
    other._state = {"place": np.zeros(3, np.int64)}  # so that nothing is tried
    assert np.array_equal(one.reset(seed=0)[0], other.reset(seed=0)[0])
    assert np.array_equal(one.step(np.ones(3, int))[1], other.step(np.ones(3, int))[1])


def test_a_single_environment_without_rules_says_so() -> None:
    with pytest.raises(UserError, match="Alone needs a class attribute: batched = "):
        type("Alone", (SingleEnv,), {})()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.id)
def test_our_own_rules_keep_the_contract(row: Row) -> None:
    env = gymnasium.make_vec(row.id, num_envs=1, **row.small).unwrapped
    assert isinstance(env, BatchedEnv)
    assert try_env(env, BatchedEnv) is None


@pytest.mark.parametrize("row", GAMES, ids=lambda row: row.id)
def test_our_own_games_keep_the_contract(row: Any) -> None:
    assert try_game(imported(row.rules)(**row.small), BatchedGame) is None


def test_observations_of_a_box_may_be_wider_floats() -> None:
    kind: Any = type("Floats", (Walk,), {"observation": lambda _, s: s["place"][:, None] / 4})
    env = kind(2)
    env.single_observation_space = Box(0, 1, (1,), np.float32)
    assert env.reset(seed=0)[0].shape == (2, 1)
