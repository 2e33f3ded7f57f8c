"""Figures of samples for the report: real and generated ones side by side, and a film over the training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from lhy_rl.agents.generative.sample_data import SampleData
from lhy_rl.core.point_pictures import draw_points
from lhy_rl.core.report_figures import EpisodeFrames, PictureRows, ReportFigure
from lhy_rl.core.trees import map_tree
from lhy_rl.nn.generative.sample_space import SampleSpace

PICTURES = 24  # in a row
IN_A_FRAME, POINTS = 24, 512  # pictures in a frame of the film, or points
ACROSS = 6  # pictures side by side in a frame
SIDE = 150  # pixels of a frame of points
WIDE = 320  # pixels up to which a frame of pictures is enlarged
REAL, GENERATED, GROUND = (205, 208, 214), (0, 90, 170), (255, 255, 255)


class Film:
    """Samples from the same noise and conditions, at equal intervals over the training.

    Args:
        space: Space of the samples.
        length: Number of frames; none are taken if the samples are neither pictures nor points in a plane.

    Attributes:
        frames: (F, N, ...) samples: bytes of pictures, or coordinates of points.
    """

    def __init__(self, space: SampleSpace, length: int) -> None:
        self.space, self.length = space, length if looks_like_pictures(space) or is_plane(space) else 0
        self.clear()

    @property
    def size(self) -> int:
        """N, number of samples in a frame."""
        return IN_A_FRAME if looks_like_pictures(self.space) else POINTS

    def clear(self) -> None:
        """Drop all frames."""
        self.frames = np.zeros((0, *self._shape), np.uint8 if looks_like_pictures(self.space) else np.float32)

    @property
    def _shape(self) -> tuple[int, ...]:
        return (self.size, *self.space.box.shape)

    def record(self, share: float, draw: Callable[[int], np.ndarray]) -> None:
        """Take a frame if one is due.

        Args:
            share: Share of the training that is done, from 0 to 1.
            draw: Maps a number to that many samples, from the same noise and conditions at every call.
        """
        if len(self.frames) < min(self.length, 1 + int((self.length - 1) * share + 1e-9)):
            drawn = draw(self.size)
            frame = self.space.as_bytes(drawn) if looks_like_pictures(self.space) else drawn
            self.frames = np.concatenate([self.frames, frame[None].astype(self.frames.dtype)])

    def load(self, frames: np.ndarray) -> None:
        """Continue with frames that were taken before.

        Raises:
            ValueError: their samples have another shape or type.
        """
        if frames.shape[1:] != self._shape or frames.dtype != self.frames.dtype:
            raise ValueError(f"film has shape {frames.shape}, not (frames, {', '.join(map(str, self._shape))})")
        self.frames = frames

    def figures(self, real: np.ndarray | None = None) -> list[ReportFigure]:
        """The film; for points beside real ones (N, 2)."""
        if len(self.frames) < 2:
            return []
        if looks_like_pictures(self.space):
            rows = {"generated": np.stack([enlarged(mosaic(frame)) for frame in self.frames])}
        else:
            real = np.zeros((0, 2)) if real is None else real[: self.size]
            rows = {
                "real": np.stack([self.points(real)] * len(self.frames)),
                "generated": np.stack([self.points(frame, real) for frame in self.frames]),
            }
        caption = "Samples of the same noise, from the beginning of the training to its end."
        return [EpisodeFrames(title="How samples became so", caption=caption, rows=rows, first=True)]

    def points(self, points: np.ndarray, behind: np.ndarray | None = None) -> np.ndarray:
        """Draw points as a picture, with real ones in grey behind them."""
        bound = max(abs(self.space.low), abs(self.space.high))
        picture = np.full((SIDE, SIDE, 3), GROUND, np.uint8)
        if behind is not None:
            draw_points(picture, behind, bound, REAL, 3)
        draw_points(picture, points, bound, GENERATED, 1)
        return picture


def looks_like_pictures(space: SampleSpace) -> bool:
    """Whether samples can be shown as pictures: (H, W, C) with one or three channels, bounded."""
    shape = space.box.shape
    return len(shape) == 3 and shape[2] in (1, 3) and bool(np.isfinite(space.box.low).all())


def is_plane(space: SampleSpace) -> bool:
    """Whether samples are points in a plane."""
    return space.box.shape == (2,)


def mosaic(pictures: np.ndarray) -> np.ndarray:
    """Tile (N, H, W, C) bytes into one picture, a pixel apart."""
    n, height, width, _ = pictures.shape
    down = math.ceil(n / ACROSS)
    whole = np.full((down * (height + 1) - 1, ACROSS * (width + 1) - 1, 3), 90, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = i // ACROSS * (height + 1), i % ACROSS * (width + 1)
        whole[top : top + height, left : left + width] = picture
    return whole


def enlarged(picture: np.ndarray) -> np.ndarray:
    """Enlarge a picture (H, W, 3) by a whole number."""
    times = max(1, WIDE // picture.shape[1])
    return picture.repeat(times, 0).repeat(times, 1)


def coloured(pictures: np.ndarray) -> np.ndarray:
    """(N, H, W, C) bytes with three channels."""
    return np.ascontiguousarray(np.broadcast_to(pictures, (*pictures.shape[:3], 3)))


def nearest_of(drawn: np.ndarray, real: np.ndarray) -> np.ndarray:
    """(N, ...) the real pictures nearest to the drawn ones (N, ...), by squared distance."""
    a, b = (pictures.reshape(len(pictures), -1).astype(np.float32) for pictures in (drawn, real))
    nearest: np.ndarray = real[((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T).argmin(1)]
    return nearest


def held_out(test: SampleData, n: int) -> tuple[np.ndarray, Any]:
    """The first n samples of a split, in the task's format, and their conditions."""
    return test.stored[:n], map_tree(lambda x: x[:n], test.stored_conditions)


def compared(space: SampleSpace, rows: dict[str, np.ndarray]) -> list[ReportFigure]:
    """A figure with rows of samples; none if they are not pictures."""
    if not looks_like_pictures(space):
        return []
    caption = "Real pictures that nothing was learned from and, below each, one that the policy draws of the same "
    return [
        PictureRows(
            title="Real and generated",
            caption=f"{caption}condition, or of nothing.",
            rows={label: coloured(space.as_bytes(pictures)) for label, pictures in rows.items()},
            first=True,
        )
    ]
