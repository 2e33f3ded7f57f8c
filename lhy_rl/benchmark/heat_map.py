"""The picture of a matrix of networks and tasks: the normalised return of each network on each task."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lhy_rl.benchmark.benchmark_row import ScoredRow
from lhy_rl.benchmark.learning_curve import Curve
from lhy_rl.benchmark.results import interval
from lhy_rl.reporting.plots import GREY, STYLE, write


def draw(found: list[tuple[ScoredRow, list[Curve]]], path: Path) -> None:
    """Draw a heat map of the normalised returns: networks by tasks, the best of each column in bold.

    Args:
        found: Rows, each with a curve for each seed.
        path: The PNG.
    """
    import matplotlib
    from matplotlib.figure import Figure

    cells = {
        (row.variant, column): interval(values)[0]
        for row, curves in found
        for column, values in row.columns(curves).items()
    }
    networks = list(dict.fromkeys(row.variant for row, _ in found))
    columns = list(dict.fromkeys(column for _, column in cells))
    values = np.array([[cells.get((network, column), np.nan) for column in columns] for network in networks])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.2 + 0.95 * len(columns), 1.5 + 0.42 * len(networks)))
        ax = figure.subplots()
        image = ax.imshow(values, vmin=0, vmax=1, cmap="YlGnBu", aspect="auto")
        ax.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
        ax.set_yticks(range(len(networks)), networks)
        ax.grid(False)
        for (line, column), value in np.ndenumerate(values):
            if np.isnan(value):
                continue
            best = value >= np.nanmax(values[:, column])
            dark = "white" if value > 0.6 else "black"
            weight = "bold" if best else "normal"
            ax.text(column, line, f"{value:.2f}", ha="center", va="center", color=dark, weight=weight, fontsize=8)
        bar = figure.colorbar(image, ax=ax, label="0: chance, 1: optimum")
        bar.outline.set_edgecolor(GREY)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(figure, path)
