"""Points in a plane as a picture, without a plotting library."""

from __future__ import annotations

import numpy as np

Colour = tuple[int, int, int]


def draw_points(picture: np.ndarray, points: np.ndarray, bound: float, colour: Colour, size: int = 1) -> None:
    """Draw points into a picture (H, W, 3) uint8, as squares; points outside it are left out.

    Args:
        points: (N, 2), x to the right and y upward.
        bound: The picture shows x and y from -bound to bound.
        size: Side of a square in pixels.
    """
    height, width = picture.shape[:2]
    with np.errstate(invalid="ignore"):
        columns = np.floor((points[:, 0] + bound) / (2 * bound) * width)
        rows = np.floor((bound - points[:, 1]) / (2 * bound) * height)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    columns, rows = (places[inside].astype(np.int64) for places in (columns, rows))
    for down in range(size):
        for right in range(size):
            y, x = rows + down - size // 2, columns + right - size // 2
            picture[y.clip(0, height - 1), x.clip(0, width - 1)] = colour
