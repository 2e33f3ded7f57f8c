"""Strings to read and strings to write: the base class of the algorithmic tasks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs.memory.recall import Recall


class Problem(NamedTuple):
    """n episodes: the observed and the required symbols, (n, L + 1) int8 each, -1 where there is none."""

    symbols: np.ndarray
    answers: np.ndarray


class Algorithmic(Recall):
    """A row of symbols passes by, and at some steps a symbol is to be written; which one is known from the beginning.

    The state holds, beside that of :class:`Recall`, ``answers`` (B, L + 1) int8, -1 where nothing is asked.

    Args:
        ends_at_error: A wrong symbol ends the episode.
        **recall: Arguments of :class:`Recall`.
    """

    def __init__(self, num_envs: int, *, ends_at_error: bool, **recall: Any) -> None:
        self.ends_at_error = validation.flag("ends_at_error", ends_at_error)
        super().__init__(num_envs, **recall)

    def problem(self, n: int, rng: np.random.Generator) -> Problem:
        """n new episodes."""
        raise NotImplementedError

    def initial(self, n: int, rng: np.random.Generator) -> State:
        problem = self.problem(n, rng)
        begun = self.begin(problem.symbols, (problem.answers >= 0).sum(1))
        return {**begun, "answers": problem.answers}

    def answer(self, state: State) -> np.ndarray:
        answers = state["answers"]
        asked: np.ndarray = answers[self._instances[: len(answers)], state["position"]]
        return asked

    def terminal(self, state: State) -> np.ndarray:
        last = super().terminal(state)
        return last | (state["verdict"] < 0) if self.ends_at_error else last


def read_then_write(
    given: np.ndarray, length: np.ndarray, mark: np.ndarray | int, wanted: np.ndarray, blank: int
) -> Problem:
    """Episodes of given strings, a mark, and then, beginning with the answer to the mark, strings to be written.

    Args:
        given: (n, P) strings; symbols after their lengths do not count.
        length: (n,) lengths of the strings.
        mark: Symbol observed after the string, (n,) or one for all.
        wanted: (n, W) strings to write, -1 after the end.
        blank: Symbol observed when there is nothing else.
    """
    (n, most), width = given.shape, wanted.shape[1]
    place = np.arange(most + width + 1)
    symbols = np.full((n, len(place)), blank, np.int8)
    symbols[:, :most] = np.where(place[:most] < length[:, None], given, blank)
    symbols[np.arange(n), length] = mark
    written = place - length[:, None]
    inside = (written >= 0) & (written < width)
    answers = np.where(inside, np.take_along_axis(wanted, np.clip(written, 0, width - 1), 1), -1).astype(np.int8)
    return Problem(symbols, answers)
