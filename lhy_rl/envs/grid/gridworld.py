"""``lhy_rl/Gridworld-v0``: regions of a grid, each with its reward."""

from __future__ import annotations

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.envs.grid.tabular_grid import LARGEST, TabularGrid
from lhy_rl.envs.single import SingleEnv


class Gridworld(TabularGrid):
    """
    ## Description

    A grid that is divided into square regions; each has a reward, most of them 0. It is the task of Abbeel and Ng
    (2004, section 5.1) for inverse reinforcement learning: the reward is linear in the features, and a feature says
    which region a cell is in. States, transitions, features and rewards are tables (`lhy_rl.core.protocols.Tabular`),
    so that planning is exact. The layout is drawn by `layout_seed` and stays the same in all episodes; `slip`, `walls`
    and `goal` change the dynamics and leave the regions' rewards as they are.

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

    `Discrete(64)`: the cell, row * `size` + column.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | cell        | 0   | 63  |

    Nothing is hidden. `features`, (S, F), are the cells' features: the one-hot region, and whether the cell is the
    goal, if there is one.

    ## Rewards

    The reward of the region that the step leads to. Each region has one with probability `rewarded`, uniform from 0 to
    1, and 0 otherwise; at least one has, and all are divided by their sum (Abbeel and Ng 2004). With a goal, reaching
    it gives 1 beyond that. `state_rewards` holds them.

    ## Starting State

    A cell drawn uniformly among those that are neither wall nor goal.

    ## Episode End

    1. Termination: the goal is reached, if there is one; otherwise never.
    2. Truncation: `max_episode_steps` steps.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `size` | `8` | cells of a side, 2 to 200 |
    | `region` | `2` | cells of a region's side; `size` must be a multiple of it |
    | `rewarded` | `0.1` | probability that a region has a reward, 0 to 1; at least one has |
    | `slip` | `0.3` | probability that a step goes in a random direction, 0 to 1 |
    | `walls` | `0.0` | share of the cells that are walls, 0 to 0.5; they never disconnect the grid |
    | `goal` | `False` | one cell ends the episode |
    | `layout_seed` | `0` | draws rewards, walls and goal; each from a generator of its own |
    | `render_mode` | `None` | `"ansi"`, the grid in signs, or `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `40` | truncates longer episodes; None never does |

    In the pictures orange is reward, the white frame (`@`) the walker, `#` a wall and `G` the goal.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/Gridworld-v0", size=4, walls=0.2, render_mode="ansi")
    >>> obs, info = env.reset(seed=0)
    >>> env.unwrapped.features.shape
    (16, 4)
    >>> print(env.render())
    #...
    ....
    ++##
    ++@+

    ```

    `expert_action()` gives the best actions in the present states, found by planning. `gymnasium.make` can only shorten
    the 40 steps, by its own wrapper; `gymnasium.make_vec` and `GridworldEnv(max_episode_steps=100)` take any number.

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/Gridworld-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    def __init__(
        self,
        num_envs: int = 1,
        size: int = 8,
        region: int = 2,
        rewarded: float = 0.1,
        slip: float = 0.3,
        walls: float = 0.0,
        goal: bool = False,
        layout_seed: int = 0,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = 40,
    ) -> None:
        size, region = validation.integer("size", size, 2, LARGEST), validation.integer("region", region, 1)
        if size % region:
            raise UserError(f"region={region} is not allowed; size={size} must be a multiple of it")
        layout_seed = validation.integer("layout_seed", layout_seed, 0)
        with_goal = validation.flag("goal", goal)
        place = int(np.random.default_rng([layout_seed, 2]).integers(size**2)) if with_goal else None
        super().__init__(
            num_envs,
            size=size,
            slip=slip,
            walls=walls,
            layout_seed=layout_seed,
            kept=np.array([] if place is None else [place], np.int64),
            goal=place,
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )
        rng, count = np.random.default_rng([layout_seed, 0]), (size // region) ** 2
        has = rng.random(count) < validation.share("rewarded", rewarded)
        has[rng.integers(count)] |= not has.any()
        weights = np.where(has, rng.random(count), 0.0)
        row, column = np.divmod(np.arange(size**2), size)
        self.features = np.eye(count)[row // region * (size // region) + column // region]
        self.weights = weights / weights.sum()  # of the features: the true reward
        if place is not None:
            self.features = np.c_[self.features, np.eye(size**2)[:, place]]
            self.weights = np.r_[self.weights, 1.0]
        self.state_rewards = self.features @ self.weights


class GridworldEnv(SingleEnv):
    __doc__ = Gridworld.__doc__
    batched = Gridworld
