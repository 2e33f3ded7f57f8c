"""``lhy_rl/RepeatCopy-v0``: observe a string and a number, then write the string that many times."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.envs.memory.algorithmic import Algorithmic, Problem, read_then_write
from lhy_rl.envs.memory.difficulty import Levels, sizes
from lhy_rl.envs.memory.strings import LETTERS
from lhy_rl.envs.single import SingleEnv

LEVELS: Levels = {
    "easy": {"max_length": 3, "max_repeats": 2, "num_symbols": 4},
    "medium": {"max_length": 6, "max_repeats": 3, "num_symbols": 4},
    "hard": {"max_length": 10, "max_repeats": 5, "num_symbols": 8},
}
DIGITS = "123456789"


class RepeatCopy(Algorithmic):
    """
    ## Description

    A string of random symbols is observed, one a step, then a number r; then the string is to be written r times, and
    then a blank: the task on which a neural Turing machine counts (Graves et al. 2014, section 4.2).
    The length n and the number are drawn anew for each episode.

    | `difficulty` | `max_length` | `max_repeats` | `num_symbols` | Steps |
    |--------------|--------------|---------------|---------------|-------|
    | `"easy"` | 3 | 2 | 4 | 10 |
    | `"medium"` | 6 | 3 | 4 | 25 |
    | `"hard"` | 10 | 5 | 8 | 61 |

    An episode of the easy level, with the string AB and the number 2 (blanks `.`):

    | Step      | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 |
    |-----------|---|---|---|---|---|---|---|---|---|----|
    | observed  | A | B | 2 | . | . | . | . | . | . | .  |
    | to write  |   |   | A | B | A | B | . |   |   |    |

    ## Action Space

    `Discrete(5)`: the symbol to write, 0 to `num_symbols` - 1, or `num_symbols` (4), the blank. Actions while the
    string is observed, and after the blank, do not count.

    ## Observation Space

    `Discrete(7)`: a symbol, 0 to `num_symbols` - 1; the blank, `num_symbols` (4); a number r, `num_symbols` + r (5, 6).

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | symbol, blank or number | 0 | 6 |

    The observation alone does not tell what to write: a policy needs memory.

    ## Rewards

    For each of the r n + 1 symbols to be written, the blank included, 1 / (r n + 1) if it is right and the negative of
    that if not; 0 at all other steps. Random actions get 2 / (`num_symbols` + 1) - 1 (-0.6) on average.

    The scripted expert (`expert_action()`) gets 1, the most there is. At the end `info["accuracy"]` holds the share
    that was right.

    ## Starting State

    A length, a number and a string are drawn, each uniformly; the string's first symbol is observed.

    ## Episode End

    1. Termination: after 10 steps (`max_length` (1 + `max_repeats`) + 1); with `ends_at_error` at a wrong symbol.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `difficulty` | `"easy"` | `"easy"`, `"medium"` or `"hard"`: the sizes of the table above |
    | `min_length` | `1` | shortest string, 1 to `max_length` |
    | `max_length` | `None` | longest string, at least 1; None takes the difficulty's |
    | `min_repeats` | `1` | smallest number, 1 to `max_repeats` |
    | `max_repeats` | `None` | largest number, 1 to 9; None takes the difficulty's |
    | `num_symbols` | `None` | different symbols, 2 to 26; None takes the difficulty's |
    | `ends_at_error` | `False` | a wrong symbol ends the episode, as in Gym's old algorithmic tasks |
    | `render_mode` | `None` | `"ansi"`, a line of text, or `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `None` | truncates longer episodes |

    The picture shows what was observed so far; below, what is observed now and the last action, framed green if it was
    right and red if it was wrong.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/RepeatCopy-v0", difficulty="medium", min_repeats=2)
    >>> env.action_space, env.observation_space
    (Discrete(5), Discrete(8))

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/RepeatCopy-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        difficulty: str = "easy",
        min_length: int = 1,
        max_length: int | None = None,
        min_repeats: int = 1,
        max_repeats: int | None = None,
        num_symbols: int | None = None,
        ends_at_error: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        size = sizes(LEVELS, difficulty, max_length=max_length, max_repeats=max_repeats, num_symbols=num_symbols)
        self.num_symbols = validation.integer("num_symbols", size["num_symbols"], 2, len(LETTERS))
        self.max_length = validation.integer("max_length", size["max_length"], 1)
        self.min_length = validation.integer("min_length", min_length, 1, self.max_length)
        self.max_repeats = validation.integer("max_repeats", size["max_repeats"], 1, len(DIGITS))
        self.min_repeats = validation.integer("min_repeats", min_repeats, 1, self.max_repeats)
        super().__init__(
            num_envs,
            num_actions=self.num_symbols + 1,
            names=LETTERS[: self.num_symbols] + "." + DIGITS[: self.max_repeats],
            ends_at_error=ends_at_error,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def problem(self, n: int, rng: np.random.Generator) -> Problem:
        length = rng.integers(self.min_length, self.max_length, size=n, endpoint=True)
        repeats = rng.integers(self.min_repeats, self.max_repeats, size=n, endpoint=True)
        string = rng.integers(self.num_symbols, size=(n, self.max_length), dtype=np.int8)
        place, total = np.arange(self.max_length * self.max_repeats + 1), (length * repeats)[:, None]
        again = np.take_along_axis(string, place % length[:, None], 1)
        wanted = np.where(place < total, again, np.where(place == total, self.num_symbols, -1))
        return read_then_write(string, length, self.num_symbols + repeats, wanted, self.num_symbols)


class RepeatCopyEnv(SingleEnv):
    __doc__ = RepeatCopy.__doc__
    batched = RepeatCopy
