"""``lhy_rl/ReversedAddition-v0``: add numbers digit by digit, the smallest digits first."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.envs.memory.algorithmic import Algorithmic, Problem
from lhy_rl.envs.memory.difficulty import Levels, sizes
from lhy_rl.envs.single import SingleEnv

LEVELS: Levels = {
    "easy": {"max_length": 4, "num_numbers": 2, "base": 3},
    "medium": {"max_length": 10, "num_numbers": 2, "base": 3},
    "hard": {"max_length": 10, "num_numbers": 3, "base": 10},
}
DIGITS = "0123456789"


class ReversedAddition(Algorithmic):
    """
    ## Description

    Numbers of n digits are added as on paper, from the smallest digit on. Their digits are observed one a step: the
    last digit of each number, then the last but one of each, ... When the digits of a column have all been observed,
    the sum's digit is to be written; at the end, when the delimiter is observed, the carry: Gym's old tasks
    ReversedAddition and ReversedAddition3, with the input tape advanced automatically. Only the carry must be
    remembered for longer than a column.

    | `difficulty` | `max_length` | `num_numbers` | `base` | Steps |
    |--------------|--------------|---------------|--------|-------|
    | `"easy"` | 4 | 2 | 3 | 9 |
    | `"medium"` | 10 | 2 | 3 | 21 |
    | `"hard"` | 10 | 3 | 10 | 31 |

    12 + 21 = 110 in base 3, with the delimiter `|`:

    | Step      | 1 | 2 | 3 | 4 | 5 |
    |-----------|---|---|---|---|---|
    | observed  | 2 | 1 | 1 | 2 | \\| |
    | to write  |   | 0 |   | 1 | 1 |

    ## Action Space

    `Discrete(3)`: the digit to write, 0 to `base` - 1. Actions before a column is complete, and after the end, do not
    count.

    ## Observation Space

    `Discrete(5)`: a digit, 0 to `base` - 1; then once the delimiter, `base` (3); then blanks, `base` + 1 (4).

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | digit, delimiter or blank | 0 | 4 |

    The observation alone does not tell what to write: a policy needs memory.

    ## Rewards

    For each of the n + 1 digits to be written 1 / (n + 1) if it is right and minus that if not; 0 at all other steps.
    Random actions get 2 / `base` - 1 (-0.33) on average.

    The scripted expert (`expert_action()`) gets 1, the most there is. At the end `info["accuracy"]` holds the share
    that was right.

    ## Starting State

    A length and digits are drawn, all uniformly; the first digit is observed.

    ## Episode End

    1. Termination: after 9 steps (`max_length` `num_numbers` + 1); with `ends_at_error` at a wrong digit.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `difficulty` | `"easy"` | `"easy"`, `"medium"` or `"hard"`: the sizes of the table above |
    | `min_length` | `1` | fewest digits, 1 to `max_length` |
    | `max_length` | `None` | most digits, at least 1; None takes the difficulty's |
    | `num_numbers` | `None` | numbers to add, 2 to `base`; None takes the difficulty's |
    | `base` | `None` | base of the digits, 2 to 10; None takes the difficulty's |
    | `ends_at_error` | `False` | a wrong symbol ends the episode, as in Gym's old algorithmic tasks |
    | `render_mode` | `None` | `"ansi"`, a line of text, or `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `None` | truncates longer episodes |

    The picture shows what was observed so far; below, what is observed now and the last action, framed green if it was
    right and red if it was wrong.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/ReversedAddition-v0", num_numbers=3)
    >>> env.observation_space
    Discrete(5)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/ReversedAddition-v0", num_envs=64)` steps all instances at once. Further argument:
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
        num_numbers: int | None = None,
        base: int | None = None,
        ends_at_error: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        size = sizes(LEVELS, difficulty, max_length=max_length, num_numbers=num_numbers, base=base)
        self.base = validation.integer("base", size["base"], 2, len(DIGITS))
        self.num_numbers = validation.integer("num_numbers", size["num_numbers"], 2, self.base)
        self.max_length = validation.integer("max_length", size["max_length"], 1)
        self.min_length = validation.integer("min_length", min_length, 1, self.max_length)
        super().__init__(
            num_envs,
            num_actions=self.base,
            names=DIGITS[: self.base] + "|.",
            ends_at_error=ends_at_error,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def problem(self, n: int, rng: np.random.Generator) -> Problem:
        length = rng.integers(self.min_length, self.max_length, size=n, endpoint=True)
        digits = rng.integers(self.base, size=(n, self.max_length, self.num_numbers))
        end = length * self.num_numbers  # where the delimiter stands
        place = np.arange(self.max_length * self.num_numbers + 2)
        symbols = np.full((n, len(place)), self.base + 1, np.int8)
        symbols[:, :-2] = digits.reshape(n, -1)
        symbols[place >= end[:, None]] = self.base + 1
        symbols[np.arange(n), end] = self.base
        answers = np.full(symbols.shape, -1, np.int8)
        carry = np.zeros(n, np.int64)
        for column in range(self.max_length):
            total = digits[:, column].sum(1) + carry
            counts = column < length
            answers[counts, (column + 1) * self.num_numbers - 1] = total[counts] % self.base
            carry = np.where(counts, total // self.base, carry)
        answers[np.arange(n), end] = carry
        return Problem(symbols, answers)


class ReversedAdditionEnv(SingleEnv):
    __doc__ = ReversedAddition.__doc__
    batched = ReversedAddition
