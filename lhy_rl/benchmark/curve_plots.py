"""The picture of a benchmark: for each task the curves of its rows, against steps and against CPU-seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lhy_rl.benchmark.benchmark_row import BenchmarkRow
from lhy_rl.benchmark.learning_curve import Curve
from lhy_rl.reporting.plots import COLOURS, GREY, STYLE, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXES = (("steps", "environment steps"), ("cpu_seconds", "CPU-seconds"))


def draw(rows: list[tuple[BenchmarkRow, list[Curve]]], path: Path) -> None:
    """Median over the seeds, and from the least to the greatest as a band; the threshold, or the expert, is dashed.

    Args:
        rows: Rows, each with a curve for each seed.
        path: The PNG.
    """
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    tasks = list(dict.fromkeys(row.task for row, _ in rows))
    all_variants = list(dict.fromkeys(row.variant for row, _ in rows))  # the same colour for each, whatever the task
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(max(3.3 * len(tasks), 6.0), 5.6))
        axes = figure.subplots(2, len(tasks), squeeze=False, sharey="col")
        for column, task in enumerate(tasks):
            task_rows = [(row, curves) for row, curves in rows if row.task == task]
            for down, (what, label) in enumerate(AXES):
                ax = axes[down, column]
                for row, curves in task_rows:
                    colour = COLOURS[all_variants.index(row.variant) % len(COLOURS)]
                    _curve(ax, curves, what, colour, row.variant)
                for i, target in enumerate({row.target for row, _ in task_rows if row.target is not None}):
                    name = "" if i else "threshold, or expert"  # one entry in the legend
                    ax.axhline(target, color=GREY, linewidth=1, linestyle="--", zorder=1, label=name or None)
                ax.set_xlabel(label)
                ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes[0, column].set_title(task, loc="left")
        variants = [[row.variant for row, _ in rows if row.task == task] for task in tasks]
        if all(names == variants[0] for names in variants):
            pairs = [pair for ax in axes[0] for pair in zip(*ax.get_legend_handles_labels(), strict=True)]
            named = {name: handle for handle, name in reversed(pairs)}
            names = list(dict.fromkeys(name for _, name in pairs))
            figure.legend([named[name] for name in names], names, loc="outside lower center", ncols=4)
        else:
            for ax in axes[1]:
                ax.legend(fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.22))
        for panels in axes:
            panels[0].set_ylabel("mean return")
        path.parent.mkdir(parents=True, exist_ok=True)
        write(figure, path)


def _curve(ax: Axes, curves: list[Curve], what: str, colour: str, label: str) -> None:
    """Curves are read off at the same places; one that stopped early holds its last value."""
    x = np.linspace(0, max(getattr(curve, what) for curve in curves), 200)
    y = np.array([np.interp(x, [getattr(p, what) for p in c.points], [p.value for p in c.points]) for c in curves])
    ax.plot(x, np.median(y, 0), color=colour, linewidth=1.6, label=label)
    if len(curves) > 1:
        ax.fill_between(x, y.min(0), y.max(0), color=colour, alpha=0.15, linewidth=0)
