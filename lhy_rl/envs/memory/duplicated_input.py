"""``lhy_rl/DuplicatedInput-v0``: observe a string with each symbol repeated, then write each symbol once."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.envs.memory.algorithmic import Algorithmic, Problem, read_then_write
from lhy_rl.envs.memory.difficulty import Levels, sizes
from lhy_rl.envs.memory.strings import LETTERS
from lhy_rl.envs.single import SingleEnv

LEVELS: Levels = {
    "easy": {"max_length": 5, "duplication": 2, "num_symbols": 4},
    "medium": {"max_length": 10, "duplication": 2, "num_symbols": 4},
    "hard": {"max_length": 20, "duplication": 3, "num_symbols": 8},
}


class DuplicatedInput(Algorithmic):
    """
    ## Description

    A string of random symbols is observed, each of them several times, then a delimiter; then the string is to be
    written, each symbol once: Gym's old task of that name, with the input tape advanced automatically.
    Its length n is drawn anew for each episode. Neighbours may be equal, so that it is not enough to look for changes.

    | `difficulty` | `max_length` | `duplication` | `num_symbols` | Steps |
    |--------------|--------------|---------------|---------------|-------|
    | `"easy"` | 5 | 2 | 4 | 15 |
    | `"medium"` | 10 | 2 | 4 | 30 |
    | `"hard"` | 20 | 3 | 8 | 80 |

    An episode with the string AAB, `max_length` 3, the delimiter `|` and blanks `.`:

    | Step      | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |
    |-----------|---|---|---|---|---|---|---|---|---|
    | observed  | A | A | A | A | B | B | \\| | . | . |
    | to write  |   |   |   |   |   |   | A | A | B |

    ## Action Space

    `Discrete(4)`: the symbol to write, 0 to `num_symbols` - 1. Actions while the string is observed, and after its end,
    do not count.

    ## Observation Space

    `Discrete(6)`: a symbol, 0 to `num_symbols` - 1; then once the delimiter, `num_symbols` (4); then blanks,
    `num_symbols` + 1 (5).

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | symbol, delimiter or blank | 0 | 5 |

    The observation alone does not tell what to write: a policy needs memory.

    ## Rewards

    For each of the n symbols to be written 1/n if it is right and -1/n if not; 0 at all other steps. Random actions get
    2 / `num_symbols` - 1 (-0.5) on average.

    The scripted expert (`expert_action()`) gets 1, the most there is. At the end `info["accuracy"]` holds the share
    that was right.

    ## Starting State

    A length and a string are drawn, both uniformly; its first symbol is observed.

    ## Episode End

    1. Termination: after 15 steps (`max_length` (1 + `duplication`)); with `ends_at_error` at a wrong symbol.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `difficulty` | `"easy"` | `"easy"`, `"medium"` or `"hard"`: the sizes of the table above |
    | `min_length` | `1` | shortest string, 1 to `max_length` |
    | `max_length` | `None` | longest string, at least 1; None takes the difficulty's |
    | `duplication` | `None` | how many times each symbol is observed, at least 1; None takes the difficulty's |
    | `num_symbols` | `None` | different symbols, 2 to 26; None takes the difficulty's |
    | `ends_at_error` | `False` | a wrong symbol ends the episode, as in Gym's old algorithmic tasks |
    | `render_mode` | `None` | `"ansi"`, a line of text, or `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `None` | truncates longer episodes |

    The picture shows what was observed so far; below, what is observed now and the last action, framed green if it was
    right and red if it was wrong.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/DuplicatedInput-v0", difficulty="hard", duplication=2)
    >>> env.observation_space
    Discrete(10)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/DuplicatedInput-v0", num_envs=64)` steps all instances at once. Further argument:
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
        duplication: int | None = None,
        num_symbols: int | None = None,
        ends_at_error: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        size = sizes(LEVELS, difficulty, max_length=max_length, duplication=duplication, num_symbols=num_symbols)
        self.num_symbols = validation.integer("num_symbols", size["num_symbols"], 2, len(LETTERS))
        self.max_length = validation.integer("max_length", size["max_length"], 1)
        self.min_length = validation.integer("min_length", min_length, 1, self.max_length)
        self.duplication = validation.integer("duplication", size["duplication"], 1)
        super().__init__(
            num_envs,
            num_actions=self.num_symbols,
            names=LETTERS[: self.num_symbols] + "|.",
            ends_at_error=ends_at_error,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def problem(self, n: int, rng: np.random.Generator) -> Problem:
        length = rng.integers(self.min_length, self.max_length, size=n, endpoint=True)
        string = rng.integers(self.num_symbols, size=(n, self.max_length), dtype=np.int8)
        wanted = np.where(np.arange(self.max_length) < length[:, None], string, -1)
        given = string.repeat(self.duplication, 1)
        return read_then_write(given, length * self.duplication, self.num_symbols, wanted, self.num_symbols + 1)


class DuplicatedInputEnv(SingleEnv):
    __doc__ = DuplicatedInput.__doc__
    batched = DuplicatedInput
