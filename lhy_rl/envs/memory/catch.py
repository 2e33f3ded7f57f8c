"""``lhy_rl/Catch-v0``: a falling ball, a paddle and pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import State
from lhy_rl.envs import drawing
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.memory.difficulty import Levels, sizes
from lhy_rl.envs.single import SingleEnv

LEVELS: Levels = {
    "easy": {"canvas": 36, "field": 7, "cell": 3},
    "medium": {"canvas": 48, "field": 10, "cell": 3},
    "hard": {"canvas": 84, "field": 14, "cell": 3},
}
FIELD, PADDLE, BALL = 40, 150, 255
COLOURS = {0: drawing.BACKGROUND, FIELD: (40, 60, 100), PADDLE: (86, 180, 233), BALL: (240, 228, 66)}


class Catch(BatchedEnv):
    """
    ## Description

    A ball falls straight down, a cell a step; the paddle at the bottom is to be under it when it lands (Mnih et al.
    2014; bsuite's `catch`). The playing field lies at another place of a larger canvas in each episode, in steps of a
    pixel; only the relative position of ball and paddle matters. A convolutional network shares what it learns between
    the places, a fully connected network must learn each separately.

    | `difficulty` | `canvas` | `field` | `cell` | Places | Steps |
    |--------------|----------|---------|--------|--------|-------|
    | `"easy"` | 36 | 7 | 3 | 256 | 6 |
    | `"medium"` | 48 | 10 | 3 | 361 | 9 |
    | `"hard"` | 84 | 14 | 3 | 1849 | 13 |

    Nothing is hidden: no memory is needed.

    ## Action Space

    `Discrete(3)`: move the paddle a cell.

    | Num | Action |
    |-----|--------|
    | 0   | left   |
    | 1   | stay   |
    | 2   | right  |

    At the field's edge the paddle stays.

    ## Observation Space

    `Box(0, 255, (1, 36, 36), uint8)`: the canvas in grey, the channel first.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | pixels: 0 outside, 40 the field, 150 the paddle, 255 the ball | 0 | 255 |

    Ball and paddle are squares of `cell` x `cell` pixels; where both are, the ball is seen.

    ## Rewards

    1 if the paddle is under the ball when it lands, -1 if not; 0 before that. An episode's return is 1 at best and
    2 / `field` - 1 (-0.71) on average for random actions.

    ## Starting State

    The field's place on the canvas and the ball's column are drawn uniformly; the ball is in the top row, the paddle
    in the middle of the bottom row, from where it reaches every column in time.

    ## Episode End

    1. Termination: the ball lands, after 6 steps (`field` - 1).
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `difficulty` | `"easy"` | `"easy"`, `"medium"` or `"hard"`: the sizes of the table above |
    | `canvas` | `None` | pixels of a side of the canvas, at least `field` x `cell`; None takes the difficulty's |
    | `field` | `None` | cells of a side of the field, at least 2; None takes the difficulty's |
    | `cell` | `None` | pixels of a side of a cell, at least 1; None takes the difficulty's |
    | `render_mode` | `None` | `"ansi"`, the field in letters, or `"rgb_array"`, a 400 x 400 picture in colour |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/Catch-v0", field=4, render_mode="ansi")
    >>> obs, info = env.reset(seed=3)
    >>> obs.shape
    (1, 36, 36)
    >>> print(env.render())
    field at 20, 2
    o...
    ....
    ....
    ..=.

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/Catch-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 8}

    def __init__(
        self,
        num_envs: int = 1,
        difficulty: str = "easy",
        canvas: int | None = None,
        field: int | None = None,
        cell: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        size = sizes(LEVELS, difficulty, canvas=canvas, field=field, cell=cell)
        self.field = validation.integer("field", size["field"], 2)
        self.cell = validation.integer("cell", size["cell"], 1)
        self.canvas = validation.integer("canvas", size["canvas"], 1)
        self._free = self.canvas - self.field * self.cell  # pixels by which the field can be moved
        if self._free < 0:
            raise UserError(
                f"canvas={self.canvas} is not allowed; must hold {self.field} cells of {self.cell} pixels, "
                f"at least {self.field * self.cell}"
            )
        super().__init__(
            num_envs,
            Box(0, 255, (1, self.canvas, self.canvas), np.uint8),
            Discrete(3),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )
        # Pictures are put together from lines: one for each place of the field from left to right, and an empty one.
        inside = np.arange(self.canvas) < self.field * self.cell
        shifted = [np.roll(inside, shift) for shift in range(self._free + 1)]
        self._lines = FIELD * np.array([*shifted, np.zeros(self.canvas)], np.uint8)  # (places + 1, canvas)
        self._rows = np.array(shifted)  # (places, canvas) bool: the canvas's lines that hold the field
        self._cell = (np.arange(self.cell)[:, None] * self.canvas + np.arange(self.cell)).ravel()  # pixels of a cell

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {
            "place": rng.integers(self._free, size=(n, 2), endpoint=True),  # top, left
            "ball": np.stack([np.zeros(n, np.int64), rng.integers(self.field, size=n)], 1),  # row, column
            "paddle": np.full(n, self.field // 2, np.int64),  # column
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        return {
            "place": state["place"],
            "ball": state["ball"] + (1, 0),
            "paddle": np.clip(state["paddle"] + action - 1, 0, self.field - 1),
        }

    def observation(self, state: State) -> np.ndarray:
        place, n = state["place"], len(state["place"])
        line = np.where(self._rows[place[:, 0]], place[:, 1:], self._free + 1)  # (B, canvas)
        image = self._lines.take(line, axis=0)  # (B, canvas, canvas)
        paddle = np.stack([np.full(n, self.field - 1), state["paddle"]], 1)
        corner = place[:, None] + self.cell * np.stack([paddle, state["ball"]], 1)  # (B, 2, 2): row, column of each
        first = np.arange(n)[:, None] * self.canvas**2 + corner[:, :, 0] * self.canvas + corner[:, :, 1]  # (B, 2)
        image.reshape(-1)[first[:, :, None] + self._cell] = [[PADDLE], [BALL]]  # the ball later, over the paddle
        return image[:, None]

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        caught = next_state["ball"][:, 1] == next_state["paddle"]
        return np.where(self.terminal(next_state), 2.0 * caught - 1.0, 0.0)

    def terminal(self, state: State) -> np.ndarray:
        landed: np.ndarray = state["ball"][:, 0] == self.field - 1
        return landed

    # ------------------------------------------------------------------ pictures
    def frame(self, state: State) -> list[Any]:
        if self.render_mode == "ansi":
            return [self._text(*row) for row in zip(state["place"], state["ball"], state["paddle"], strict=True)]
        colours = np.zeros((256, 3), np.uint8)
        colours[list(COLOURS)] = list(COLOURS.values())
        return [drawing.enlarged(colours[image]) for image in self.observation(state)[:, 0]]

    def _text(self, place: np.ndarray, ball: np.ndarray, paddle: int) -> str:
        """Where the field is on the canvas, and the field: o the ball, = the paddle, * both."""
        rows = [["."] * self.field for _ in range(self.field)]
        rows[-1][paddle] = "="
        row, column = ball.tolist()
        rows[row][column] = "*" if rows[row][column] == "=" else "o"
        return "\n".join([f"field at {place[0]}, {place[1]}", *map("".join, rows)])


class CatchEnv(SingleEnv):
    __doc__ = Catch.__doc__
    batched = Catch
