"""An activation function as a picture: its two unary functions as they are chosen, and the whole function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from lhy_rl.envs import drawing

REACH = 4.0  # x and y from -REACH to REACH
LEFT, TOP, PANEL = 40, 66, 320  # pixels
THICK = (2, 2, 5)  # pixels of the lines


def activation_frame(curves: Sequence[Callable[[Tensor], Tensor]], text: str) -> np.ndarray:
    """Draw up to three functions, the last of three in front and thick.

    Args:
        curves: Elementwise functions.
        text: A line above them.

    Returns:
        (400, 400, 3) bytes.
    """
    picture = drawing.blank()
    picture[TOP : TOP + PANEL, LEFT : LEFT + PANEL] = drawing.EMPTY
    panel = picture[TOP : TOP + PANEL, LEFT : LEFT + PANEL]
    panel[PANEL // 2], panel[:, PANEL // 2] = drawing.BACKGROUND, drawing.BACKGROUND  # the axes
    x = torch.linspace(-REACH, REACH, PANEL + 1, dtype=torch.float64)
    colours = [*drawing.PALETTE[:2], drawing.WHITE]
    for curve, colour, thick in zip(curves, colours, THICK, strict=False):
        y = curve(x).clamp(-4 * REACH, 4 * REACH).numpy()
        rows = np.round((REACH - y) / (2 * REACH) * PANEL).astype(int)
        for column in range(PANEL):  # upright strokes from one place to the next
            low, high = sorted((rows[column], rows[column + 1]))
            low, high = np.clip((low - thick // 2, high + (thick + 1) // 2), 0, PANEL)
            panel[low:high, max(0, column - thick // 2) : column + (thick + 1) // 2] = colour
    drawing.label(picture, text, 22, drawing.SIDE // 2, 18)
    return picture
