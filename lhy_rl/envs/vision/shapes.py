"""Coloured shapes in small square patches, of a whole batch at once; shared by the tasks of drawn scenes.

A shape is given by its signed distance, in pixels: below 0 inside, above outside. A pixel is covered by
clip(1/2 - distance, 0, 1), so that edges are smooth, and it is on the edge by clip(1 - |distance|, 0, 1).
"""

from __future__ import annotations

import numpy as np

SHAPES = ("circle", "square", "triangle", "cross", "ring")
COLOURS = ("red", "green", "blue", "yellow", "purple", "white")
RGB = np.array(
    [(230, 80, 75), (80, 190, 95), (90, 120, 240), (240, 215, 85), (170, 95, 215), (240, 240, 240)], np.float32
)
"""(6, 3) of the colours, from 0 to 255."""
PATCH = 8
"""Pixels of a side of a patch, which one shape fits into."""
SHIFT, RADII = 0.6, (2.6, 3.3)
"""Greatest shift of a shape from its patch's middle, and range of its radius, in pixels."""
LIGHT, TINT = (0.75, 1.05), 10.0
"""Range of the factor of a shape's colour, and standard deviation of the noise that is added to it."""
THICKNESS = 0.36
"""Half of the width of a cross's bars, over its radius."""


def distances(shapes: np.ndarray, centres: np.ndarray, radii: np.ndarray, side: int = PATCH) -> np.ndarray:
    """Signed distances of the pixels' middles, (N, side, side).

    Args:
        shapes: (N,) numbers of :data:`SHAPES`.
        centres: (N, 2) down and right, in pixels from the upper left corner.
        radii: (N,) pixels.
    """
    middle = np.arange(side) + 0.5
    down = (middle[None] - centres[:, :1])[:, :, None]  # (N, side, 1)
    right = (middle[None] - centres[:, 1:])[:, None, :]  # (N, 1, side)
    radius = radii[:, None, None]
    far, near = np.maximum(abs(down), abs(right)), np.minimum(abs(down), abs(right))
    length = np.sqrt(down**2 + right**2)
    of_each = (
        length - radius,
        far - 0.87 * radius,
        np.maximum(down - 0.8 * radius, 0.87 * abs(right) - 0.5 * (down + radius)),
        np.maximum(far - radius, near - THICKNESS * radius),
        abs(length - 0.72 * radius) - 0.3 * radius,
    )
    found: np.ndarray = np.choose(shapes[:, None, None], np.broadcast_arrays(*of_each))
    return found


def covered(distance: np.ndarray) -> np.ndarray:
    """Share of each pixel that a shape covers, from its signed distance."""
    share: np.ndarray = np.clip(0.5 - distance, 0, 1)
    return share


def outlined(distance: np.ndarray) -> np.ndarray:
    """How much each pixel is on a shape's edge, 0 to 1, from its signed distance."""
    share: np.ndarray = np.clip(1 - abs(distance), 0, 1)
    return share


def patches(shapes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N, 8, 8) the covered shares of shapes (N,), each with a random shift and size."""
    n = len(shapes)
    centres = PATCH / 2 + rng.uniform(-SHIFT, SHIFT, (n, 2))
    return covered(distances(shapes, centres, rng.uniform(*RADII, n)))


def on_grid(cells: np.ndarray, grid: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Shapes on grids of patches.

    Args:
        cells: (N, grid^2) in reading order: colour * 5 + shape, or -1 where there is nothing.
        grid: Patches of a side.

    Returns:
        (N, 8 grid, 8 grid) the covered shares, and (N, 8 grid, 8 grid, 3) the colour of each pixel's shape, with noise,
        0 to 255; 0 where there is none.
    """
    n, side = len(cells), PATCH * grid
    cover = np.zeros((n, grid * grid, PATCH, PATCH), np.float32)
    colour = np.zeros((n, grid * grid, 3), np.float32)
    filled = cells >= 0
    hue, shapes = np.divmod(cells[filled], len(SHAPES))
    cover[filled] = patches(shapes, rng)
    colour[filled] = RGB[hue] * rng.uniform(*LIGHT, (len(hue), 1)) + rng.normal(0, TINT, (len(hue), 3))

    def arranged(by_cell: np.ndarray) -> np.ndarray:  # (N, grid^2, 8, 8, ...) to (N, 8 grid, 8 grid, ...)
        split = by_cell.reshape(n, grid, grid, PATCH, PATCH, *by_cell.shape[4:])
        return split.swapaxes(2, 3).reshape(n, side, side, *by_cell.shape[4:])

    whole = np.broadcast_to(colour[:, :, None, None], (n, grid * grid, PATCH, PATCH, 3))
    return arranged(cover), np.clip(arranged(whole), 0, 255)
