"""The plots of a run, from its metrics.csv and its result: curves, and a comparison of its policies."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lhy_rl.core import archive
from lhy_rl.experiment.evaluation import EXPERT, RANDOM, THRESHOLD
from lhy_rl.experiment.game_evaluation import WITH_ITSELF
from lhy_rl.experiment.text_evaluation import REAL
from lhy_rl.experiment.tracking import metric_columns, read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ["#2b6cb0", "#dd6b20", "#2f855a", "#805ad5", "#c53030", "#2c7a7b"]
GREY = "#718096"
RETURN_TITLE = "Return"  # of the curve that a report begins with
DPI = 130
NOT_DRAWN = ("train/epoch", "train/n_updates", "train/learning_rate")  # counters, better read than drawn
RETURN = "mean_return"
RETURN_COLUMNS = {  # column of metrics.csv to its name in the plot
    "eval/mean_return": "evaluation, deterministic",
    "rollout/ep_rew_mean": "while training",
}
STEPS, LABELS, AGREEMENT = "time/total_timesteps", "rollout/labels", "rollout/agreement"
REFERENCE_COLOURS = {RANDOM: GREY, EXPERT: "#2f855a", THRESHOLD: "#dd6b20"}
NAME_DISTANCE = 0.065  # of the height, between the names of two references
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#a0aec0",
    "axes.labelcolor": "#4a5568",
    "axes.titlesize": 10,
    "axes.titlecolor": "#1a202c",
    "axes.titleweight": "bold",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#edf2f7",
    "xtick.color": "#4a5568",
    "ytick.color": "#4a5568",
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def draw_all(csv: Path, result: dict[str, Any], folder: Path) -> dict[str, Path]:
    """Draw all plots for which there are data.

    Args:
        csv: The run's ``metrics.csv``.
        result: Result of the run.
        folder: Where the PNG files go.

    Returns:
        Title to file, in the order to show them.
    """
    import matplotlib

    folder.mkdir(exist_ok=True)
    drawn: dict[str, Path] = {}
    rows = read_metrics(csv) if csv.exists() else []
    columns = metric_columns(csv) if csv.exists() else {}
    with matplotlib.rc_context(STYLE):
        for title, name, figure in (
            (RETURN_TITLE, "return", return_curve(rows, result)),
            ("Labels given by the expert", "labels", label_curves(rows, result)),
            ("Evaluation during training", "evaluation", curves(columns, rows, "eval/")),
            ("Comparison of the policies", "policies", policies(result["table"])),
            ("Training", "training", curves(columns, rows, "train/", "rollout/")),
        ):
            if figure is not None:
                drawn[title] = folder / f"{name}.png"
                write(figure, drawn[title])
    return drawn


def write(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, atomically."""
    archive.write_made(path, lambda file: figure.savefig(file, format="png", dpi=DPI))


