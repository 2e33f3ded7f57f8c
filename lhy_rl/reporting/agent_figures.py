"""Draw the figures that an agent adds to the report (:mod:`lhy_rl.core.report_figures`).

They are stored among the run's plots, ``agent_1.png`` and so on, with a list of their titles in ``agent_figures.json``,
so that the page can be written again without the agent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lhy_rl.core import archive
from lhy_rl.core.report_figures import (
    Embedding,
    EpisodeFrames,
    LinePlot,
    MetricCurves,
    PictureRows,
    ReportFigure,
    Surface,
)
from lhy_rl.experiment.tracking import read_metrics
from lhy_rl.reporting import plots
from lhy_rl.reporting.plots import COLOURS, GREY, STEPS, smooth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AGENT, DIAGNOSIS = "agent", "diagnosis"  # owners of figures: prefixes of the files' names
ACROSS = 12  # pictures in a row
COLUMNS = 9  # frames of an episode, evenly spaced from its first to its last
TILE, GAP, MILLISECONDS, PAUSE = (
    150,
    12,
    80,
    1200,
)  # of the film: pixels, and how long a frame and the last one are shown


def draw(figures: Sequence[ReportFigure], folder: Path, csv: Path, whose: str = AGENT) -> None:
    """Draw the figures into a folder, in place of the earlier ones of the same owner.

    Args:
        csv: The run's ``metrics.csv``.
        whose: The owner: ``agent``, or another name for figures that are kept separately.
    """
    import matplotlib

    from lhy_rl.reporting.plots import STYLE

    forget(folder, whose)
    entries: list[dict[str, Any]] = []
    with matplotlib.rc_context(STYLE):
        for number, figure in enumerate(figures, 1):
            made = _figure(figure, csv)
            if made is None:
                continue
            files = [f"{whose}_{number}.png"]
            plots.write(made, folder / files[0])
            if isinstance(figure, EpisodeFrames):
                files.append(f"{whose}_{number}.gif")
                write_film(figure, folder / files[1])
            entries.append({"title": figure.title, "caption": figure.caption, "files": files, "first": figure.first})
    archive.write_bytes(list_of(folder, whose), json.dumps(entries, indent=1).encode())


def list_of(folder: Path, whose: str) -> Path:
    """Path of the file with the figures' titles."""
    return folder / f"{whose}_figures.json"


def drawn(folder: Path, whose: str = AGENT) -> list[dict[str, Any]]:
    """The figures that :func:`draw` stored in a folder: ``title``, ``caption``, ``files`` and ``first`` of each."""
    path = list_of(folder, whose)
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return found


def forget(folder: Path, whose: str = AGENT) -> None:
    """Delete the figures that :func:`draw` stored."""
    for path in [*folder.glob(f"{whose}_[0-9]*"), list_of(folder, whose)]:
        path.unlink(missing_ok=True)


def _figure(figure: ReportFigure, csv: Path) -> Figure | None:
    match figure:
        case EpisodeFrames():
            return strips(figure)
        case PictureRows():
            return picture_rows(figure)
        case Embedding():
            return embedding(figure)
        case LinePlot():
            return line_plot(figure)
        case Surface():
            return surface(figure)
        case MetricCurves():
            return curves(figure, read_metrics(csv) if csv.exists() else [])
    raise TypeError(f"{type(figure).__name__} is no figure that a report can draw")


def strips(figure: EpisodeFrames) -> Figure:
    """A row of frames for each episode, from its first to its last."""
    import matplotlib
    from matplotlib.figure import Figure as Made

    with matplotlib.rc_context({"figure.constrained_layout.use": False}):  # the margins are set below
        made = Made(figsize=(10.8, 1.42 * len(figure.rows)))
    axes = made.subplots(len(figure.rows), COLUMNS, squeeze=False)
    made.subplots_adjust(left=0.14, right=1, top=0.99, bottom=0.04, wspace=0.06, hspace=0.16)
    for row, (label, frames) in zip(axes, figure.rows.items(), strict=True):
        row[0].set_ylabel(label.replace(", ", ",\n"), rotation=0, ha="right", va="center", color="#1a202c")
        values = figure.values.get(label)
        places = np.linspace(0, len(frames) - 1, COLUMNS).round().astype(int)
        for ax, place in zip(row, places.tolist(), strict=True):
            ax.imshow(frames[place], interpolation="nearest")
            ax.grid(visible=False)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            value = float("nan") if values is None else float(values[place])
            number = "" if np.isnan(value) else f"   {value:.3f}" if abs(value) < 10 else f"   {value:.3g}"
            ax.set_xlabel(f"step {place}{number}", fontsize=7.5, labelpad=2)
    return made


def picture_rows(figure: PictureRows) -> Figure:
    """The rows below each other; long rows are continued in another block."""
    import matplotlib
    from matplotlib.figure import Figure as Made

    count = len(next(iter(figure.rows.values())))
    blocks = [slice(begin, begin + ACROSS) for begin in range(0, count, ACROSS)]
    with matplotlib.rc_context({"figure.constrained_layout.use": False}):  # the margins are set below
        made = Made(figsize=(10.8, 0.8 * len(blocks) * len(figure.rows)))
    axes = made.subplots(len(blocks), 1)
    made.subplots_adjust(left=0.12, right=1, top=0.99, bottom=0.01, hspace=0.08)
    for block, ax in zip(blocks, np.ravel(axes), strict=True):
        lines = [np.concatenate(list(pictures[block]), 1) for pictures in figure.rows.values()]
        height = len(lines[0])
        ax.imshow(np.concatenate(lines), interpolation="nearest")
        ax.set_yticks([(i + 0.5) * height - 0.5 for i in range(len(lines))], list(figure.rows))
        ax.set_xticks([])
        ax.tick_params(length=0)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
    return made


