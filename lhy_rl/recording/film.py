"""Films: frames written one by one to a GIF or an MP4, of which no incomplete file is left, and a report's clip."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.experiment.config import Config
from lhy_rl.recording import rendering
from lhy_rl.rollouts.evaluate_policy import SEED, play_episode

ENDINGS = (".gif", ".mp4")
# a report's clip: its largest number of frames, width in pixels, and size in bytes
MOST, WIDTH, BYTES = 80, 360, 800_000  # frames, pixels, bytes
SECONDS = 5.0  # of drawing; when drawing is slow, later frames except the last ones are left out
SMOOTH = 6  # least number of frames per second of the environment, so that motion can be followed
LONGEST, SHORTEST, LAST = 12.0, 0.04, 1.5  # seconds of the film, of a frame, and of its last frame
GIF_FPS = 50  # browsers slow faster ones down


class Film(Protocol):
    """An object to which frames can be added."""

    frames: int
    seconds: float

    def add(self, draw: Callable[[], np.ndarray], repeat: int = 1) -> None:
        """Add one more frame, shown ``repeat`` times as long; ``draw`` is called for its (H, W, 3) bytes if the frame
        is used."""
        ...


class GIF:
    """Frames with palettes of their own, kept until the end: a GIF stores the changes between them."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.fps = path, fps
        self.stride = max(1, -(-int(fps) // GIF_FPS))  # of faster films only every stride-th frame is kept
        self.frames, self.seconds, self._steps = 0, 0.0, 0
        self._images: list[Any] = []
        self._durations: list[int] = []

    def add(self, draw: Callable[[], np.ndarray], repeat: int = 1) -> None:
        self._steps += 1
        if repeat == 1 and self._steps % self.stride != 1 % self.stride:
            return
        self._images.append(reduced(draw()))
        self._durations.append(round(1000 * repeat * self.stride / self.fps))
        self.frames, self.seconds = self.frames + 1, sum(self._durations) / 1000

    def close(self) -> None:
        """Write the file."""
        write_gif(self._images, self._durations, self.path)

    def abandon(self) -> None:
        """Do nothing, since no file is open."""


class MP4:
    """Frames piped to ffmpeg one by one (H.264)."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.fps = path, fps
        self.frames, self.seconds = 0, 0.0
        self._writer: Any = None

    def add(self, draw: Callable[[], np.ndarray], repeat: int = 1) -> None:
        frame = draw()
        odd = [(0, side % 2) for side in frame.shape[:2]]  # H.264 needs even sides
        frame = np.ascontiguousarray(np.pad(frame, [*odd, (0, 0)], mode="edge"))
        if self._writer is None:
            import imageio_ffmpeg

            size = (frame.shape[1], frame.shape[0])
            self._writer = imageio_ffmpeg.write_frames(
                self.path, size, fps=self.fps, quality=8, macro_block_size=1, ffmpeg_log_level="error"
            )
            self._writer.send(None)
        for _ in range(repeat):
            self._writer.send(frame)
        self.frames += repeat
        self.seconds = self.frames / self.fps

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def abandon(self) -> None:
        """End ffmpeg."""
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()


def reduced(frame: np.ndarray, quick: bool = False) -> Any:
    """A frame as an image with a palette of its own; ``quick`` takes a seventh of the time, and approximates the
    colours."""
    from PIL import Image

    method = Image.Quantize.FASTOCTREE if quick else Image.Quantize.MEDIANCUT
    return Image.fromarray(frame).quantize(256, method=method, dither=Image.Dither.NONE)


def write_gif(images: list[Any], durations: list[int], to: Path | IO[bytes]) -> None:
    """Write a looping GIF of images with palettes, each shown for its duration in milliseconds."""
    first, *rest = images
    first.save(to, "GIF", save_all=True, append_images=rest, duration=durations, loop=0)


def check(path: Path) -> None:
    """Check that a film can be written to a path.

    Raises:
        UserError: an unknown ending, no such folder, or a package that is missing.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"{str(path)!r} ends in {path.suffix or 'nothing'}; allowed: {', '.join(ENDINGS)}")
    if path.is_dir():
        raise UserError(f"{str(path)!r} is a folder; give a file in it")
    if not path.parent.is_dir():
        raise UserError(f"no folder {str(path.parent)!r} for {path.name}; make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to {str(path.parent)!r}; give another place")
    if path.suffix.lower() == ".mp4":
        try:
            import imageio_ffmpeg  # noqa: F401  (moviepy's)
        except ImportError as error:
            raise UserError(f"an MP4 needs moviepy; {install_extra('video')}, or write a .gif") from error


@contextmanager
def film(path: Path, fps: float) -> Iterator[Film]:
    """A film to add frames to; the file gets its name when it is complete, and nothing is left of an interrupted
    one."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    made: GIF | MP4 = (GIF if path.suffix.lower() == ".gif" else MP4)(temporary, fps)
    try:
        yield made
        with archive.naming(path):
            made.close()
        os.replace(temporary, path)
    except BaseException:
        made.abandon()
        temporary.unlink(missing_ok=True)
        raise


class Clip:
    """Frames of an episode of unknown length: evenly spaced, and never too many.

    Where there are too many, every second one is dropped, and from then on only every second new one is added. Where
    they would be too far apart, or are too slow to draw, the rest of the episode is left out, except for its end.
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self.images: list[np.ndarray] = []
        self.frames, self.seconds = 0, 0.0
        self.stride, self._steps, self._full = max(1, int(fps * SHORTEST)), 0, False
        self._drawing = 0.0

    def add(self, draw: Callable[[], np.ndarray], repeat: int = 1) -> None:
        """Add a frame, see :class:`Film`; a repeated one is the last."""
        last = repeat > 1
        if last or (not self._full and self._steps % self.stride == 0):
            begun = time.monotonic()
            self.images.append(draw())
            self._drawing += time.monotonic() - begun
            self._thin()
        self._steps += 1
        self.frames = len(self.images)

    def _thin(self) -> None:
        if len(self.images) > MOST and 2 * self.stride * SMOOTH <= self.fps:
            self.images, self.stride = self.images[::2], 2 * self.stride
        self._full |= len(self.images) > MOST or self._drawing > SECONDS

    def gif(self) -> bytes:
        """Return the film as the bytes of a GIF."""
        images, each = self.images, self.stride / self.fps
        while True:
            each = min(max(each, SHORTEST), (LONGEST - LAST) / max(len(images) - 1, 1))
            durations = [round(1000 * each)] * (len(images) - 1) + [round(1000 * LAST)]
            written = io.BytesIO()
            write_gif([reduced(image, quick=True) for image in images], durations, written)
            self.seconds = sum(durations) / 1000
            if written.tell() <= BYTES or len(images) < 8:
                return written.getvalue()
            images, each = [*images[:-1:2], images[-1]], 2 * each


def clip_of(agent: Any, config: Config) -> Clip:
    """Film an episode of an agent as it is, for the report of its run.

    Args:
        agent: Its newest policy acts.
        config: Its environment is the one to play in.

    Raises:
        UserError: its environment cannot be filmed.
        Exception: whatever the environment's renderer raises.
    """
    env = rendering.make_environment(config, filmed=True)
    clip, name = Clip(float(env.metadata.get("render_fps") or 30)), str(list(agent.policies)[-1])

    def show(step: int, total: float, over: bool) -> None:
        clip.add(lambda: rendering.frame(rendering.render(env), name, step, total, WIDTH), 2 if over else 1)

    try:
        play_episode(agent, env, SEED, on_step=show)
    finally:
        env.close()
    return clip
