"""Walking on a grid: the base class of ``lhy_rl/Gridworld-v0`` and ``lhy_rl/Objectworld-v0``."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from gymnasium.spaces import Discrete

from lhy_rl.core import validation
from lhy_rl.core.trees import State
from lhy_rl.envs import drawing
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.functional.dynamic_programming import soft_value_iteration, value_iteration

MOVES = np.array([(0, 0), (-1, 0), (0, 1), (1, 0), (0, -1)])
"""Stay, up, right, down, left: row and column."""

LARGEST = 200  # cells of a side: 64 GB of tables
ENDLESS_GAMMA = 0.95  # discount of the expert without a time limit


class TabularGrid(BatchedEnv):
    """A walker on a grid whose steps may slip, and whose dynamics, features and rewards are tables.

    The state holds ``cell`` (B,), row * size + column. A subclass sets, after this constructor, ``features`` (S, F) and
    ``state_rewards`` (S,). All tables are those of :class:`lhy_rl.core.protocols.Tabular`.

    Args:
        size: N, cells of a side, 2 to 200: the tables have 5 N^4 numbers.
        slip: Probability that a step goes in a random direction.
        walls: Share of the cells that are walls; they are drawn by ``layout_seed`` and never disconnect the grid.
        layout_seed: Seed of everything that stays the same in all episodes.
        kept: Cells that must not be walls.
        goal: A cell that ends the episode.
        **base: Arguments of :class:`BatchedEnv`.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}
    features: np.ndarray
    state_rewards: np.ndarray

    def __init__(
        self,
        num_envs: int,
        *,
        size: int,
        slip: float,
        walls: float,
        layout_seed: int,
        kept: np.ndarray,
        goal: int | None = None,
        **base: Any,
    ) -> None:
        self.size = size
        self.slip = validation.share("slip", slip)
        self.layout_seed = layout_seed
        count = self.size**2
        super().__init__(num_envs, Discrete(count), Discrete(len(MOVES)), **base)
        rng = np.random.default_rng([self.layout_seed, 1])  # separate, so that walls change nothing else
        self.walls = drawn_walls(self.size, validation.share("walls", walls, 0.5), kept, rng)  # (S,) bool
        self.goal = goal
        self.ends = np.zeros(count, bool)
        if goal is not None:
            self.ends[goal] = True
        self.successors = successors(self.size, self.walls)  # (S, A)
        moved = np.eye(count)[self.successors]  # (S, A, S)
        self.transitions = (1 - self.slip) * moved + self.slip * moved.mean(1, keepdims=True)
        self.transitions[self.ends | self.walls] = 0.0
        free = ~(self.walls | self.ends)
        self.starts = free / free.sum()
        self._free = np.flatnonzero(free)

    # ------------------------------------------------------------------ dynamics
    def initial(self, n: int, rng: np.random.Generator) -> State:
        return {"cell": rng.choice(self._free, size=n)}

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        if self.slip:
            slips = rng.random(len(action)) < self.slip
            action = np.where(slips, rng.integers(len(MOVES), size=len(action)), action)
        return {"cell": self.successors[state["cell"], action]}

    def observation(self, state: State) -> np.ndarray:
        return state["cell"]

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        rewards: np.ndarray = self.state_rewards[next_state["cell"]]
        return rewards

    def terminal(self, state: State) -> np.ndarray:
        ends: np.ndarray = self.ends[state["cell"]]
        return ends

    # ------------------------------------------------------------------ the expert
    def expert_policy(self, temperature: float = 0.0) -> np.ndarray:
        """The optimal policy, (T, S, A) with a time limit of T steps and (S, A) without; soft-optimal for temperatures
        above 0."""
        horizon = self.max_episode_steps
        problem = self.transitions, self.state_rewards, 1.0 if horizon else ENDLESS_GAMMA, horizon
        return (soft_value_iteration(*problem, temperature) if temperature else value_iteration(*problem)).policy

    @cached_property
    def _best_actions(self) -> np.ndarray:
        actions: np.ndarray = self.expert_policy().argmax(-1)
        return np.atleast_2d(actions)  # (T, S), or (1, S) without a time limit

    def expert_action(self) -> np.ndarray:
        """(B,) the best actions in the present states."""
        time = np.minimum(self._steps, len(self._best_actions) - 1)
        actions: np.ndarray = self._best_actions[time, self.observe()]
        return actions

    # ------------------------------------------------------------------ pictures
    def colours(self) -> np.ndarray:
        """(S, 3) the cells' colours by their reward: blue below 0, orange above."""
        strength = self.state_rewards / max(float(np.abs(self.state_rewards).max()), 1e-12)
        empty, low, high = (np.array(c, float) for c in (drawing.EMPTY, (60, 90, 200), (240, 170, 40)))
        mixed = empty + np.abs(strength)[:, None] * (np.where(strength[:, None] < 0, low, high) - empty)
        mixed[self.walls] = drawing.BACKGROUND
        colours: np.ndarray = mixed.astype(np.uint8)
        return colours

    def marks(self) -> list[str]:
        """A text of the same length for each cell, without the walker."""
        signs = np.where(self.state_rewards > 0, "+", np.where(self.state_rewards < 0, "-", "."))
        signs[self.ends] = "G"
        signs[self.walls] = "#"
        return [str(sign) for sign in signs]

    def decorate(self, picture: np.ndarray, side: int) -> None:
        """Add details to the picture of the grid, whose cells have this side in pixels."""

    def frame(self, state: State) -> list[Any]:
        if self.render_mode == "ansi":
            return [self._text(int(cell)) for cell in state["cell"]]
        side = max(1, drawing.SIDE // self.size)
        cells = self.colours().reshape(self.size, self.size, 3)
        grid = cells.repeat(side, 0).repeat(side, 1)
        if side >= 4:
            grid[::side] = grid[:, ::side] = drawing.BACKGROUND
            self.decorate(grid, side)
        return [self._picture(grid, side, int(cell)) for cell in state["cell"]]

    def _text(self, cell: int) -> str:
        words = self.marks()
        words[cell] = "@" * len(words[cell])
        gap = " " if len(words[cell]) > 1 else ""
        return "\n".join(gap.join(words[i : i + self.size]) for i in range(0, len(words), self.size))

    def _picture(self, grid: np.ndarray, side: int, cell: int) -> np.ndarray:
        picture = grid.copy()
        top, left = (side * x for x in divmod(cell, self.size))
        edge, inner = max(1, side // 8), max(1, side - 2 * max(1, side // 8))
        whole = picture[top + edge : top + edge + inner, left + edge : left + edge + inner].copy()
        drawing.square(picture, top, left, side, drawing.WHITE)
        picture[top + edge : top + edge + inner, left + edge : left + edge + inner] = whole
        return drawing.enlarged(picture)


def successors(size: int, walls: np.ndarray) -> np.ndarray:
    """(S, A) the cell that each move leads to; a step off the grid or into a wall has no effect."""
    row, column = np.divmod(np.arange(size**2), size)
    to_row = np.clip(row[:, None] + MOVES[:, 0], 0, size - 1)
    to_column = np.clip(column[:, None] + MOVES[:, 1], 0, size - 1)
    to = to_row * size + to_column
    return np.where(walls[to], np.arange(size**2)[:, None], to)


def drawn_walls(size: int, share: float, kept: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S,) bool: random walls, as many as requested or as are possible without disconnecting the grid."""
    walls, wanted = np.zeros(size**2, bool), round(share * size**2)
    for cell in rng.permutation(size**2).tolist():
        if walls.sum() >= wanted:
            break
        if cell in kept:
            continue
        walls[cell] = True
        walls[cell] = connected(size, ~walls)
    return walls


def connected(size: int, free: np.ndarray) -> bool:
    """Whether all free cells can be reached from each other."""
    reached = np.zeros((size, size), bool)
    reached.flat[np.flatnonzero(free)[0]] = True
    inside, before = free.reshape(size, size), 0
    while (now := int(reached.sum())) > before:
        before, grown = now, reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        reached = grown & inside
    return before == int(free.sum())
