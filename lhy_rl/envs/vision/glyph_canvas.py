"""Handwritten digits on a larger canvas: shifted, turned, scaled, among pieces of others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.envs.vision.resampling import resampled

PIECE = 6  # pixels of a side of a piece of clutter
CORE = 0.85  # share of a digit's side that lies on the canvas wherever it is put


@dataclass(frozen=True)
class Distortion:
    """How digits of 28 x 28 pixels are put on a canvas.

    Args:
        side: Side of the canvas, in pixels.
        turn: Degrees by which a digit is turned, at most.
        sizes: Smallest and largest size, as shares of 28 pixels.
        shift: Range of positions, from 1, anywhere on the canvas, to 0, in its middle.
        clutter: Pieces of other digits, 6 x 6 pixels each.

    Raises:
        UserError: a number out of range, or a digit larger than the canvas.
    """

    side: int = 40
    turn: float = 45.0
    sizes: tuple[float, float] = (0.5, 0.8)
    shift: float = 1.0
    clutter: int = 0

    def __post_init__(self) -> None:
        validation.integer("side", self.side, 16, 96)
        validation.check(turn=(self.turn, 0, 180))
        validation.share("shift", self.shift)
        validation.integer("clutter", self.clutter, 0, 100)
        if len(self.sizes) != 2 or not 0.25 <= self.sizes[0] <= self.sizes[1] <= self.side / 28:
            raise UserError(
                f"sizes={self.sizes!r} is not allowed; must be two numbers, the smallest at least 0.25 and the "
                f"largest at most side / 28, {self.side / 28:.3g}"
            )

    def canvases(self, digits: np.ndarray, pieces: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Put digits on canvases, each with its own random distortion.

        Args:
            digits: (N, 28, 28) from 0 to 1.
            pieces: (M, 28, 28) digits from which clutter is cut.
            rng: Draws everything.

        Returns:
            (N, side, side) float32 from 0 to 1, and (2, N) row and column of the digits' middles.
        """
        n, whole = len(digits), digits.shape[1]
        size = rng.uniform(*self.sizes, n)
        free = np.maximum(0, self.side - 1 - CORE * whole * size)  # range of a digit's middle, in pixels
        centre = (self.side - 1) / 2 + self.shift * free * (rng.random((2, n)) - 0.5)
        angle = np.radians(rng.uniform(-self.turn, self.turn, n))
        canvas = resampled(digits, self.side, angle, size, centre)
        window, rows = np.arange(PIECE), np.arange(n)[:, None, None]
        for _ in range(self.clutter):
            which = rng.integers(len(pieces), size=(n, 1, 1))
            (top, left), (y, x) = rng.integers(4, 24 - PIECE, (2, n)), rng.integers(self.side - PIECE + 1, size=(2, n))
            piece = pieces[which, top[:, None, None] + window[:, None], left[:, None, None] + window]
            place = rows, y[:, None, None] + window[:, None], x[:, None, None] + window
            canvas[place] = np.maximum(canvas[place], piece)
        return canvas, centre
