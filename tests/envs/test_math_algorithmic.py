"""The algorithmic tasks: what is asked, what a perfect and a random player get, and how an error may end it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.envs.memory.algorithmic import Algorithmic, Problem, read_then_write
from lhy_rl.envs.memory.duplicated_input import DuplicatedInput
from lhy_rl.envs.memory.dyck import Dyck
from lhy_rl.envs.memory.repeat_copy import RepeatCopy
from lhy_rl.envs.memory.reversed_addition import ReversedAddition

TASKS: list[type[Algorithmic]] = [RepeatCopy, DuplicatedInput, ReversedAddition, Dyck]


def text(env: Algorithmic, problem: Problem) -> list[tuple[str, str]]:
    """What is observed and what is to be written; a space where nothing is."""
    names = {**dict(enumerate(env._names)), -1: " "}
    rows = [["".join(names[int(symbol)] for symbol in row) for row in part] for part in problem]
    return list(zip(*rows, strict=True))


def play(env: Algorithmic, player: Any, episodes: int = 1) -> tuple[np.ndarray, int, dict[str, Any]]:
    """(episodes, B) returns, the steps of an episode and the last infos."""
    total = []
    for episode in range(episodes):
        env.reset(seed=1 if episode == 0 else None)
        total.append(np.zeros(env.num_envs))
        steps, done = 0, np.zeros(1, bool)
        while not done.any():
            _, reward, done, _, infos = env.step(player())
            total[-1] += reward
            steps += 1
    return np.stack(total), steps, infos


def test_strings_and_marks_by_hand() -> None:
    problem = read_then_write(
        np.array([[0, 1], [1, 3]]), np.array([2, 1]), np.array([5, 6]), np.array([[1, 0], [2, -1]]), 4
    )
    assert problem.symbols.tolist() == [[0, 1, 5, 4, 4], [1, 6, 4, 4, 4]]
    assert problem.answers.tolist() == [[-1, -1, 1, 0, -1], [-1, 2, -1, -1, -1]]


def test_repetitions_end_with_a_blank() -> None:
    env = RepeatCopy(300, max_length=3, max_repeats=3)
    for observed, wanted in text(env, env.problem(300, np.random.default_rng(0))):
        string, number = observed.rstrip(".")[:-1], int(observed.rstrip(".")[-1])
        assert wanted.strip() == string * number + "." and wanted.index(wanted.strip()) == len(string)


def test_each_symbol_is_written_once() -> None:
    env = DuplicatedInput(300, max_length=4, duplication=3)
    for observed, wanted in text(env, env.problem(300, np.random.default_rng(0))):
        string = observed[: observed.index("|")]
        assert wanted.strip() == string[::3] and string == "".join(3 * letter for letter in string[::3])
        assert wanted.index(wanted.strip()) == len(string)


@pytest.mark.parametrize(("count", "base"), [(2, 3), (3, 10), (2, 2), (4, 4)])
def test_sums_are_those_of_the_numbers(count: int, base: int) -> None:
    env = ReversedAddition(200, max_length=4, num_numbers=count, base=base)
    for observed, wanted in text(env, env.problem(200, np.random.default_rng(0))):
        digits, end = observed[: observed.index("|")], observed.index("|")
        numbers = [int(digits[k::count][::-1], base) for k in range(count)]
        written = [wanted[place] for place in [*range(count - 1, end, count), end]]
        assert int("".join(written)[::-1], base) == sum(numbers)
        assert len(wanted.replace(" ", "")) == len(written)


def test_brackets_close_those_that_are_open() -> None:
    env = Dyck(500, max_depth=4, max_pairs=4, num_kinds=3)
    depths, pairs = set(), set()
    for observed, wanted in text(env, env.problem(500, np.random.default_rng(0))):
        end, stack = observed.index("|"), []
        for bracket in observed[:end]:
            if bracket in "([{":
                stack.append(")]}"["([{".index(bracket)])
            else:
                assert stack.pop() == bracket
        assert wanted[:end].strip() == "" and wanted[end:].rstrip() == "".join(reversed(stack))
        depths.add(len(stack))
        pairs.add((end - len(stack)) // 2)
    assert depths == {1, 2, 3, 4} and pairs == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("difficulty", ["easy", "medium", "hard"])
@pytest.mark.parametrize("made", TASKS)
def test_the_expert_gets_one(made: Any, difficulty: str) -> None:
    env = made(20, difficulty=difficulty)
    total, steps, infos = play(env, env.expert_action)
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    assert (infos["accuracy"] == 1).all()
    row = next(line for line in made.__doc__.splitlines() if f'| `"{difficulty}"` |' in line)
    assert steps == int(row.split("|")[-2])  # as the page says


@pytest.mark.parametrize(("made", "expected"), [(RepeatCopy, -0.6), (DuplicatedInput, -0.5), (Dyck, 0.0)])
def test_a_random_player(made: Any, expected: float) -> None:
    env, rng = made(1000), np.random.default_rng(2)
    total, _, _ = play(env, lambda: rng.integers(env.single_action_space.n, size=1000), 4)
    assert abs(total.mean() - expected) < 5 * total.std() / np.sqrt(total.size)


@pytest.mark.parametrize("made", TASKS)
def test_a_wrong_symbol_may_end_it(made: Any) -> None:
    for ends_at_error in (True, False):
        env = made(1, ends_at_error=ends_at_error, min_length=2) if made is not Dyck else made(1, "easy", 2)
        env.ends_at_error = ends_at_error
        env.reset(seed=0)
        questions, asked = env.snapshot()["state"]["questions"][0], np.array([-1])
        while asked < 0:
            asked = env.answer(env.snapshot()["state"])
            wrong = (np.maximum(asked, 0) + 1) % env.single_action_space.n
            _, reward, terminated, _, _ = env.step(wrong)
        assert reward[0] == -1 / questions and terminated[0] == ends_at_error


@pytest.mark.parametrize(
    ("made", "arguments", "message"),
    [
        (RepeatCopy, {"max_repeats": 10}, "max_repeats=10 is not allowed; must be a whole number from 1 to 9"),
        (RepeatCopy, {"min_repeats": 3}, "min_repeats=3 is not allowed; must be a whole number from 1 to 2"),
        (DuplicatedInput, {"duplication": 0}, "duplication=0"),
        (ReversedAddition, {"base": 11}, "base=11 is not allowed; must be a whole number from 2 to 10"),
        (ReversedAddition, {"num_numbers": 4}, "num_numbers=4 is not allowed; must be a whole number from 2 to 3"),
        (Dyck, {"num_kinds": 5}, "num_kinds=5 is not allowed; must be a whole number from 2 to 4"),
        (Dyck, {"min_depth": 6}, "min_depth=6 is not allowed; must be a whole number from 1 to 5"),
        (Dyck, {"ends_at_error": 1}, "ends_at_error=1 is not allowed; must be true or false"),
    ],
    ids=str,
)
def test_bad_arguments(made: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        made(**arguments)
    assert "\n" not in str(caught.value)
