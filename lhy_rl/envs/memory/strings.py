"""See a string, then write it: what ``lhy_rl/Reverse-v0`` and ``lhy_rl/Copy-v0`` share."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs.memory.difficulty import Levels, sizes
from lhy_rl.envs.memory.recall import Recall

LEVELS: Levels = {
    "easy": {"max_length": 5, "num_symbols": 4},
    "medium": {"max_length": 10, "num_symbols": 4},
    "hard": {"max_length": 20, "num_symbols": 8},
}

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class StringRecall(Recall):
    """A string of n symbols, a delimiter, then n steps that ask for the string, then blanks up to the horizon.

    The symbols are 0 to V - 1, the delimiter is V, the blank V + 1. The number of questions is n.

    The arguments are described by the environments.
    """

    backward: ClassVar[bool]
    """The string is asked for from its end to its beginning."""

    def __init__(
        self,
        num_envs: int = 1,
        difficulty: str = "easy",
        min_length: int = 1,
        max_length: int | None = None,
        num_symbols: int | None = None,
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
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        length = rng.integers(self.min_length, self.max_length, size=n, endpoint=True)
        symbols = np.full((n, 2 * self.max_length + 1), self.num_symbols + 1, np.int8)
        place = np.arange(self.max_length)
        string = rng.integers(self.num_symbols, size=(n, self.max_length), dtype=np.int8)
        symbols[:, : self.max_length] = np.where(place < length[:, None], string, self.num_symbols + 1)
        symbols[np.arange(n), length] = self.num_symbols
        return symbols, length

    def answer(self, state: State) -> np.ndarray:
        length = state["questions"]
        written = state["position"] - length  # symbols written so far; negative before the delimiter
        place = length - 1 - written if self.backward else written
        asked = (written >= 0) & (written < length)
        return np.where(asked, self.symbols_at(state, np.where(asked, place, 0)), -1)
