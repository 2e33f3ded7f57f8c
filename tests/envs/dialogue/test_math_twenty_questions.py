"""TwentyQuestions by hand, and its optimum by dynamic programming."""

from __future__ import annotations

from functools import cache
from math import prod

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ScriptedExpert
from lhy_rl.envs.dialogue.objects import OBJECTS, digits
from lhy_rl.envs.dialogue.twenty_questions import QUESTIONS, TwentyQuestions, TwentyQuestionsEnv


def thinking_of(*objects: int, **options: object) -> TwentyQuestions:
    """One environment an object."""
    env = TwentyQuestions(len(objects), autoreset_mode="Disabled", **options)  # type: ignore[arg-type]
    env.reset(seed=0)
    snapshot = env.snapshot()
    snapshot["state"]["object"][:] = objects
    env.restore(snapshot)
    return env


@cache
def value(*possible: int) -> float:
    """What the best policy gets, given how many values of each attribute are possible."""
    chance = 1 / prod(possible)
    best = 20 * chance - 20 * (1 - chance)
    for i, k in enumerate(possible):
        if k > 1:
            yes, no = (value(*sorted((*possible[:i], rest, *possible[i + 1 :]))) for rest in (1, k - 1))
            best = max(best, -1 + yes / k + no * (k - 1) / k)
    return best


def test_the_optimum_is_13_and_a_quarter_and_the_expert_reaches_it() -> None:
    assert value(4, 4, 4) == pytest.approx(13.25)
    env = thinking_of(*range(OBJECTS))
    total, going = np.zeros(OBJECTS), np.ones(OBJECTS, bool)
    for _ in range(10):
        _, rewards, ended, _, infos = env.step(env.expert_action())
        total += rewards * going
        assert (infos.get("right", ended)[ended]).all()
        going &= ~ended
        env.reset(options={"reset_mask": ended}) if ended.any() else None
        if not going.any():
            break
    assert not going.any() and total.mean() == pytest.approx(13.25)
    assert (20 - total).max() == 9 and (20 - total).mean() == pytest.approx(6.75)
    assert isinstance(env, ScriptedExpert)


def test_answers() -> None:
    thing = 16 * 2 + 4 * 1 + 3
    np.testing.assert_array_equal(digits(np.array([thing])), [[2, 1, 3]])
    last, full = thinking_of(thing), thinking_of(thing, observation="full")
    for question in range(QUESTIONS):
        yes = question in (2, 5, 11)
        obs, rewards, ended, _, _ = last.step(np.array([question]))
        assert obs == 1 + 2 * question + yes and rewards == -1 and not ended
        table = full.step(np.array([question]))[0][0]
        assert table[question] == (1 if yes else -1) and not table[question + 1 :].any()


@pytest.mark.parametrize(("guess", "reward"), [(39, 20), (38, -20)])
def test_guesses(guess: int, reward: float) -> None:
    env = thinking_of(39)
    _, rewards, ended, _, infos = env.step(np.array([QUESTIONS + guess]))
    assert rewards == reward and ended and infos["right"] == (reward > 0) and infos["questions"] == 0


def test_one_question_too_many_loses() -> None:
    env = thinking_of(5, max_questions=2)
    assert [float(env.step(np.array([0]))[1][0]) for _ in range(3)] == [-1, -1, -21]
    assert env.snapshot()["done"].all()


def test_a_random_policy() -> None:
    """A guess of 64 in 76 actions, right once in 64: q / (1 - q) questions before it on average, q = 12 / 76."""
    q = QUESTIONS / (QUESTIONS + OBJECTS)
    expected = 20 / 64 - 20 * 63 / 64 - q / (1 - q)
    assert expected == pytest.approx(-19.56, abs=0.01)
    env = TwentyQuestions(4000, autoreset_mode="Disabled")
    env.reset(seed=0)
    rng, total, going = np.random.default_rng(7), np.zeros(4000), np.ones(4000, bool)
    while going.any():
        _, rewards, ended, *_ = env.step(rng.integers(QUESTIONS + OBJECTS, size=4000))
        total += rewards * going
        going &= ~ended
        if ended.any():
            env.reset(options={"reset_mask": ended})
    assert total.mean() == pytest.approx(expected, abs=0.3)


def test_turns_in_words() -> None:
    env = TwentyQuestionsEnv(render_mode="ansi", text=True)
    _, info = env.reset(seed=3)
    assert info["text"] == env.render() and env.render().startswith("What am I thinking of?")
    *_, info = env.step(4)
    assert info["text"] == "1. Is its colour red? Yes."
    *_, info = env.step(QUESTIONS)
    assert info["text"].startswith("You are thinking of the tiny red ball.")


def test_bad_arguments_are_one_line() -> None:
    with pytest.raises(UserError, match="observation"):
        TwentyQuestions(1, observation="all")
    with pytest.raises(UserError, match="max_questions=0"):
        TwentyQuestions(1, max_questions=0)


def test_information_is_paid_as_it_comes_and_the_sum_is_the_same() -> None:
    plain, paid = (TwentyQuestions(500, reward=name, autoreset_mode="Disabled") for name in ("outcome", "information"))
    totals, going = np.zeros((2, 500)), np.ones(500, bool)
    for env in (plain, paid):
        env.reset(seed=1)
    rng = np.random.default_rng(7)
    for _ in range(13):
        guess = QUESTIONS + rng.integers(OBJECTS, size=500)
        action = np.where(rng.random(500) < 0.8, rng.integers(QUESTIONS, size=500), guess)
        (_, first, ended, *_), (_, second, *_) = (env.step(action) for env in (plain, paid))
        totals += np.stack([first, second]) * going
        going &= ~ended
        if ended.any():
            for env in (plain, paid):
                env.reset(options={"reset_mask": ended})
    assert not going.any()
    np.testing.assert_allclose(totals[0], totals[1])
    env = thinking_of(39, reward="information")  # large, green, star
    steps = [float(env.step(np.array([action]))[1][0]) for action in (0, 1, 2, QUESTIONS + 39)]
    told = 20 / 6 * np.log2([4 / 3, 3 / 2, 2])
    assert steps == pytest.approx([*(told - 1), 20 - told.sum()])


def test_masks_allow_what_fits_the_answers() -> None:
    env = thinking_of(39, action_masks=True, max_questions=2)
    masks = [env.step(np.array([question]))[4]["action_mask"][0] for question in (2, 4)]
    objects = [np.flatnonzero(mask[QUESTIONS:]) for mask in masks]
    np.testing.assert_array_equal(objects[0], np.arange(32, 48))  # large
    np.testing.assert_array_equal(objects[1], np.arange(36, 48))  # and not red
    assert masks[0][:QUESTIONS].all() and not masks[1][:QUESTIONS].any()
