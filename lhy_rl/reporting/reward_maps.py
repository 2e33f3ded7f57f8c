"""Inverse reinforcement learning on a grid: the true and the recovered reward, and the optimal policy of each.

A reward that is recovered from behaviour has no unit and no zero, so each map has its own scale. One can compare which
cells are better than others, and which step is best under each reward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lhy_rl.functional.dynamic_programming import value_iteration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def reward_maps(agent: Any) -> Figure | None:
    """The two maps; None if the states are not a square of cells."""
    task = getattr(agent, "tables", None)
    size = getattr(task, "size", None)
    if task is None or size is None:
        return None
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    colours = LinearSegmentedColormap.from_list("rewards", ["#edf2f7", "#fbd38d", "#ed8936"])
    true, found = np.asarray(task.state_rewards), np.asarray(agent.state_rewards)
    cells = np.asarray(getattr(task, "walls", np.zeros(len(true), bool))) == 0
    figure = Figure(figsize=(10.8, 4.5))
    titles = "True reward", f"Recovered reward (correlation {correlation(true[cells], found[cells]):.2f})"
    for ax, rewards, title in zip(figure.subplots(1, 2), (true, found), titles, strict=True):
        image = ax.imshow(np.where(cells, rewards, np.nan).reshape(size, size), cmap=colours)
        policy = value_iteration(task.transitions, rewards, agent.gamma, task.max_episode_steps).policy
        _arrows(ax, task.transitions, policy if policy.ndim == 2 else policy[0], cells, size)
        figure.colorbar(image, ax=ax, shrink=0.9)
        ax.set_title(title, loc="left")
        ax.set(xticks=[], yticks=[], facecolor="#1a202c")
        ax.grid(visible=False)
        ax.set_xlabel("arrows: the best first step under this reward; dots: stay")
    return figure


def correlation(true: np.ndarray, found: np.ndarray) -> float:
    """Pearson correlation over the cells; 0 where one of the rewards is the same everywhere."""
    if true.std() < 1e-12 or found.std() < 1e-12:
        return 0.0
    return float(np.corrcoef(true, found)[0, 1])


def _arrows(ax: Axes, transitions: np.ndarray, policy: np.ndarray, cells: np.ndarray, size: int) -> None:
    """Draw arrows to the most probable next cell under the policy's most probable action, except at terminal cells."""
    here = np.flatnonzero(cells & (transitions.sum((1, 2)) > 0))
    to = transitions[here, policy[here].argmax(1)].argmax(1)
    row, column = np.divmod(here, size)
    down, right = to // size - row, to % size - column
    moves = (down != 0) | (right != 0)
    ink: dict[str, Any] = {"color": "#1a365d", "zorder": 3}
    ax.quiver(
        column[moves],
        row[moves],
        right[moves],
        down[moves],
        angles="xy",
        pivot="mid",
        scale=2.2 * size,
        width=5e-3,
        **ink,
    )
    ax.plot(column[~moves], row[~moves], "o", markersize=3.5, **ink)
