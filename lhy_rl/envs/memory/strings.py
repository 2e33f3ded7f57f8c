"""See a string, then write it: the base class of ``lhy_rl/Reverse-v0`` and ``lhy_rl/Copy-v0``."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.envs.memory.algorithmic import Algorithmic, Problem, read_then_write
from lhy_rl.envs.memory.difficulty import Levels, sizes

LEVELS: Levels = {
    "easy": {"max_length": 5, "num_symbols": 4},
    "medium": {"max_length": 10, "num_symbols": 4},
    "hard": {"max_length": 20, "num_symbols": 8},
}

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class StringRecall(Algorithmic):
    """A string of n symbols, a delimiter, then n steps that ask for the string, then blanks up to the horizon.

    The symbols are 0 to V - 1, the delimiter is V, the blank V + 1. The number of questions is n.

    The arguments are described by the environments.
    """

    backward: ClassVar[bool]
    """Whether the string must be written from its end to its beginning."""

    def __init__(
        self,
        num_envs: int = 1,
        difficulty: str = "easy",
        min_length: int = 1,
        max_length: int | None = None,
        num_symbols: int | None = None,
        ends_at_error: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        size = sizes(LEVELS, difficulty, max_length=max_length, num_symbols=num_symbols)
        self.num_symbols = validation.integer("num_symbols", size["num_symbols"], 2, len(LETTERS))
        self.max_length = validation.integer("max_length", size["max_length"], 1)
        self.min_length = validation.integer("min_length", min_length, 1, self.max_length)
        names = LETTERS[: self.num_symbols] + "|."
        super().__init__(
            num_envs,
            num_actions=self.num_symbols,
            names=names,
            ends_at_error=ends_at_error,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def problem(self, n: int, rng: np.random.Generator) -> Problem:
        length = rng.integers(self.min_length, self.max_length, size=n, endpoint=True)
        string = rng.integers(self.num_symbols, size=(n, self.max_length), dtype=np.int8)
        place, end = np.arange(self.max_length), length[:, None]
        source = end - 1 - place if self.backward else np.broadcast_to(place, string.shape)
        wanted = np.where(place < end, np.take_along_axis(string, np.maximum(source, 0), 1), -1)
        return read_then_write(string, length, self.num_symbols, wanted, self.num_symbols + 1)
