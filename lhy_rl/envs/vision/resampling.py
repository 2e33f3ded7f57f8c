"""Shapes turned, scaled and moved in one step."""

from __future__ import annotations

import numpy as np


def resampled(shapes: np.ndarray, side: int, angle: np.ndarray, size: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Shapes on a canvas of another size, with linear interpolation between their pixels.

    Args:
        shapes: (N, S, S), 0 where there is nothing.
        side: Side of the canvas, in pixels.
        angle: (N,) rotation in radians, clockwise.
        size: (N,) scale factors.
        centre: (2, N) row and column of each shape's middle on the canvas.

    Returns:
        (N, side, side) float32.
    """
    n, old = len(shapes), shapes.shape[1]
    wide = old + 2  # with a border of one pixel for the interpolation
    padded = np.pad(shapes, ((0, 0), (1, 1), (1, 1))).astype(np.float32, copy=False).ravel()
    places = np.arange(side)
    down, right = places[:, None] - centre[0][:, None, None], places - centre[1][:, None, None]
    cosine, sine = ((f(angle) / size)[:, None, None] for f in (np.cos, np.sin))
    y = np.clip(cosine * down - sine * right + (old + 1) / 2, 0, old + 0.999)
    x = np.clip(sine * down + cosine * right + (old + 1) / 2, 0, old + 0.999)
    top, left = y.astype(np.int64), x.astype(np.int64)
    y, x = (y - top).astype(np.float32), (x - left).astype(np.float32)
    first = top * wide + left + (np.arange(n) * wide**2)[:, None, None]
    upper = padded.take(first) * (1 - x) + padded.take(first + 1) * x
    lower = padded.take(first + wide) * (1 - x) + padded.take(first + wide + 1) * x
    result: np.ndarray = upper * (1 - y) + lower * y
    return result