def curves(columns: dict[str, list[tuple[int, float]]], rows: list[dict[str, str]], *prefixes: str) -> Figure | None:
    """One small panel for each metric with one of the prefixes, over updates, with the phases shaded."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    names = [
        name
        for name, points in columns.items()
        if name.startswith(prefixes) and name not in NOT_DRAWN and len({value for _, value in points}) > 1
    ]
    if not names:
        return None
    across = min(3 if len(names) > 2 else len(names), 3)
    down = math.ceil(len(names) / across)
    figure = Figure(figsize=(max(3.6 * across, 6.0), 2.5 * down + 0.25))
    axes = figure.subplots(down, across, squeeze=False)
    iterations = [int(float(row.get("time/iterations") or i + 1)) for i, row in enumerate(rows)]
    smoothed = False
    for i, (name, ax) in enumerate(zip(names, axes.flat, strict=False)):
        x = [iterations[number] for number, _ in columns[name]]
        y = [value for _, value in columns[name]]
        colour = COLOURS[i % len(COLOURS)]
        if len(y) > 60:
            ax.plot(x, y, color=colour, alpha=0.25, linewidth=0.8)
            y, smoothed = smooth(y), True
        ax.plot(x, y, color=colour, linewidth=1.6, marker="o" if len(y) < 25 else "", markersize=3)
        ax.set_title(name.split("/", 1)[1].replace("_", " "), loc="left")
        edge = 0.02 * max(iterations[-1] - iterations[0], 1)
        ax.set_xlim(iterations[0] - edge, iterations[-1] + edge)
        shade_phases(ax, rows, iterations, labels=i == 0)
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    for ax in axes[-1]:
        ax.set_xlabel("update")
    if smoothed:
        faint, strong = (Line2D([], [], color=GREY, alpha=alpha, linewidth=1.6) for alpha in (0.35, 1.0))
        figure.legend([faint, strong], ["each update", "smoothed"], loc="outside upper right", ncols=2, fontsize=8.5)
    return figure


def shade_phases(ax: Axes, rows: list[dict[str, str]], iterations: list[int], labels: bool) -> None:
    """Shade every second phase; with ``labels`` write their names."""
    phases: list[tuple[str, int, int]] = []
    for row, iteration in zip(rows, iterations, strict=True):
        name = row.get("phase", "")
        if phases and phases[-1][0] == name:
            phases[-1] = (name, phases[-1][1], iteration)
        else:
            phases.append((name, phases[-1][2] if phases else iteration, iteration))
    if not 1 < len(phases) < 12:
        return
    for i, (name, first, last) in enumerate(phases):
        if i % 2:
            ax.axvspan(first, last, color="#f0f4f8", zorder=0, linewidth=0)
        if labels and last - first > 0.15 * (iterations[-1] - iterations[0]):
            text = ax.text((first + last) / 2, 0.98, name.replace(" ", "\n"), ha="center", va="top", fontsize=7)
            text.set(transform=ax.get_xaxis_transform(), color=GREY, in_layout=False)


def policies(table: dict[str, dict[str, float]]) -> Figure | None:
    """Likelihood, overlap and repetition of every policy beside real text; None where the task is not text."""
    from matplotlib.figure import Figure

    groups = [
        ("Likelihood, nats per token\n(lower is better)", ["nll_oracle", "nll_test"]),
        ("Overlap with held-out text\n(higher is better)", ["bleu2", "bleu3", "bleu4"]),
        ("Repetition\n(best as low as in held-out text)", ["self_bleu2", "self_bleu3", "self_bleu4"]),
    ]
    found = [(title, [n for n in names if any(n in row for row in table.values())]) for title, names in groups]
    found = [(title, names) for title, names in found if names]
    if not found:
        return None
    figure = Figure(figsize=(10.8, 3.0))
    axes = figure.subplots(1, len(found), squeeze=False, width_ratios=[max(len(names), 1.6) for _, names in found])[0]
    colours = dict(zip([name for name in table if name != REAL], COLOURS, strict=False)) | {REAL: "#a0aec0"}
    for ax, (title, names) in zip(axes, found, strict=True):
        width = 0.8 / len(table)
        for j, metric in enumerate(names):
            having = [policy for policy, row in table.items() if metric in row]
            for i, policy in enumerate(having):
                value, x = table[policy][metric], j + (i - (len(having) - 1) / 2) * width
                ax.bar(x, value, 0.92 * width, color=colours[policy], label=policy if j == 0 else None)
                ax.text(x, value, f"{value:.2f}", ha="center", va="bottom", fontsize=7, color="#4a5568")
        ax.set_title(title, loc="left")
        ax.set_xticks(range(len(names)), [name.replace("_", " ") for name in names])
        ax.grid(axis="x", visible=False)
        ax.margins(y=0.12)
    handles = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    handles = {name: handles[name] for name in table if name in handles}
    figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=len(handles))
    return figure


def smooth(values: list[float]) -> list[float]:
    """Exponential moving average over about a thirtieth of the curve."""
    weight, out = 1.0 - 1.0 / max(len(values) / 30.0, 1.0), [values[0]]
    for value in values[1:]:
        out.append(weight * out[-1] + (1.0 - weight) * value if math.isfinite(value) else out[-1])
    return out


# --- the return over timesteps, with the references to compare it with ---


def return_curve(
    rows: list[dict[str, str]], result: dict[str, Any], size: tuple[float, float] = (7.4, 3.9)
) -> Figure | None:
    """Plot the return over timesteps; None where the task has no return.

    Args:
        rows: Rows of ``metrics.csv``.
        result: Result of the run; its ``references`` are marked.
        size: Size in inches.
    """
    from matplotlib.figure import Figure

    if not any(RETURN in row for row in result["table"].values()):
        return None
    figure = Figure(figsize=size)
    draw_return(figure.subplots(), rows, result)
    return figure


def draw_return(ax: Axes, rows: list[dict[str, str]], result: dict[str, Any]) -> None:
    """Draw the curve of :func:`return_curve` into given axes."""
    from matplotlib.ticker import EngFormatter

    evaluated, played = (_points(rows, column) for column in RETURN_COLUMNS)
    ends = {name: row[RETURN] for name, row in result["table"].items() if RETURN in row}
    end = ends.get(WITH_ITSELF, list(ends.values())[-1])  # for games that of self-play, as in the evaluations
    evaluated.append((float(result["timesteps"]), end))
    names = list(RETURN_COLUMNS.values())
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
    draw_references(ax, {name: row[RETURN] for name, row in result.get("references", {}).items() if RETURN in row})
    if played:
        ax.legend(loc="best", fontsize=8.5)


def draw_references(ax: Axes, references: dict[str, float]) -> None:
    """Draw horizontal lines, each with its name and number to its right; the texts do not overlap."""
    for name, value in references.items():
        ax.axhline(value, color=REFERENCE_COLOURS.get(name, GREY), linewidth=1.3, linestyle="--", zorder=1)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high)
    heights = spread([(value - low) / (high - low) for value in references.values()], NAME_DISTANCE)
    for (name, value), height in zip(references.items(), heights, strict=True):
        text = f"{name} {value:.4g}"
        ax.text(
            1.015,
            height,
            text,
            transform=ax.transAxes,
            va="center",
            fontsize=9,
            color=REFERENCE_COLOURS.get(name, GREY),
        )


def spread(places: list[float], apart: float) -> list[float]:
    """Move the places so that neighbours are at least ``apart``; each group stays centred at its mean."""
    order = np.argsort(places, kind="stable")
    groups: list[list[float]] = []  # groups of sorted places that touch
    for place in np.asarray(places, float)[order].tolist():
        groups.append([place])
        while len(groups) > 1 and _low(groups[-1], apart) - _low(groups[-2], apart) < apart * len(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = np.empty(len(places))
    moved[order] = [_low(group, apart) + apart * i for group in groups for i in range(len(group))]
    return moved.tolist()


def _low(group: list[float], apart: float) -> float:
    """The place of the lowest member of a group."""
    return sum(group) / len(group) - apart * (len(group) - 1) / 2


def _points(rows: list[dict[str, str]], column: str) -> list[tuple[float, float]]:
    """(timesteps, value) of the cells that hold a number."""
    return [(float(row[STEPS]), float(row[column])) for row in rows if row.get(column) and row.get(STEPS)]


def label_curves(rows: list[dict[str, str]], result: dict[str, Any]) -> Figure | None:
    """Plot return and agreement over the expert's labels; None where no expert was asked."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    counted = [row for row in rows if row.get(LABELS)]
    if not counted:
        return None
    figure = Figure(figsize=(10.8, 3.3))
    axes = figure.subplots(1, 3)
    agreement, steps = {AGREEMENT: "agreement"}, {STEPS: "steps"}
    panels = ((RETURN_COLUMNS, "Return"), (agreement, "Agreement with the expert"), (steps, "Steps played"))
    for ax, (columns, title) in zip(axes, panels, strict=True):
        for i, (column, name) in enumerate(columns.items()):
            points = [(float(row[LABELS]), float(row[column])) for row in counted if row.get(column)]
            if points:
                x, y = zip(*points, strict=True)
                ax.plot(
                    x, y, color=COLOURS[i], linewidth=1.8, marker="o" if len(x) < 25 else "", markersize=3.5, label=name
                )
        ax.set_title(title, loc="left")
        ax.set_xlabel("labels given by the expert")
    for name, row in result.get("references", {}).items():
        axes[0].axhline(
            row[RETURN], color=REFERENCE_COLOURS[name], linewidth=1.3, linestyle="--", label=f"{name} {row[RETURN]:.4g}"
        )
    axes[0].legend(fontsize=7.5)
    axes[1].set_ylim(bottom=0)
    axes[1].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return figure
