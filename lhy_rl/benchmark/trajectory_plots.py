"""The picture of a benchmark of imitation: for each task the normalised return over how much was shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lhy_rl.benchmark.benchmark_row import BenchmarkRow, Imitation
from lhy_rl.benchmark.learning_curve import Curve
from lhy_rl.benchmark.results import interval
from lhy_rl.reporting.plots import COLOURS, DPI, GREY, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DASHES = ("-", ":", "--", "-.")  # an agent's first row, and its others: its controls
MARKERS = "osD^vP"


def draw(lines: list[tuple[BenchmarkRow, list[Curve]]], path: Path) -> None:
    """Interquartile mean over the seeds with its interval as a band; the expert and a random policy are dashed.

    Args:
        lines: Rows of imitation, each with a curve for each seed.
        path: The PNG.
    """
    import matplotlib
    from matplotlib.figure import Figure

    found = [(line, curves) for line, curves in lines if isinstance(line, Imitation)]
    tasks = list(dict.fromkeys(line.task for line, _ in found))
    looks = _looks([line for line, _ in found])
    with matplotlib.rc_context(STYLE):
        width = max(3.0 * len(tasks), 6.0)
        figure = Figure(figsize=(width, 3.7))
        axes = figure.subplots(1, len(tasks), squeeze=False, sharey=True)[0]
        for ax, task in zip(axes, tasks, strict=True):
            mine = [(line, curves) for line, curves in found if line.task == task]
            for series in dict.fromkeys(line.series for line, _ in mine):
                _series(ax, [(line, curves) for line, curves in mine if line.series == series], *looks[series])
            ax.set_xticks(sorted({line.trajectories for line, _ in mine}))
            ax.set_xlabel("trajectories shown")
            ax.set_title(task, loc="left")
        _marks(list(axes))
        axes[0].set_ylabel("normalised return")
        handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend([handles[name] for name in looks], list(looks), loc="outside lower center", ncols=int(width // 2))
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=DPI)


def _looks(lines: list[Imitation]) -> dict[str, tuple[str, str, str]]:
    """Colour, dashes and marker of each series: the colour is its agent's, the same in every task."""
    agents = list(dict.fromkeys(line.agent for line in lines))
    looks: dict[str, tuple[str, str, str]] = {}
    for agent in agents:
        number = agents.index(agent)
        for i, series in enumerate(dict.fromkeys(line.series for line in lines if line.agent == agent)):
            marker = MARKERS[number % len(MARKERS)]
            looks[series] = COLOURS[number % len(COLOURS)], DASHES[i % len(DASHES)], marker
    return looks


def _series(ax: Axes, rows: list[tuple[Imitation, list[Curve]]], colour: str, dashes: str, marker: str) -> None:
    """One line with its band, from few trajectories to many."""
    rows = sorted(rows, key=lambda row: row[0].trajectories)
    x = [line.trajectories for line, _ in rows]
    middle, low, high = zip(*(interval(line.normalised(curves)) for line, curves in rows), strict=True)
    ax.plot(x, middle, dashes, color=colour, marker=marker, markersize=4.5, linewidth=1.6, label=rows[0][0].series)
    ax.fill_between(x, low, high, color=colour, alpha=0.13, linewidth=0)


def _marks(panels: list[Axes]) -> None:
    """The expert's and the random policy's returns, named behind the last of the panels, which share their heights."""
    for y, name in ((1.0, "expert"), (0.0, "random")):
        for ax in panels:
            ax.axhline(y, color=GREY, linewidth=1, linestyle="--", zorder=1)
        beside = panels[-1].get_yaxis_transform()  # x in widths of the panel, y as the data
        panels[-1].text(1.02, y, name, transform=beside, va="center", fontsize=8, color=GREY)
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(min(low, -0.1), max(high, 1.1))
