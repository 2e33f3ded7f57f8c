"""The picture of a benchmark of imitation: for each task the normalised return over how much was shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lhy_rl.benchmark.benchmark_row import BenchmarkRow, Imitation
from lhy_rl.benchmark.learning_curve import Curve
from lhy_rl.benchmark.results import interval
from lhy_rl.reporting.plots import COLOURS, GREY, STYLE, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DASHES = ("-", ":", "--", "-.")  # an agent's first row, and its others: its controls
MARKERS = "osD^vP"


def draw(rows: list[tuple[BenchmarkRow, list[Curve]]], path: Path) -> None:
    """Interquartile mean over the seeds with its interval as a band; the expert and a random policy are dashed.

    Args:
        rows: Rows of imitation, each with a curve for each seed.
        path: The PNG.
    """
    import matplotlib
    from matplotlib.figure import Figure

    found = [(row, curves) for row, curves in rows if isinstance(row, Imitation)]
    tasks = list(dict.fromkeys(row.task for row, _ in found))
    styles = _styles([row for row, _ in found])
    with matplotlib.rc_context(STYLE):
        width = max(3.0 * len(tasks), 6.0)
        figure = Figure(figsize=(width, 3.7))
        axes = figure.subplots(1, len(tasks), squeeze=False, sharey=True)[0]
        for ax, task in zip(axes, tasks, strict=True):
            task_rows = [(row, curves) for row, curves in found if row.task == task]
            for series in dict.fromkeys(row.series for row, _ in task_rows):
                _series(ax, [(row, curves) for row, curves in task_rows if row.series == series], *styles[series])
            ax.set_xticks(sorted({row.trajectories for row, _ in task_rows}))
            ax.set_xlabel("demonstrated trajectories")
            ax.set_title(task, loc="left")
        _draw_references(list(axes))
        axes[0].set_ylabel("normalised return")
        handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(
            [handles[name] for name in styles], list(styles), loc="outside lower center", ncols=int(width // 2)
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write(figure, path)


def _styles(rows: list[Imitation]) -> dict[str, tuple[str, str, str]]:
    """Colour, dashes and marker of each series: the colour is its agent's, the same in every task."""
    agents = list(dict.fromkeys(row.agent for row in rows))
    styles: dict[str, tuple[str, str, str]] = {}
    for agent in agents:
        number = agents.index(agent)
        for i, series in enumerate(dict.fromkeys(row.series for row in rows if row.agent == agent)):
            marker = MARKERS[number % len(MARKERS)]
            styles[series] = COLOURS[number % len(COLOURS)], DASHES[i % len(DASHES)], marker
    return styles


def _series(ax: Axes, points: list[tuple[Imitation, list[Curve]]], colour: str, dashes: str, marker: str) -> None:
    """One line with its band, from few trajectories to many."""
    points = sorted(points, key=lambda point: point[0].trajectories)
    x = [row.trajectories for row, _ in points]
    middle, low, high = zip(*(interval(row.normalised(curves)) for row, curves in points), strict=True)
    ax.plot(x, middle, dashes, color=colour, marker=marker, markersize=4.5, linewidth=1.6, label=points[0][0].series)
    ax.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)


def _draw_references(panels: list[Axes]) -> None:
    """The expert's and the random policy's returns, named behind the last of the panels, which share their heights."""
    for y, name in ((1.0, "expert"), (0.0, "random")):
        for ax in panels:
            ax.axhline(y, color=GREY, linewidth=1, linestyle="--", zorder=1)
        beside = panels[-1].get_yaxis_transform()  # x in widths of the panel, y as the data
        panels[-1].text(1.02, y, name, transform=beside, va="center", fontsize=8, color=GREY)
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(min(low, -0.1), max(high, 1.1))
