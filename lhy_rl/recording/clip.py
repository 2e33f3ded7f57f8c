"""The film of a report: one episode of the policy, short and small enough to be a part of a page."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from lhy_rl.experiment.text_evaluation import SEED
from lhy_rl.recording import frames, play, video

if TYPE_CHECKING:
    from lhy_rl.experiment.run import Run

MOST, WIDTH, BYTES = 80, 360, 800_000  # frames, pixels, and what the file may have
SECONDS = 5.0  # of drawing; what comes later of a slow picture is left out, but for the end
SMOOTH = 6  # frames for a second of the environment's, at least: else nobody sees what moves
LONGEST, SHORTEST, LAST = 12.0, 0.04, 1.5  # seconds of the film, of a frame, and of its last frame


class Clip:
    """Frames of an episode of unknown length: evenly spaced, and never too many.

    Where there are too many, every second one is dropped and from then on every second one taken. Where they would
    be too far apart, or are too slow to draw, the rest of the episode is left out, but for its end.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self.images: list[np.ndarray] = []
        self.frames, self.seconds = 0, 0.0
        self.stride, self._seen, self._full = max(1, int(fps * SHORTEST)), 0, False
        self._drawing = 0.0

    def add(self, draw: Callable[[], np.ndarray], repeat: int = 1) -> None:
        """A frame, see :class:`lhy_rl.recording.video.Film`; a repeated one is the last."""
        last = repeat > 1
        if last or (not self._full and self._seen % self.stride == 0):
            begun = time.monotonic()
            self.images.append(draw())
            self._drawing += time.monotonic() - begun
            self._thin()
        self._seen += 1
        self.frames = len(self.images)

    def _thin(self) -> None:
        if len(self.images) > MOST and 2 * self.stride * SMOOTH <= self.fps:
            self.images, self.stride = self.images[::2], 2 * self.stride
        self._full |= len(self.images) > MOST or self._drawing > SECONDS

    def gif(self) -> bytes:
        """The film, as the bytes of a file."""
        images, each = self.images, self.stride / self.fps
        while True:
            each = min(max(each, SHORTEST), (LONGEST - LAST) / max(len(images) - 1, 1))
            durations = [round(1000 * each)] * (len(images) - 1) + [round(1000 * LAST)]
            written = io.BytesIO()
            video.write_gif([video.reduced(image, quick=True) for image in images], durations, written)
            self.seconds = sum(durations) / 1000
            if written.tell() <= BYTES or len(images) < 8:
                return written.getvalue()
            images, each = [*images[:-1:2], images[-1]], 2 * each


def record(run: Run) -> Clip:
    """Film an episode of the run's policy as it is.

    Raises:
        UserError: its environment cannot be filmed.
        Exception: whatever the environment's renderer raises.
    """
    env = play.make_environment(run.config, filmed=True)
    clip, name = Clip(float(env.metadata.get("render_fps") or 30)), run.evaluator.newest

    def show(step: int, total: float, last: bool) -> None:
        clip.add(lambda: frames.frame(frames.render(env), name, step, total, WIDTH), 2 if last else 1)

    try:
        play.episode(run.agent, env, SEED, stochastic=False, show=show)
    finally:
        env.close()
    return clip
