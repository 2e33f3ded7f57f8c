"""A training as a picture: the chosen learning rates and the validation loss."""

from __future__ import annotations

import numpy as np

from lhy_rl.envs import drawing

LOWEST, HIGHEST = 0.002, 3.0  # learning rates at the bottom and the top of their panel
PANEL = 130  # pixels, its height
LEFT, RIGHT = 30, drawing.SIDE - 30
TOPS = (50, 240)  # of the two panels
MOST = 2.5  # nats at the top of the losses' panel


def schedule_frame(rates: np.ndarray, losses: np.ndarray, decisions: int) -> np.ndarray:
    """Draw a training.

    Args:
        rates: (t,) learning rates so far.
        losses: (t + 1,) validation losses, nats.
        decisions: T, number of decisions of the whole training.

    Returns:
        (400, 400, 3) bytes.
    """
    picture = drawing.blank()
    pitch = (RIGHT - LEFT) / (decisions + 1)
    heights = np.log(rates / LOWEST) / np.log(HIGHEST / LOWEST)
    blue, orange = drawing.PALETTE[:2]
    for top, values, colour, first in (
        (TOPS[0], heights, blue, 1),
        (TOPS[1], np.minimum(losses / MOST, 1.0), orange, 0),
    ):
        picture[top : top + PANEL, LEFT:RIGHT] = drawing.EMPTY
        for column, value in enumerate(values.tolist(), first):
            left = LEFT + round(column * pitch)
            tall = max(2, round(value * PANEL))
            picture[top + PANEL - tall : top + PANEL, left : left + max(2, round(0.8 * pitch))] = colour
    rate = f"learning rate {rates[-1]:.3g}" if len(rates) else "no learning rate chosen"
    drawing.label(picture, rate, TOPS[0] - 28, drawing.SIDE // 2)
    drawing.label(picture, f"validation loss {losses[-1]:.3f}", TOPS[1] - 28, drawing.SIDE // 2)
    return picture
