"""Convex hulls of points in the plane, many at once."""

from __future__ import annotations

import numpy as np


def hull_successors(points: np.ndarray) -> np.ndarray:
    """(B, n, 2) points to (B, n): the vertex that follows each vertex of the hull counter-clockwise; -1 inside it.

    The hull has an edge from i to j if all other points lie to the left of the line from i to j.
    """
    p = points.astype(np.float64)
    way = p[:, None] - p[:, :, None]  # (B, i, j, 2), from i to j
    left = way[:, :, :, None, 0] * way[:, :, None, :, 1] - way[:, :, :, None, 1] * way[:, :, None, :, 0]  # (B, i, j, k)
    n = p.shape[1]
    itself = np.eye(n, dtype=bool)
    edge = ((left > 0) | itself[:, None] | itself[None]).all(-1) & ~itself  # k is i or j
    successor: np.ndarray = np.where(edge.any(-1), edge.argmax(-1), -1)
    return successor


def hull_order(points: np.ndarray) -> list[np.ndarray]:
    """The vertices of each hull, counter-clockwise from the lowest point."""
    found = []
    for successor, lowest in zip(hull_successors(points), points[..., 1].argmin(1), strict=True):
        order = [lowest]
        while (following := successor[order[-1]]) != lowest:
            order.append(following)
        found.append(np.array(order))
    return found
