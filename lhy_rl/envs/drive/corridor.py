"""``lhy_rl/DriveCorridor-v0``: stay on a winding road, seen in a small image."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.drive import road, view
from lhy_rl.envs.single import SingleEnv

SIDE, PIXEL = 20, 0.25
RAIL = 2.0  # how far from the middle the guard rails stand
STEERING = 0.3  # radians a step, at full lock
STEEPEST = 0.5  # largest angle to the road, radians, at which the expert returns to the middle
COLUMNS = (np.arange(SIDE) - (SIDE - 1) / 2) * PIXEL
SIGN = 4  # rows at the top for the sign that shows how the road turns
ROWS = np.arange(13, -1, -1) * 0.1  # how far ahead each row below is: the road is seen just before the car


class DriveCorridor(BatchedEnv):
    """
    ## Description

    Steer along a winding road for `horizon` steps: the course's example of how cloning fails. A sign says how the road
    turns, and the road itself is seen just before the car. A good driver is always in the middle, so its demonstrations
    teach to obey the sign, but hardly show the road from elsewhere. A clone's small errors add up; once it is off the
    middle it does not know the way back, and the cost of that grows with the square of the horizon. When the driver
    labels the states that the *learner* visits (DAgger, Ross et al. 2011), it shows the way back too.

    The car goes one unit a step, half the road's width. With offset `d` to the right of the road's middle, heading
    `h` to the right of the road's direction, and the road turning by `k` in this step:

        h' = h + steering - k + N(0, disturbance),     d' = d + sin h'

    A guard rail stands one unit beside the road on either side (`|d| <= 2`); the car slides along it.

    The driver, who knows the state, is part of the environment: `expert_action()` gives its actions, (B,) or (B, 1),
    for the present states (`lhy_rl.core.protocols.ScriptedExpert`). It always stays on the road; if it is placed
    anywhere beside the road, along its direction, it is back in one to four steps.

    ## Action Space

    `Discrete(31)`: the steering angle, from full left, -0.3 radians, to full right, in equal steps.

    | Num | Action        |
    |-----|---------------|
    | 0   | full left     |
    | 15  | straight on   |
    | 30  | full right    |

    With few angles even the driver weaves, and so demonstrates how to return: with 7 a clone does not fail.
    With `steering="continuous"`: `Box(-1, 1, (1,), float32)`, the share of the full angle, right is positive.

    ## Observation Space

    `Box(0, 255, (1, 20, 20), uint8)`: a picture in grey, the channel first; 220 is bright, 40 dark, and pixels at edges
    are antialiased.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0   | pixels | 0 | 255 |

    | Rows | What is seen |
    |------|--------------|
    | 0-3  | the sign: a bright bar, as far from the middle as the road turns in this step; at the edge 0.3 radians |
    | 4-5  | nothing |
    | 6-19 | the road from above, in the car's direction: the lowest row is where the car is, each other 0.1 units on |

    The car is at the middle; a pixel is a quarter of a unit wide.

    With `observation="state"`: `Box(-inf, inf, (5,), float32)`, from which a clone drives well.

    | Number | What is seen                                        | Least | Most |
    |-----|--------------------------------------------------------|------|-----|
    | 0   | offset from the middle, in half-widths of the road     | -2   | 2   |
    | 1   | heading against the road's, radians                    | -inf | inf |
    | 2-4 | turning of the road in this step and the next two      | -inf | inf |

    ## Rewards

    -1 for each step that ends beside the road (`|d| > 1`), else 0. The expert's return is 0, so that minus the return
    is the regret. At the end `info["steps_off_road"]` is the episode's number of steps beside the road and
    `info["stayed_on_road"]` whether there was none.

    ## Starting State

    The road is drawn anew; offset and heading are drawn from N(0, 0.02).

    ## Episode End

    1. Termination: after `horizon` steps in any case.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `horizon` | `50` | steps of an episode, at least 1 |
    | `steering` | `"discrete"` | `"discrete"` or `"continuous"` |
    | `angles` | `31` | steering angles to choose from, an odd number of at least 3; discrete steering only |
    | `observation` | `"image"` | `"image"` or `"state"` |
    | `disturbance` | `0.005` | standard deviation of the noise on the heading in each step, radians, 0 to 1 |
    | `render_mode` | `None` | `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `None` | truncates longer episodes |

    The picture shows the road from above, the car in the lower part and always heading upwards, red while it is beside
    the road; the corner shows the driver's observation.

    ```python
    >>> import gymnasium, lhy_rl
    >>> envs = gymnasium.make_vec("lhy_rl/DriveCorridor-v0", num_envs=8, horizon=100)
    >>> obs, infos = envs.reset(seed=0)
    >>> total = 0.0
    >>> for _ in range(100):
    ...     obs, rewards, terminated, truncated, infos = envs.step(envs.unwrapped.expert_action())
    ...     total += rewards.sum()
    >>> float(total), bool(infos["stayed_on_road"].all())
    (0.0, True)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/DriveCorridor-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self,
        num_envs: int = 1,
        horizon: int = 50,
        steering: str = "discrete",
        angles: int = 31,
        observation: str = "image",
        disturbance: float = 0.005,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.horizon = validation.integer("horizon", horizon, 1)
        self.continuous = validation.choice("steering", steering, ("discrete", "continuous")) == "continuous"
        self.sees_state = validation.choice("observation", observation, ("image", "state")) == "state"
        if validation.integer("angles", angles, 3) % 2 == 0:
            raise UserError(f"angles={angles} is not allowed; must be odd, so that one of them is straight ahead")
        self.disturbance = validation.share("disturbance", disturbance)
        self.angles = np.linspace(-STEERING, STEERING, angles)
        super().__init__(
            num_envs,
            Box(-np.inf, np.inf, (5,), np.float32) if self.sees_state else Box(0, 255, (1, SIDE, SIDE), np.uint8),
            Box(-1, 1, (1,), np.float32) if self.continuous else Discrete(angles),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {
            "waves": road.waves(n, rng),
            "step": np.zeros(n, np.int64),
            "offset": rng.normal(0.0, 0.02, n),
            "heading": rng.normal(0.0, 0.02, n),
            "off": np.zeros(n, np.int64),  # steps beside the road
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        steered = STEERING * action[:, 0].astype(float) if self.continuous else self.angles[action]
        noise = rng.normal(0.0, 1.0, len(steered)) * self.disturbance
        heading = state["heading"] + steered - self._turning(state) + noise
        free = state["offset"] + np.sin(heading)
        offset = np.clip(free, -RAIL, RAIL)
        return {
            "waves": state["waves"],
            "step": state["step"] + 1,
            "offset": offset,
            "heading": np.where(offset == free, heading, 0.0),  # the rail turns the car into its own direction
            "off": state["off"] + (np.abs(offset) > 1),
        }

    def observation(self, state: State) -> np.ndarray:
        if self.sees_state:
            turning = [self._turning(state, distance) for distance in range(3)]
            return np.stack([state["offset"], state["heading"], *turning], 1).astype(np.float32)
        return self._picture(state)[:, None]

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        return -(np.abs(next_state["offset"]) > 1).astype(float)

    def terminal(self, state: State) -> np.ndarray:
        arrived: np.ndarray = state["step"] >= self.horizon
        return arrived

    def final_info(self, state: State) -> dict[str, Any]:
        return {"steps_off_road": state["off"], "stayed_on_road": state["off"] == 0}

    def _picture(self, state: State) -> np.ndarray:
        """(B, H, W) uint8: the sign above, the road below."""
        bend = road.ahead(state["waves"], state["step"].astype(float), ROWS)  # (B, H)
        middle = bend - state["offset"][:, None] - np.tan(state["heading"])[:, None] * ROWS
        picture = np.full((len(middle), SIDE, SIDE), road.GRASS, np.uint8)
        picture[:, -len(ROWS) :] = road.picture(middle, 1.0, COLUMNS, PIXEL)
        turning = self._turning(state)[:, None] * (COLUMNS[-1] / STEERING)
        picture[:, :SIGN] = road.picture(turning, PIXEL, COLUMNS, PIXEL)
        return picture

    def _turning(self, state: State, distance: int = 0) -> np.ndarray:
        """By how much the road turns in the step that begins ``distance`` steps ahead."""
        place = state["step"].astype(float) + distance
        turning: np.ndarray = road.direction(state["waves"], place + 1) - road.direction(state["waves"], place)
        return turning

    # ------------------------------------------------------------------ the driver
    def expert_action(self) -> np.ndarray:
        """Actions for the present states: turn with the road, and steer back to its middle."""
        state = self.snapshot()["state"]
        wanted = np.clip(-0.5 * state["offset"], -STEEPEST, STEEPEST)
        angle = np.clip(wanted - state["heading"] + self._turning(state), -STEERING, STEERING)
        if self.continuous:
            share: np.ndarray = (angle[:, None] / STEERING).astype(np.float32)
            return share
        nearest: np.ndarray = np.rint((angle + STEERING) / (self.angles[1] - self.angles[0])).astype(np.int64)
        return nearest

    # ------------------------------------------------------------------ pictures
    def frame(self, state: State) -> list[Any]:
        observation = self._picture(state)
        columns = state["waves"], state["step"], state["offset"], state["heading"], observation
        return [view.from_the_car(*row) for row in zip(*columns, strict=True)]


class DriveCorridorEnv(SingleEnv):
    __doc__ = DriveCorridor.__doc__
    batched = DriveCorridor