def write_film(figure: EpisodeFrames, path: Path) -> None:
    """The episodes side by side as a GIF, as long as the longest; a shorter one stays at its last frame."""
    from PIL import Image

    tiles = {label: [_tile(frame) for frame in frames] for label, frames in figure.rows.items()}
    longest = max(map(len, tiles.values()))
    height = max(tile.shape[0] for films in tiles.values() for tile in films[:1])
    pictures = []
    for t in range(longest):
        parts = []
        for films in tiles.values():
            tile = films[min(t, len(films) - 1)]
            framed = np.full((height, tile.shape[1] + GAP, 3), 255, np.uint8)
            framed[: len(tile), : tile.shape[1]] = tile
            parts.append(framed)
        pictures.append(Image.fromarray(np.concatenate(parts, 1)[:, :-GAP]).quantize(128, dither=Image.Dither.NONE))
    durations = [MILLISECONDS] * (longest - 1) + [PAUSE]
    more = {"save_all": True, "append_images": pictures[1:], "duration": durations, "loop": 0}
    archive.write_made(path, lambda file: pictures[0].save(file, "GIF", **more))


def _tile(frame: np.ndarray) -> np.ndarray:
    """A frame, enlarged by a whole factor."""
    times = max(1, TILE // max(frame.shape[:2]))
    return frame.repeat(times, 0).repeat(times, 1)


def embedding(figure: Embedding) -> Figure:
    """The points twice: coloured by their groups, and by their values."""
    from matplotlib.figure import Figure as Made

    made = Made(figsize=(10.8, 4.6))
    by_group, by_value = made.subplots(1, 2, sharex=True, sharey=True)
    size, markers = 11, "o^sDvP"
    for i, (label, points) in enumerate(figure.points.items()):
        by_group.scatter(
            *points.T, s=size, color=COLOURS[i % len(COLOURS)], marker=markers[i % 6], alpha=0.7, label=label
        )
        shade = by_value.scatter(
            *points.T, s=size, c=figure.values[label], cmap="viridis", vmin=0, vmax=1, marker=markers[i % 6], alpha=0.8
        )
    by_group.legend(fontsize=8, loc="best", frameon=True)
    made.colorbar(shade, ax=by_value, label=figure.value_name)
    for ax in (by_group, by_value):
        ax.set(xlabel=figure.axes[0], ylabel=figure.axes[1])
    return made


def curves(figure: MetricCurves, rows: list[dict[str, str]]) -> Figure | None:
    """The metrics over the timesteps; None where the training logged none of them."""
    from matplotlib.figure import Figure as Made

    made = Made(figsize=(10.8, 3.2))
    ax = made.subplots()
    found = False
    for i, (column, label) in enumerate(figure.columns.items()):
        points = [(float(row[STEPS]), float(row[column])) for row in rows if row.get(column) and row.get(STEPS)]
        if points:
            x, y = zip(*points, strict=True)
            ax.plot(
                x, smooth(list(y)) if len(y) > 60 else y, color=COLOURS[i % len(COLOURS)], linewidth=1.8, label=label
            )
            found = True
    for label, value in figure.marks.items():
        ax.axhline(value, color=GREY, linewidth=1.2, linestyle="--", label=label)
    if not found:
        return None
    ax.set_xlabel("timesteps")
    ax.legend(fontsize=8.5)
    return made


def line_plot(figure: LinePlot) -> Figure:
    """The lines in one plot."""
    from matplotlib.figure import Figure as Made
    from matplotlib.ticker import MaxNLocator

    made = Made(figsize=(10.8, 3.2))
    ax = made.subplots()
    for i, (label, (x, y)) in enumerate(figure.series.items()):
        marker = "o" if len(x) < 20 else ""
        ax.plot(x, y, color=COLOURS[i % len(COLOURS)], linewidth=1.8, marker=marker, markersize=4, label=label)
    for place in figure.marks:
        ax.axvline(place, color=GREY, linewidth=1.2, linestyle="--")
    ax.set(xlabel=figure.axes[0], ylabel=figure.axes[1])
    if figure.counts:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(figure.series) > 1:
        ax.legend(fontsize=8.5)
    return made


def surface(figure: Surface) -> Figure:
    """Contour lines, evenly spaced in the values' ranks, so that steep parts do not hide flat ones."""
    from matplotlib.figure import Figure as Made

    made = Made(figsize=(7.2, 4.6))
    ax = made.subplots()
    finite = figure.values[np.isfinite(figure.values)]
    levels = np.unique(np.quantile(finite, np.linspace(0, 1, 15)))
    if len(levels) > 1:
        shade = ax.contourf(figure.x, figure.y, figure.values, levels, cmap="viridis")
        made.colorbar(shade, ax=ax)
    for label, (x, y) in figure.points.items():
        ax.plot(x, y, "o", color="white", markeredgecolor="#1a202c")
        ax.annotate(label, (x, y), xytext=(6, 6), textcoords="offset points", color="white", fontsize=9)
    ax.set(xlabel=figure.axes[0], ylabel=figure.axes[1])
    ax.grid(visible=False)
    return made
