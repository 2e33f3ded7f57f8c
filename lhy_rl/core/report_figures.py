"""Figures that an agent may add to the report of its run: data with a title, which the report plots.

The method ``report_figures`` of an agent (:class:`Illustrated`) is called at the end of its run, and whenever the
report is written again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True, kw_only=True)
class ReportFigure:
    """Attributes:
    title: Heading of its section.
    caption: Explanation of the figure.
    first: Whether it is at the top of the page, before the film of an episode and the results.
    """

    title: str
    caption: str
    first: bool = False


@dataclass(frozen=True, kw_only=True)
class EpisodeFrames(ReportFigure):
    """Frames of episodes, a row for each, from the first to the last; and side by side as a film.

    Attributes:
        rows: Label to frames (L, H, W, 3) uint8.
        values: Label to (L,) numbers that are written below the frames; none for nan.
    """

    rows: dict[str, np.ndarray]
    values: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PictureRows(ReportFigure):
    """Rows of pictures, in which the pictures of a column belong together.

    Attributes:
        rows: Label to pictures (N, H, W, 3) uint8, equally many in each row.
    """

    rows: dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Embedding(ReportFigure):
    """Two scatter plots of points in a plane, coloured by group and by a value.

    Attributes:
        points: Group to (N, 2).
        values: Group to (N,) from 0 to 1.
        value_name: Name of the values.
        axes: Labels of the two axes.
    """

    points: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    value_name: str
    axes: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class MetricCurves(ReportFigure):
    """Metrics of the training in one plot.

    Attributes:
        columns: Column of ``metrics.csv`` to its label.
        marks: Label to a value that is drawn as a horizontal line, such as chance level.
    """

    columns: dict[str, str]
    marks: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LinePlot(ReportFigure):
    """A line plot of several series.

    Attributes:
        series: Label to x (N,) and y (N,).
        axes: Labels of the two axes.
        marks: x at which a vertical line is drawn.
        counts: Whether x are counts, so that the axis has integer ticks only.
    """

    series: dict[str, tuple[np.ndarray, np.ndarray]]
    axes: tuple[str, str]
    marks: tuple[float, ...] = ()
    counts: bool = False


@dataclass(frozen=True, kw_only=True)
class Surface(ReportFigure):
    """A contour plot of a value over a plane.

    Attributes:
        values: (Y, X).
        x, y: (X,) and (Y,) coordinates.
        axes: Labels of the two axes.
        points: Label to a point (x, y) that is marked.
    """

    values: np.ndarray
    x: np.ndarray
    y: np.ndarray
    axes: tuple[str, str]
    points: dict[str, tuple[float, float]] = field(default_factory=dict)


@runtime_checkable
class Illustrated(Protocol):
    """An agent that has figures for the report."""

    def report_figures(self) -> list[ReportFigure]:
        """The figures of the agent in its current state, which is not changed.

        Raises:
            UserError: Something that they need is missing; the report then shows this line.
        """
        ...


def principal_plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Project points (N, F) to their first two principal components.

    Returns:
        (N, 2) coordinates, and (2,) the explained shares of the variance.
    """
    centred = points - points.mean(0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    total = float((singular**2).sum())
    shares = singular[:2] ** 2 / total if total > 0 else np.zeros(2)
    return left[:, :2] * singular[:2], shares
