"""``lhy_rl/Tour-v0``: the travelling salesman problem, one city per step."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Space
from gymnasium.vector import AutoresetMode

from lhy_rl.core import validation
from lhy_rl.core.protocols import ACTION_MASK, SOURCE
from lhy_rl.core.trees import State
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.pointer.plane import plane
from lhy_rl.envs.pointer.tours import shortest_tours, tour_length
from lhy_rl.envs.single import SingleEnv

REWARD_AT = ("step", "end")
EXPERTS = ("nearest", "shortest")
PENALTY = 2.0  # more than any distance inside the square


class Tour(BatchedEnv):
    """
    ## Description

    Cities lie in a square, and a tour goes through all of them and back to the first. An action is the next city, an
    element of the episode's source (Vinyals et al. 2015; Bello et al. 2017); a network with `head: pointer` chooses it.
    The shorter the tour, the better.

    | `num_cities` | shortest | nearest neighbour | random |
    |--------------|----------|-------------------|--------|
    | 10           | 2.88     | 1.11              | 1.8    |
    | 20           | 3.84     | 1.17              | 2.7    |
    | 50           | 5.69     | 1.22              | 4.6    |

    The first column is the mean length, the others are multiples of it. The shortest tours are found by LKH (the
    package `elkai`, in the extra `pointer`): `lhy_rl.envs.pointer.tours.shortest_tours`.

    ## Action Space

    `Discrete(10)`: the next city, 0 to `num_cities` - 1. The first action says where the tour begins. Choosing a
    visited city costs 2, more than any distance in the square, and leads to the unvisited city with the lowest number.

    ## Observation Space

    A Dict:

    - `observation`: `Box(-1.0, 1.0, (4,), float32)`, see below.
    - `source`: `Box(0.0, 1.0, (10, 2), float32)`, the cities' coordinates, the same at every step.
    - `action_mask`: `Box(0, 1, (10,), int8)`, 1 for the cities that are still to be visited; all 1 at the end.

    | Num | Observation | Min | Max |
    |-----|-------------|-----|-----|
    | 0 to 1 | coordinates of the city that was chosen last; -1 before there is one | -1 | 1 |
    | 2 to 3 | coordinates of the first city; -1 before there is one | -1 | 1 |

    ## Rewards

    The negative length of the tour: with `reward_at="step"` that of each leg at its step, the way back together with
    the last one; with `"end"` all of it at the last step. With 10 cities the
    best is -2.88, a random agent that obeys the mask gets -5.2, and one that does not -14.2.

    REINFORCE with a pointer network (`configs/reinforce/tour`) reaches 1.04 of the shortest with 20 cities, in two
    CPU-minutes. At the end `info["length"]` holds the length.

    ## Starting State

    The cities are drawn uniformly in the unit square; nothing is visited.

    ## Episode End

    1. Termination: all cities are visited, after 10 steps (`num_cities`).
    2. Truncation: `max_episode_steps` steps, if given.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `num_cities` | `10` | number of cities, 2 to 1,000 |
    | `reward_at` | `"step"` | `"step"` or `"end"` |
    | `expert` | `"nearest"` | `expert_action()` goes to the `"nearest"` city, or on along the `"shortest"` tour |
    | `render_mode` | `None` | `"rgb_array"`, a 400 x 400 picture |
    | `max_episode_steps` | `None` | truncates longer episodes |

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/Tour-v0", num_cities=5)
    >>> obs, info = env.reset(seed=0)
    >>> terminated = False
    >>> while not terminated:
    ...     obs, reward, terminated, truncated, info = env.step(env.unwrapped.expert_action()[0])
    >>> round(float(info["length"]), 2)
    2.54

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/Tour-v0", num_envs=64)` steps all instances at once. Further argument:
    `autoreset_mode`, `"NextStep"` (default), `"SameStep"` or `"Disabled"`.

    ## Version History

    - v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 4}

    def __init__(
        self,
        num_envs: int = 1,
        num_cities: int = 10,
        reward_at: str = "step",
        expert: str = "nearest",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.num_cities = n = validation.integer("num_cities", num_cities, 2, 1000)
        self.reward_at = validation.choice("reward_at", reward_at, REWARD_AT)
        self.expert = validation.choice("expert", expert, EXPERTS)
        spaces: dict[str, Space[Any]] = {
            SOURCE: Box(0, 1, (n, 2)),
            "observation": Box(-1, 1, (4,)),
            ACTION_MASK: Box(0, 1, (n,), np.int8),
        }
        super().__init__(
            num_envs,
            Dict(spaces),
            Discrete(n),
            autoreset_mode=autoreset_mode,
            render_mode=render_mode,
            max_episode_steps=max_episode_steps,
        )

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {
            "cities": rng.random((n, self.num_cities, 2), np.float32),
            "order": np.full((n, self.num_cities), -1),  # in which they were visited
            "count": np.zeros(n, np.int64),
        }

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        unvisited, rows = self._open(state), np.arange(len(action))
        order, count = state["order"].copy(), state["count"].copy()
        order[rows, count] = np.where(unvisited[rows, action], action, unvisited.argmax(1))
        return {"cities": state["cities"], "order": order, "count": count + 1}

    def observation(self, state: State) -> dict[str, np.ndarray]:
        begun = (state["count"] > 0)[:, None]
        ends = np.concatenate([self._city(state, state["count"] - 1), self._city(state, 0 * state["count"])], 1)
        here = np.where(begun, ends, np.float32(-1))
        return {SOURCE: state["cities"], "observation": here, ACTION_MASK: self._open(state).astype(np.int8)}

    def _open(self, state: State) -> np.ndarray:
        """(B, n) bool: the cities that can be chosen, all of them at the end."""
        n = self.num_cities
        closed = np.zeros((len(state["count"]), n + 1), bool)  # the last column is for those not visited yet
        np.put_along_axis(closed, state["order"] % (n + 1), True, 1)
        result: np.ndarray = ~closed[:, :n] | self.terminal(state)[:, None]
        return result

    def _city(self, state: State, step: np.ndarray) -> np.ndarray:
        """(B, 2) the position of each tour after a step; arbitrary before its first."""
        rows = np.arange(len(step))
        place: np.ndarray = state["cities"][rows, state["order"][rows, step]]
        return place

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        closed, wrong = self.terminal(next_state), (state["order"] == action[:, None]).any(1)
        if self.reward_at == "end":
            length = np.zeros(len(action))
            length[closed] = tour_length(next_state["cities"][closed], next_state["order"][closed])
        else:
            here = self._city(next_state, next_state["count"] - 1)
            way = np.linalg.norm(here - self._city(state, state["count"] - 1), axis=1)
            back = np.linalg.norm(here - self._city(next_state, 0 * next_state["count"]), axis=1)
            length = np.where(state["count"] > 0, way, 0.0) + closed * back
        cost: np.ndarray = length + PENALTY * wrong
        return -cost

    def terminal(self, state: State) -> np.ndarray:
        closed: np.ndarray = state["count"] == self.num_cities
        return closed

    def final_info(self, state: State) -> dict[str, Any]:
        return {"length": tour_length(state["cities"], state["order"])}

    def expert_action(self) -> np.ndarray:
        """(B,) the expert's next cities; see ``ScriptedExpert``. The shortest tour skips visited cities."""
        state = self.snapshot()["state"]
        rows, n = np.arange(self.num_envs), self.num_cities
        here = state["order"][rows, np.maximum(state["count"] - 1, 0)]
        unvisited = self._open(state)
        if self.expert == "nearest":
            cities = state["cities"]
            gaps = np.square(cities - cities[rows, here][:, None]).sum(-1)
        else:
            place = shortest_tours(state["cities"]).argsort(1)  # of each city in the tour
            gaps = ((place - place[rows, here][:, None]) % n).astype(float)
        action: np.ndarray = np.where(unvisited, gaps, np.inf).argmin(1)
        return np.where(state["count"] > 0, action, 0)

    # ------------------------------------------------------------------ pictures
    def frame(self, state: State) -> list[Any]:
        rows = zip(state["cities"], state["order"], state["count"], strict=True)
        return [self._picture(*row) for row in rows]

    def _picture(self, cities: np.ndarray, order: np.ndarray, count: int) -> np.ndarray:
        path = cities[order[:count]]
        closed = count == self.num_cities
        line = np.concatenate([path, path[:1]]) if closed else path
        length = np.linalg.norm(np.diff(line, axis=0), axis=1).sum() if count else 0.0
        return plane(cities, [line], path[:1], path[-1:], f"{count} of {self.num_cities} cities, {length:.2f}")


class TourEnv(SingleEnv):
    __doc__ = Tour.__doc__
    batched = Tour
