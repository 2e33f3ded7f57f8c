"""Points in the unit square and the lines between them, as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lhy_rl.envs import drawing

LEFT, TOP, WIDTH = 36, 16, 328  # where the square is in the picture


def plane(
    points: np.ndarray, lines: Sequence[np.ndarray], first: np.ndarray, last: np.ndarray, caption: str
) -> np.ndarray:
    """A picture (400, 400, 3).

    Args:
        points: (n, 2) in the unit square.
        lines: (m, 2) corners of each line.
        first, last: Points that are highlighted: the first and the present one.
        caption: A line of text below.
    """
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (drawing.SIDE, drawing.SIDE), drawing.BACKGROUND)
    draw = ImageDraw.Draw(image)
    edge = (LEFT - 8, TOP - 8, LEFT + WIDTH + 8, TOP + WIDTH + 8)
    draw.rectangle(edge, outline=drawing.EMPTY)
    for line in lines:
        if len(line) > 1:
            draw.line([_pixel(point) for point in line], (86, 180, 233), 3, joint="curve")
    for group, radius, colour in ((points, 5, (170, 170, 170)), (first, 8, drawing.RIGHT), (last, 6, drawing.NOW)):
        for x, y in map(_pixel, group):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)
    picture = np.array(image)
    drawing.label(picture, caption, drawing.SIDE - 40, drawing.SIDE // 2)
    return picture


def _pixel(point: np.ndarray) -> tuple[float, float]:
    x, y = point
    return LEFT + WIDTH * float(x), TOP + WIDTH * (1 - float(y))
