"""The first curve of a report: the return over what the agent counts, between the marks that it is read against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lhy_rl.reporting.plots import COLOURS, GREY, smooth
from lhy_rl.reporting.references import EXPERT, RANDOM, THRESHOLD

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RETURN = "mean_return"
CURVES = {  # column of metrics.csv: what it is called
    "eval/mean_return": "evaluation, deterministic",
    "rollout/ep_rew_mean": "while training",
}
STEPS, LABELS, AGREEMENT = "time/total_timesteps", "rollout/labels", "rollout/agreement"
MARKS = {RANDOM: GREY, EXPERT: "#2f855a", THRESHOLD: "#dd6b20"}
APART = 0.065  # of the height, between the names of two marks


def returns(
    rows: list[dict[str, str]], result: dict[str, Any], size: tuple[float, float] = (7.4, 3.9)
) -> Figure | None:
    """The curve; None where the task has no return.

    Args:
        rows: Of ``metrics.csv``.
        result: What the run ended with; its ``references`` are the marks.
        size: In inches.
    """
    from matplotlib.figure import Figure

    if not any(RETURN in row for row in result["table"].values()):
        return None
    figure = Figure(figsize=size)
    draw(figure.subplots(), rows, result)
    return figure


def draw(ax: Axes, rows: list[dict[str, str]], result: dict[str, Any]) -> None:
    """The curve, into axes of somebody's; see :func:`returns`."""
    from matplotlib.ticker import EngFormatter

    evaluated, played = (_points(rows, column) for column in CURVES)
    evaluated.append(
        (float(result["timesteps"]), [row[RETURN] for row in result["table"].values() if RETURN in row][-1])
    )
    names = list(CURVES.values())
    if played:
        x, y = zip(*played, strict=True)
        y = tuple(smooth(list(y))) if len(y) > 60 else y
        dots = "o" if len(x) < 3 else ""
        ax.plot(x, y, marker=dots, color=COLOURS[0], alpha=0.35, linewidth=1.4, label=names[1])
    x, y = zip(*evaluated, strict=True)
    ax.plot(x, y, color=COLOURS[0], linewidth=2, marker="o", markersize=4 if len(x) < 40 else 0, label=names[0])
    ax.plot(x[-1], y[-1], "o", color=COLOURS[0], markersize=8, zorder=4, clip_on=False)
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    ax.set_xlabel(result.get("timestep", "timesteps"))
    ax.set_ylabel("return of an episode")
    ax.set_xlim(-0.02 * x[-1], 1.02 * x[-1])
    draw_marks(ax, {name: row[RETURN] for name, row in result.get("references", {}).items() if RETURN in row})
    if played:
        ax.legend(loc="best", fontsize=8.5)


def draw_marks(ax: Axes, marks: dict[str, float]) -> None:
    """Horizontal lines, each with its name and number behind the right end, one above the other."""
    for name, value in marks.items():
        ax.axhline(value, color=MARKS.get(name, GREY), linewidth=1.3, linestyle="--", zorder=1)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high)
    heights = spread([(value - low) / (high - low) for value in marks.values()], APART)
    for (name, value), height in zip(marks.items(), heights, strict=True):
        text = f"{name} {value:.4g}"
        ax.text(1.015, height, text, transform=ax.transAxes, va="center", fontsize=9, color=MARKS.get(name, GREY))


def spread(places: list[float], apart: float) -> list[float]:
    """The places moved so that neighbours are at least ``apart``, each group around the middle of where it was."""
    order = np.argsort(places, kind="stable")
    groups: list[list[float]] = []  # of sorted places that touch
    for place in np.asarray(places, float)[order].tolist():
        groups.append([place])
        while len(groups) > 1 and _low(groups[-1], apart) - _low(groups[-2], apart) < apart * len(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = np.empty(len(places))
    moved[order] = [_low(group, apart) + apart * i for group in groups for i in range(len(group))]
    return moved.tolist()


def _low(group: list[float], apart: float) -> float:
    """Where the lowest of a group goes."""
    return sum(group) / len(group) - apart * (len(group) - 1) / 2


def _points(rows: list[dict[str, str]], column: str) -> list[tuple[float, float]]:
    """(timesteps, value) of the cells that hold a number."""
    return [(float(row[STEPS]), float(row[column])) for row in rows if row.get(column) and row.get(STEPS)]


def asked(rows: list[dict[str, str]], result: dict[str, Any]) -> Figure | None:
    """What the expert's answers bought: return and agreement over labels; None where nobody was asked."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    counted = [row for row in rows if row.get(LABELS)]
    if not counted:
        return None
    figure = Figure(figsize=(10.8, 3.3))
    axes = figure.subplots(1, 3)
    agreement, steps = {AGREEMENT: "agreement"}, {STEPS: "steps"}
    panels = ((CURVES, "Return"), (agreement, "Agreement with the expert"), (steps, "Steps played"))
    for ax, (columns, title) in zip(axes, panels, strict=True):
        for i, (column, name) in enumerate(columns.items()):
            points = [(float(row[LABELS]), float(row[column])) for row in counted if row.get(column)]
            if points:
                x, y = zip(*points, strict=True)
                ax.plot(
                    x, y, color=COLOURS[i], linewidth=1.8, marker="o" if len(x) < 25 else "", markersize=3.5, label=name
                )
        ax.set_title(title, loc="left")
        ax.set_xlabel("labels: answers of the expert")
    for name, row in result.get("references", {}).items():
        axes[0].axhline(
            row[RETURN], color=MARKS[name], linewidth=1.3, linestyle="--", label=f"{name} {row[RETURN]:.4g}"
        )
    axes[0].legend(fontsize=7.5)
    axes[1].set_ylim(bottom=0)
    axes[1].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure
