"""``lhy_rl/Objectworld-v0``: a grid with coloured objects, where the reward is not linear in the features."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.envs import drawing
from lhy_rl.envs.grid.tabular_grid import LARGEST, TabularGrid
from lhy_rl.envs.single import SingleEnv

FEATURES = ("distances", "binary", "cells")


class Objectworld(TabularGrid):
    """
    ## Description

    A grid with objects on it, each with an outer and an inner colour; the reward of a cell depends on its distance to
    objects of two of the colours, and the other colours are distractors. It is the task of Levine, Popović and Koltun
    (2011, section 6.1) for inverse reinforcement learning: the reward is not linear in the distances.
    States, transitions, features and rewards are tables (`lhy_rl.core.protocols.Tabular`), so that planning is exact.
    The layout is drawn by `layout_seed` and stays the same in all episodes; `slip` and `walls` change the dynamics and
    leave the rewards as they are.

    ## Action Space

    `Discrete(5)`: a step.

    | Num | Action |
    |-----|--------|
    | 0   | stay   |
    | 1   | up     |
    | 2   | right  |
    | 3   | down   |
    | 4   | left   |

    With probability `slip` one of the five, drawn at random, is done instead. A step off the grid or into a wall has no
    effect.

    ## Observation Space

    `Discrete(100)`: the cell, row * `size` + column.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | cell        | 0   | 99  |

    Nothing is hidden. `features`, (S, F), are the cells' features, chosen by the argument of that name:

    | `features` | F | Meaning |
    |------------|---|---------|
    | `"distances"` | 2 `num_colours` | distance to the nearest object of each outer, then inner colour, over `size` |
    | `"binary"` | 2 `num_colours` `size` | whether each of these distances, in cells, is below 1, 2, ..., `size` |
    | `"cells"` | `size`² | one-hot the cell itself: every reward is linear in them |

    ## Rewards

    The reward of the cell that the step leads to: 1 within 3 cells of an object with outer colour 0 and within 2 cells
    of one with outer colour 1; -1 within 3 cells of outer colour 0 only; 0 elsewhere. `state_rewards` holds them.

    ## Starting State

    A cell drawn uniformly among those that are no wall.

    ## Episode End

    1. Termination: never.
    2. Truncation: `max_episode_steps` steps.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `size` | `10` | cells of a side, 2 to 200 |
    | `num_objects` | `6` | objects, `num_colours` to `size`², each in a cell of its own |
    | `num_colours` | `2` | colours, 2 to 26; each occurs as an outer and as an inner colour |
    | `features` | `"distances"` | `"distances"`, `"binary"` or `"cells"`: the table above |
    | `slip` | `0.3` | probability that a step goes in a random direction, 0 to 1 |
    | `walls` | `0.0` | share of the cells that are walls, 0 to 0.5; they never disconnect the grid, nor cover objects |
    | `layout_seed` | `0` | draws objects and walls, each from a generator of its own |
    | `render_mode` | `None` | `"ansi"`, the grid in letters, or `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `40` | truncates longer episodes; None never does |

    In the pictures orange cells are worth 1, blue ones -1; an object is a square of its outer colour with its inner
    colour in it; the walker is a white frame. In letters an object is its outer colour (`A`, `B`, ...) and its inner
    one (`a`, `b`, ...), other cells are `++`, `--` or `..` by their reward, walls `##`, the walker `@@`.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/Objectworld-v0", size=5, num_objects=4, render_mode="ansi")
    >>> obs, info = env.reset(seed=0)
    >>> env.unwrapped.features.shape
    (25, 4)
    >>> print(env.render())
    -- -- ++ -- --
    -- Aa ++ ++ --
    ++ ++ Ba ++ Aa
    -- ++ ++ Ab --
    .. @@ ++ -- --

    ```

    `expert_action()` gives the best actions in the present states, found by planning. `gymnasium.make` can only shorten
    the 40 steps, by its own wrapper; `gymnasium.make_vec` and `ObjectworldEnv(max_episode_steps=100)` take any number.

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/Objectworld-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        size: int = 10,
        num_objects: int = 6,
        num_colours: int = 2,
        features: str = "distances",
        slip: float = 0.3,
        walls: float = 0.0,
        layout_seed: int = 0,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = 40,
    ) -> None:
        count = validation.integer("size", size, 2, LARGEST) ** 2
        colours = validation.integer("num_colours", num_colours, 2, min(26, count))
        objects = validation.integer("num_objects", num_objects, colours, count)
        rng = np.random.default_rng([validation.integer("layout_seed", layout_seed, 0), 0])
        self.objects = rng.choice(count, size=objects, replace=False)  # (O,) their cells
        given = np.r_[np.arange(colours), rng.integers(colours, size=objects - colours)]  # each colour occurs
        self.outer, self.inner = rng.permutation(given), rng.permutation(given)  # (O,) colours
        super().__init__(
            num_envs,
            size=size,
            slip=slip,
            walls=walls,
            layout_seed=layout_seed,
            kept=self.objects,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )
        distances = np.stack([self._nearest(kind == c) for kind in (self.outer, self.inner) for c in range(colours)], 1)
        near, nearer = distances[:, 0] <= 3, distances[:, 1] <= 2
        self.state_rewards = np.where(near & nearer, 1.0, np.where(near, -1.0, 0.0))
        kind = validation.choice("features", features, FEATURES)
        if kind == "distances":
            self.features = distances / size
        elif kind == "binary":
            self.features = (distances[:, :, None] < np.arange(1, size + 1)).reshape(count, -1).astype(float)
        else:
            self.features = np.eye(count)

    def _nearest(self, which: np.ndarray) -> np.ndarray:
        """(S,) distance to the nearest of these objects."""
        cells = np.stack(np.divmod(np.arange(self.size**2), self.size), 1)
        apart: np.ndarray = np.linalg.norm(cells[:, None] - cells[self.objects[which]], axis=2).min(1)
        return apart

    # ------------------------------------------------------------------ pictures
    def marks(self) -> list[str]:
        words = [2 * mark for mark in super().marks()]
        for cell, outer, inner in zip(self.objects, self.outer, self.inner, strict=True):
            words[cell] = chr(ord("A") + outer) + chr(ord("a") + inner)
        return words

    def decorate(self, picture: np.ndarray, side: int) -> None:
        colours = drawing.palette(int(max(self.outer.max(), self.inner.max())) + 3)[2:]  # not those of the cells
        for cell, outer, inner in zip(self.objects.tolist(), self.outer, self.inner, strict=True):
            top, left = (side * x for x in divmod(cell, self.size))
            for share, colour in ((0.6, colours[outer]), (0.25, colours[inner])):
                width = max(1, round(share * side))
                edge = (side - width) // 2
                drawing.square(picture, top + edge, left + edge, width, colour)


class ObjectworldEnv(SingleEnv):
    __doc__ = Objectworld.__doc__
    batched = Objectworld
