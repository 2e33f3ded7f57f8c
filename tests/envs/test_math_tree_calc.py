"""TreeCalc: values against Python's own arithmetic and a recursion, strings that can be read back, what is drawn."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SOURCE, SOURCE_MASK, ScriptedExpert
from lhy_rl.envs.drawing import RIGHT, WRONG
from lhy_rl.envs.reasoning.expressions import CALCULI
from lhy_rl.envs.reasoning.tree_calc import TreeCalc


def answers(env: TreeCalc, seed: int = 0) -> tuple[Any, np.ndarray]:
    obs, _ = env.reset(seed=seed)
    return obs, env.expert_action()


def test_arithmetic_is_pythons() -> None:
    env = TreeCalc(300, max_depth=6, num_values=7, render_mode="ansi")
    assert isinstance(env, ScriptedExpert)
    _, value = answers(env)
    written = [text.removesuffix(" = ? modulo 7") for text in env.render() or ()]
    assert value.tolist() == [eval(text) % 7 for text in written]
    assert len(set(value.tolist())) == 7


LISTS = {"MIN": min, "MAX": max, "FIRST": lambda a, b: a, "LAST": lambda a, b: b, "SUM": lambda a, b: (a + b) % 5}


def parsed(words: list[str]) -> int:
    """The value of a string of tokens, which it uses up."""
    word = words.pop(0)
    if word.isdigit():
        return int(word)
    a, b, close = parsed(words), parsed(words), words.pop(0)
    assert close == "]"
    return LISTS[word](a, b)


def test_lists_and_their_strings() -> None:
    env = TreeCalc(300, "lists", max_depth=5, table_depth=5, observation="string", render_mode="ansi")
    obs, value = answers(env)
    assert obs in env.observation_space
    for tokens, mask, right, text in zip(obs[SOURCE], obs[SOURCE_MASK], value, env.render() or (), strict=True):
        assert (np.diff(mask) <= 0).all() and (tokens[mask == 0] == 0).all()
        words = [env.names[token] for token in tokens[mask == 1]]
        assert " ".join(words) == text.split(" = ")[0].replace("[", "").replace("]", " ]")
        assert parsed(words) == right and not words
    table, again = answers(TreeCalc(300, "lists", max_depth=5, table_depth=5))
    assert np.array_equal(again, value) and (table[:, 0, 0] > 5).all()
    used = {"MIN", "MAX", "FIRST", "LAST", "SUM"}
    assert used == set(CALCULI["lists"].signs) == {env.names[t] for t in np.unique(obs[SOURCE]) if t > 5} - {"]"}


UNARY = {
    "NEGATE": lambda a: -a % 5,
    "NEXT": lambda a: (a + 1) % 5,
    "BACK": lambda a: (a - 1) % 5,
    "DOUBLE": lambda a: 2 * a % 5,
    "TRIPLE": lambda a: 3 * a % 5,
    "SKIP": lambda a: (a + 2) % 5,
}


def test_unary_operators() -> None:
    env = TreeCalc(300, "unary", render_mode="ansi")
    table, value = answers(env)
    assert (table[..., 2] == -1).all()
    written = [text.split(" = ")[0] for text in env.render() or ()]
    assert value.tolist() == [eval(text, dict(UNARY)) for text in written]
    assert {text.count("(") for text in written} == {1, 2, 3, 4}


@pytest.mark.parametrize("variant", ["arithmetic", "unary"])
def test_held_out_pairs_of_operators(variant: str) -> None:
    pairs = {}
    for split in ("all", "train", "test"):
        table, _ = answers(TreeCalc(1000, variant, split=split))
        symbol, inner = table[..., 0], table[..., 1] >= 0
        tree, row = np.nonzero(inner[:, 1:])
        pairs[split] = set(zip(symbol[tree, row // 2].tolist(), symbol[tree, row + 1].tolist(), strict=True))
    assert pairs["train"] | pairs["test"] == pairs["all"] and not pairs["train"] & pairs["test"]
    assert 3 * len(pairs["test"]) == len(pairs["all"]) in (9, 36)


@pytest.mark.parametrize(("least", "most"), [(0, 0), (1, 4), (3, 3)])
def test_heights_are_uniform(least: int, most: int) -> None:
    table, _ = answers(TreeCalc(2000, min_depth=least, max_depth=most))
    nodes = table[..., 0] > 0
    height = np.array([nodes[:, 2**k - 1 : 2 ** (k + 1) - 1].any(1) for k in range(7)]).sum(0) - 1
    counts = np.bincount(height, minlength=7)
    assert counts[least : most + 1].min() > 2000 / (most - least + 1) * 0.85
    assert counts.sum() == counts[least : most + 1].sum()
    leaf = nodes & (table[..., 1] < 0)
    assert ((table[..., 0] <= 5) == (leaf | ~nodes)).all() and (table[~nodes] == [0, -1, -1]).all()
    children = table[..., 1:][nodes & ~leaf]
    assert (children >= 0).all() and nodes[np.nonzero(nodes & ~leaf)[0][:, None], children].all()


def test_the_pages_numbers() -> None:
    for depth, leaves in ((4, 8.7), (6, 18.5)):
        table, _ = answers(TreeCalc(4000, min_depth=depth, max_depth=depth))
        assert abs((table[..., 0] > 0).sum(1).mean() + 1 - 2 * leaves) < 0.4
    env = TreeCalc(4000)
    env.reset(seed=0)
    _, reward, terminated, _, _ = env.step(np.random.default_rng(0).integers(5, size=4000))
    assert terminated.all() and abs(reward.mean() - 0.2) < 0.02


def test_right_and_wrong() -> None:
    env = TreeCalc(2, render_mode="rgb_array")
    _, value = answers(env)
    assert env.unwrapped.render()[0].shape == (400, 400, 3)  # type: ignore[index]
    _, reward, *_ = env.step(value + np.array([0, 1]) - 5 * (value == 4) * np.array([0, 1]))
    assert reward.tolist() == [1, 0]
    right, wrong = env.render() or ()
    assert (right == RIGHT).all(-1).any() and not (right == WRONG).all(-1).any()
    assert (wrong == WRONG).all(-1).any() and not (wrong == RIGHT).all(-1).any()
    env.render_mode = "ansi"
    assert env.frame(env.snapshot()["state"])[0].endswith(f"= {value[0]} modulo 5; answered {value[0]}: right")


def test_every_option_draws_a_picture() -> None:
    for options in ({"max_depth": 9, "min_depth": 9, "table_depth": 9}, {"min_depth": 0, "max_depth": 0}):
        env = gymnasium.make("lhy_rl/TreeCalc-v0", variant="lists", render_mode="rgb_array", **options)
        env.reset(seed=0)
        picture: Any = env.render()
        assert picture.shape == (400, 400, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "list"}, "unknown variant 'list'; did you mean 'lists'?"),
        ({"max_depth": 7}, "max_depth=7 is not allowed; must be a whole number from 0 to 6"),
        ({"min_depth": 5}, "min_depth=5 is not allowed; must be a whole number from 0 to 4"),
        ({"table_depth": 10}, "table_depth=10 is not allowed"),
        ({"num_values": 1}, "num_values=1 is not allowed; must be a whole number from 2 to 10"),
        ({"split": "tests"}, "unknown split 'tests'; did you mean 'test'?"),
        ({"observation": "text"}, "unknown observation 'text'"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        TreeCalc(2, **options)
    assert message in str(caught.value)
