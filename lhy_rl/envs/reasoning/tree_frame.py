"""A picture of an expression: its tree, and below it the last answer."""

from __future__ import annotations

import numpy as np

from lhy_rl.envs import drawing

BOTTOM = 330  # the tree is drawn above
LEAF, NODE = (0, 96, 160), (110, 70, 20)


def tree_frame(table: np.ndarray, names: list[str], question: str, verdict: bool | None) -> np.ndarray:
    """Draw the picture.

    Args:
        table: (rows, 3) symbol, left and right child of each node.
        names: How each symbol is written.
        question: The line below the tree.
        verdict: Whether it was answered rightly; None before that.
    """
    from PIL import Image, ImageDraw

    places = _places(table)
    columns = max(x for x, _ in places.values()) + 1
    levels = max(y for _, y in places.values()) + 1
    step = drawing.SIDE / columns
    radius = max(5.0, min(18.0, 0.46 * step, 0.4 * BOTTOM / levels))
    letters = drawing.font(max(7, round(0.8 * radius)), "Sans-Bold")

    def centre(row: int) -> tuple[float, float]:
        x, y = places[row]
        return (x + 0.5) * step, radius + 8 + y * (BOTTOM - 2 * radius - 16) / max(1, levels - 1)

    image = Image.new("RGB", (drawing.SIDE, drawing.SIDE), drawing.BACKGROUND)
    draw = ImageDraw.Draw(image)
    for row in places:
        for child in table[row, 1:].tolist():
            if child >= 0:
                draw.line((centre(row), centre(child)), (140, 144, 152), 2)
    for row in places:
        (x, y), leaf = centre(row), table[row, 1] < 0
        frame = None if row or verdict is None else drawing.RIGHT if verdict else drawing.WRONG
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), LEAF if leaf else NODE, frame, 3)
        draw.text((x, y), names[table[row, 0]], drawing.WHITE, letters, anchor="mm")
    below = drawing.font(18, "Sans")
    draw.text((drawing.SIDE / 2, 366), question, (200, 205, 214), below, anchor="mm")
    return np.asarray(image)


def _places(table: np.ndarray) -> dict[int, tuple[float, int]]:
    """Row to column and level: leaves side by side, a parent in the middle above its children."""
    places: dict[int, tuple[float, int]] = {}
    leaves = 0

    def visit(row: int, level: int) -> float:
        nonlocal leaves
        below = [visit(child, level + 1) for child in table[row, 1:].tolist() if child >= 0]
        if not below:
            leaves += 1
        places[row] = (sum(below) / len(below) if below else leaves - 1, level)
        return places[row][0]

    visit(0, 0)
    return places
