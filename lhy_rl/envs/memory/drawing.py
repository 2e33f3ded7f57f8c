"""Pictures of coloured squares, (H, W, 3) uint8, for ``render_mode="rgb_array"``."""

from __future__ import annotations

import math

import numpy as np

SIDE = 400
"""Pictures are SIDE x SIDE: whole blocks of 16, so that every video codec takes them."""

GRID = 272
"""Height of the part of the picture that holds the grid."""

BACKGROUND, EMPTY, WHITE = (24, 24, 28), (52, 52, 58), (255, 255, 255)
RIGHT, WRONG = (70, 200, 90), (225, 60, 60)

PALETTE = np.array(
    [
        (86, 180, 233),
        (230, 159, 0),
        (0, 158, 115),
        (204, 121, 167),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (170, 170, 170),
    ],
    np.uint8,
)
"""Colours that colour-blind people tell apart (Okabe and Ito 2008), and grey."""

Colour = tuple[int, int, int] | np.ndarray


def palette(n: int) -> np.ndarray:
    """(n, 3) colours; from the ninth on they come again, darker."""
    index = np.arange(n)
    colours: np.ndarray = (PALETTE[index % 8] * 0.7 ** (index[:, None] // 8)).astype(np.uint8)
    return colours


def blank(colour: Colour = BACKGROUND) -> np.ndarray:
    """An empty picture, (SIDE, SIDE, 3)."""
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def square(picture: np.ndarray, top: int, left: int, side: int, colour: Colour, frame: Colour | None = None) -> None:
    """Draw a square, with a frame if one is given, into the picture."""
    if frame is not None:
        picture[top : top + side, left : left + side] = frame
        edge = max(2, side // 8)
        top, left, side = top + edge, left + edge, side - 2 * edge
    picture[top : top + side, left : left + side] = colour


def grid(picture: np.ndarray, colours: np.ndarray, shown: int) -> None:
    """Draw (L, 3) colours in reading order into the upper part; the last shown is framed, those behind it are empty."""
    columns = math.ceil(math.sqrt(len(colours) * SIDE / GRID))
    rows = math.ceil(len(colours) / columns)
    pitch = min(SIDE // columns, GRID // rows, 64)
    left = (SIDE - pitch * columns) // 2
    for i, colour in enumerate(colours):
        row, column = divmod(i, columns)
        frame = WHITE if i == shown - 1 else None
        place = (row * pitch + 1, left + column * pitch + 1)
        square(picture, *place, pitch - 2, colour if i < shown else EMPTY, frame)


def enlarged(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) to (SIDE, SIDE, 3), each pixel a block, in the middle."""
    height, width = picture.shape[:2]
    scale = SIDE // max(height, width)
    if scale == 0:  # larger than the picture: every so many-th pixel
        stride = math.ceil(max(height, width) / SIDE)
        return enlarged(picture[::stride, ::stride])
    result = blank()
    top, left = (SIDE - scale * height) // 2, (SIDE - scale * width) // 2
    block = picture.repeat(scale, 0).repeat(scale, 1)
    result[top : top + scale * height, left : left + scale * width] = block
    return result
