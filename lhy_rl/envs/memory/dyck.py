"""``lhy_rl/Dyck-v0``: observe brackets of several kinds, then close those that are open."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.envs.memory.algorithmic import Algorithmic, Problem, read_then_write
from lhy_rl.envs.memory.difficulty import Levels, sizes
from lhy_rl.envs.single import SingleEnv

LEVELS: Levels = {
    "easy": {"max_depth": 5, "max_pairs": 3, "num_kinds": 2},
    "medium": {"max_depth": 10, "max_pairs": 5, "num_kinds": 3},
    "hard": {"max_depth": 20, "max_pairs": 10, "num_kinds": 4},
}
CLOSING, OPENING = ")]}>", "([{<"


class Dyck(Algorithmic):
    """
    ## Description

    Brackets of several kinds are observed, some closed again and properly nested, then a delimiter; then those that are
    still open are to be closed, the latest first: the Dyck language, which takes a stack and no finite memory can
    recognise. The number d of those that are open and the number of pairs that were closed are drawn anew for each
    episode. Train with small depths and set `min_depth` and `max_depth` to a larger number to see whether a policy has
    learned the rule.

    | `difficulty` | `max_depth` | `max_pairs` | `num_kinds` | Steps |
    |--------------|-------------|-------------|-------------|-------|
    | `"easy"` | 5 | 3 | 2 | 16 |
    | `"medium"` | 10 | 5 | 3 | 30 |
    | `"hard"` | 20 | 10 | 4 | 60 |

    An episode with two open brackets and one pair that was closed (delimiter `|`, blanks `.`):

    | Step      | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
    |-----------|---|---|---|---|---|---|---|
    | observed  | ( | [ | ] | [ | \\| | . | . |
    | to write  |   |   |   |   | ] | ) |   |

    ## Action Space

    `Discrete(2)`: the kind of bracket to close, 0 to `num_kinds` - 1. Actions before the delimiter, and after all are
    closed, do not count.

    ## Observation Space

    `Discrete(6)`: a closing bracket, 0 to `num_kinds` - 1; an opening one, `num_kinds` + its kind; then once the
    delimiter, 2 `num_kinds` (4); then blanks, 2 `num_kinds` + 1 (5).

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | bracket, delimiter or blank | 0 | 5 |

    The observation alone does not tell what to write: a policy needs memory.

    ## Rewards

    For each of the d brackets to be written 1/d if it is right and -1/d if not; 0 at all other steps. Random actions
    get 2 / `num_kinds` - 1 (0 with two kinds) on average.

    The scripted expert (`expert_action()`) gets 1, the most there is. At the end `info["accuracy"]` holds the share
    that was right.

    ## Starting State

    d, the number of pairs and each kind are drawn uniformly; wherever the next bracket may open or close, it opens with
    the share of opening ones among those left.

    ## Episode End

    1. Termination: after 16 steps (2 `max_depth` + 2 `max_pairs`); with `ends_at_error` at a wrong bracket.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `difficulty` | `"easy"` | `"easy"`, `"medium"` or `"hard"`: the sizes of the table above |
    | `min_depth` | `1` | fewest open brackets, 1 to `max_depth` |
    | `max_depth` | `None` | most open brackets, at least 1; None takes the difficulty's |
    | `max_pairs` | `None` | most pairs that are closed before, at least 0; None takes the difficulty's |
    | `num_kinds` | `None` | kinds of brackets, 2 to 4; None takes the difficulty's |
    | `ends_at_error` | `False` | a wrong symbol ends the episode, as in Gym's old algorithmic tasks |
    | `render_mode` | `None` | `"ansi"`, a line of text, or `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `None` | truncates longer episodes |

    The picture shows what was observed so far; below, what is observed now and the last action, framed green if it was
    right and red if it was wrong.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/Dyck-v0", difficulty="medium", min_depth=10)
    >>> env.action_space, env.observation_space
    (Discrete(3), Discrete(8))

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/Dyck-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        difficulty: str = "easy",
        min_depth: int = 1,
        max_depth: int | None = None,
        max_pairs: int | None = None,
        num_kinds: int | None = None,
        ends_at_error: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        size = sizes(LEVELS, difficulty, max_depth=max_depth, max_pairs=max_pairs, num_kinds=num_kinds)
        self.num_kinds = validation.integer("num_kinds", size["num_kinds"], 2, len(CLOSING))
        self.max_depth = validation.integer("max_depth", size["max_depth"], 1)
        self.min_depth = validation.integer("min_depth", min_depth, 1, self.max_depth)
        self.max_pairs = validation.integer("max_pairs", size["max_pairs"], 0)
        super().__init__(
            num_envs,
            num_actions=self.num_kinds,
            names=CLOSING[: self.num_kinds] + OPENING[: self.num_kinds] + "|.",
            ends_at_error=ends_at_error,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    def problem(self, n: int, rng: np.random.Generator) -> Problem:
        depth = rng.integers(self.min_depth, self.max_depth, size=n, endpoint=True)
        pairs = rng.integers(self.max_pairs, size=n, endpoint=True)
        most, rows = self.max_depth + 2 * self.max_pairs, np.arange(n)
        kinds = rng.integers(self.num_kinds, size=(n, most))
        chance = rng.random((n, most))
        given = np.zeros((n, most), np.int64)
        open_kinds, height = np.zeros((n, most + 1), np.int64), np.zeros(n, np.int64)  # a stack each
        opening, closing = depth + pairs, pairs.copy()  # brackets left
        for t in range(most):
            left = opening + closing
            opens = (left > 0) & ((height == 0) | (chance[:, t] * left < opening))
            closes = (left > 0) & ~opens
            top = open_kinds[rows, np.maximum(height - 1, 0)]
            given[:, t] = np.where(opens, self.num_kinds + kinds[:, t], top)
            open_kinds[rows[opens], height[opens]] = kinds[opens, t]
            height += opens.astype(np.int64) - closes
            opening -= opens
            closing -= closes
        place = np.arange(self.max_depth)
        latest = np.take_along_axis(open_kinds, np.maximum(height[:, None] - 1 - place, 0), 1)
        wanted = np.where(place < height[:, None], latest, -1)
        return read_then_write(given, depth + 2 * pairs, 2 * self.num_kinds, wanted, 2 * self.num_kinds + 1)


class DyckEnv(SingleEnv):
    __doc__ = Dyck.__doc__
    batched = Dyck
