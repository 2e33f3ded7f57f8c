"""What an agent may hand to the report of its run: data with a title, of which the report makes pictures.

An agent with a method ``report_figures`` (:class:`Illustrated`) is asked for them when its run has ended, and whenever
the report is written anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True, kw_only=True)
class ReportFigure:
    """Attributes:
    title: Heading of its section.
    caption: What is to be known to read it.
    first: Whether the page begins with it, before the film of an episode and the results.
    """

    title: str
    caption: str
    first: bool = False


@dataclass(frozen=True, kw_only=True)
class EpisodeFrames(ReportFigure):
    """Episodes, one a row, from its first frame to its last; and side by side as a film.

    Attributes:
        rows: Label to frames (L, H, W, 3) uint8.
        values: Label to (L,) a number that is written below a frame; nan: none is.
    """

    rows: dict[str, np.ndarray]
    values: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PictureRows(ReportFigure):
    """Pictures in rows, of which those of a column belong together.

    Attributes:
        rows: Label to pictures (N, H, W, 3) uint8, as many in each row.
    """

    rows: dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Embedding(ReportFigure):
    """Points in a plane, coloured by their group, and beside it by a value.

    Attributes:
        points: Group to (N, 2).
        values: Group to (N,) from 0 to 1.
        value_name: What the values are.
        axes: What the two axes are.
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
        marks: Label to a value that is drawn as a line across: chance, say.
    """

    columns: dict[str, str]
    marks: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LinePlot(ReportFigure):
    """Values over places, a line each.

    Attributes:
        series: Label to places (N,) and values (N,).
        axes: What the two axes are.
        marks: Places at which a line is drawn across all values.
        counts: Whether places are numbers of things: the axis has whole ones only.
    """

    series: dict[str, tuple[np.ndarray, np.ndarray]]
    axes: tuple[str, str]
    marks: tuple[float, ...] = ()
    counts: bool = False


@dataclass(frozen=True, kw_only=True)
class Surface(ReportFigure):
    """A value over a plane, as lines of equal value.

    Attributes:
        values: (Y, X).
        x, y: (X,) and (Y,) places.
        axes: What the two axes are.
        points: Label to a place (x, y) that is marked.
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
        """The figures of the agent as it is; nothing of it changes.

        Raises:
            UserError: what they need is not there; the report says so in one line.
        """
        ...


def principal_plane(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, F) in the plane in which they vary most: their first two principal components.

    Returns:
        (N, 2) coordinates, and (2,) the shares of the variance that they have.
    """
    centred = points - points.mean(0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    total = float((singular**2).sum())
    shares = singular[:2] ** 2 / total if total > 0 else np.zeros(2)
    return left[:, :2] * singular[:2], shares
