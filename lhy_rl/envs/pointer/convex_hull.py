"""``lhy_rl/ConvexHull-v0``: name the corners of a set of points, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Space
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import ACTION_MASK, SOURCE
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.pointer.hulls import hull_successors
from lhy_rl.envs.pointer.plane import plane
from lhy_rl.envs.single import SingleEnv


class ConvexHull(BatchedEnv):
    """
    ## Description

    Points lie in a square, and the corners of their convex hull are to be named, one a step; their number is part of
    the question. It is the first task of the pointer network (Vinyals et al. 2015, section 4.2): the actions are the
    elements of the episode's source, and one more to stop.

    ## Action Space

    `Discrete(11)`: a point, 0 to `num_points` - 1, or `num_points` (10) to stop.

    ## Observation Space

    A Dict:

    - `observation`: `Box(-1.0, 1.0, (4,), float32)`, see below.
    - `source`: `Box(0.0, 1.0, (10, 2), float32)`, the points' coordinates, the same at every step.
    - `action_mask`: `Box(0, 1, (11,), int8)`, 0 for the points that were named.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 1 | coordinates of the point that was named last; -1 before there is one | -1 | 1 |
    | 2 to 3 | coordinates of the point that was named first; -1 before there is one | -1 | 1 |

    ## Rewards

    With h corners, 1/h for a corner that was not named before and -1/h for any other point; to stop costs 1/h for each
    corner that is missing. An episode's return is 1 at best, and -1 if the agent stops at once. A random agent that
    obeys the mask gets -0.38; a pointer network that is cloned from 60,000 sets 0.98, with 91 % of the sets exact.

    At the end `info["exact"]` says whether the points named are the corners, no more and no fewer, and
    `info["ordered"]` whether they were named along the hull, counter-clockwise from any of them.

    ## Starting State

    The points are drawn uniformly in the unit square; none is named. 10 points have 6.0 corners on average.

    ## Episode End

    1. Termination: the agent stops, or names a point again.
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `num_points` | `10` | number of points, 3 to 100 |
    | `render_mode` | `None` | `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `None` | truncates longer episodes |

    The expert (`expert_action()`) begins with the lowest point and follows the hull counter-clockwise.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/ConvexHull-v0", num_points=6)
    >>> obs, info = env.reset(seed=0)
    >>> terminated, total = False, 0.0
    >>> while not terminated:
    ...     obs, reward, terminated, truncated, info = env.step(env.unwrapped.expert_action()[0])
    ...     total += reward
    >>> round(total, 6), info["exact"], info["ordered"]
    (1.0, True, True)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/ConvexHull-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}

    def __init__(
        self,
        num_envs: int = 1,
        num_points: int = 10,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.num_points = n = validation.integer("num_points", num_points, 3, 100)
        parts: dict[str, Space[Any]] = {"observation": Box(-1, 1, (4,)), SOURCE: Box(0, 1, (n, 2))}
        super().__init__(
            num_envs,
            Dict({**parts, ACTION_MASK: Box(0, 1, (n + 1,), np.int8)}),
            Discrete(n + 1),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        points = rng.random((n, self.num_points, 2), np.float32)
        return {
            "points": points,
            "successor": hull_successors(points),  # along the hull; -1 inside it
            "order": np.full((n, self.num_points), -1),  # of the points named
            "count": np.zeros(n, np.int64),
            "over": np.zeros(n, bool),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        stops = (action == self.num_points) | (state["order"] == action[:, None]).any(1)
        order, rows = state["order"].copy(), np.flatnonzero(~stops)
        order[rows, state["count"][rows]] = action[rows]
        return {**state, "order": order, "count": state["count"] + ~stops, "over": stops}

    def observation(self, state: State) -> dict[str, np.ndarray]:
        rows = np.arange(len(state["count"]))
        last, first = (
            state["points"][rows, state["order"][rows, step]] for step in (state["count"] - 1, 0 * state["count"])
        )
        here = np.where((state["count"] > 0)[:, None], np.concatenate([last, first], 1), np.float32(-1))
        mask = np.concatenate([~self._named(state), np.ones((len(rows), 1), bool)], 1)
        return {"observation": here, SOURCE: state["points"], ACTION_MASK: mask.astype(np.int8)}

    def _named(self, state: State) -> np.ndarray:
        """(B, n) bool."""
        n = self.num_points
        named = np.zeros((len(state["count"]), n + 1), bool)  # the last column is for entries that are not named yet
        np.put_along_axis(named, state["order"] % (n + 1), True, 1)
        return named[:, :n]

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        corners = state["successor"] >= 0
        named, stops = self._named(state), action == self.num_points
        point, rows = np.where(stops, 0, action), np.arange(len(action))
        right = corners[rows, point] & ~named[rows, point]
        missing = (corners & ~named).sum(1)
        worth: np.ndarray = np.where(stops, -missing, np.where(right, 1, -1)) / corners.sum(1)
        return worth

    def terminal(self, state: State) -> np.ndarray:
        over: np.ndarray = state["over"]
        return over

    def final_info(self, state: State) -> dict[str, Any]:
        exact = (self._named(state) == (state["successor"] >= 0)).all(1)
        order, rows, n = state["order"], np.arange(len(exact))[:, None], self.num_points
        following = np.where(np.arange(n) == state["count"][:, None] - 1, order[:, :1], np.roll(order, -1, 1))
        along = (state["successor"][rows, order] == following) | (order < 0)
        return {"exact": exact, "ordered": exact & along.all(1)}

    def expert_action(self) -> np.ndarray:
        """(B,) the next corner along the hull that was not named, or to stop; see ``ScriptedExpert``."""
        state = self.snapshot()["state"]
        rows, n = np.arange(self.num_envs), self.num_points
        left = (state["successor"] >= 0) & ~self._named(state)  # corners still to be named
        last = np.where(state["count"] > 0, state["order"][rows, state["count"] - 1], 0)
        action = np.where(state["count"] > 0, state["successor"][rows, last], state["points"][..., 1].argmin(1))
        lost = (action < 0) | ~left[rows, action]  # the last one was no corner, or the next is named already
        action = np.where(lost, left.argmax(1), action)
        return np.where(left.any(1), action, n)

    # ------------------------------------------------------------------ pictures
    def frame(self, state: State) -> list[Any]:
        rows = zip(state["points"], state["order"], state["count"], state["successor"], state["over"], strict=True)
        return [self._picture(*row) for row in rows]

    def _picture(
        self, points: np.ndarray, order: np.ndarray, count: int, successor: np.ndarray, over: bool
    ) -> np.ndarray:
        path, corners = points[order[:count]], successor >= 0
        line = np.concatenate([path, path[:1]]) if over else path
        right = int(corners[order[:count]].sum())
        caption = f"{right} of {int(corners.sum())} corners, {count - right} other points"
        return plane(points, [line], path[:1], path[-1:], caption)


class ConvexHullEnv(SingleEnv):
    __doc__ = ConvexHull.__doc__
    batched = ConvexHull
