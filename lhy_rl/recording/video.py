"""Films: frames that come one by one, as a GIF or an MP4 that is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from lhy_rl.core.errors import UserError, install_extra

ENDINGS = (".gif", ".mp4")
GIF_FPS = 50  # browsers slow faster ones down


class Film(Protocol):
    """Takes frames."""

    frames: int
    seconds: float

    def add(self, draw: Callable[[], np.ndarray], repeat: int = 1) -> None:
        """One more frame, shown ``repeat`` times as long; ``draw`` gives its (H, W, 3) bytes where it is wanted."""
        ...


class GIF:
    """Frames with palettes of their own, held until the end: a GIF stores what changes between them."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.fps = path, fps
        self.every = max(1, -(-int(fps) // GIF_FPS))  # of faster films, every so many-th frame
        self.frames, self.seconds, self._seen = 0, 0.0, 0
        self._images: list[Any] = []
        self._durations: list[int] = []

    def add(self, draw: Callable[[], np.ndarray], repeat: int = 1) -> None:
        self._seen += 1
        if repeat == 1 and self._seen % self.every != 1 % self.every:
            return
        self._images.append(reduced(draw()))
        self._durations.append(round(1000 * repeat * self.every / self.fps))
        self.frames, self.seconds = self.frames + 1, sum(self._durations) / 1000

    def close(self) -> None:
        """Write the file."""
        write_gif(self._images, self._durations, self.path)

    def abandon(self) -> None:
        """Nothing is open."""


class MP4:
    """Frames given to ffmpeg as they come (H.264)."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.fps = path, fps
        self.frames, self.seconds = 0, 0.0
        self._writer: Any = None

    def add(self, draw: Callable[[], np.ndarray], repeat: int = 1) -> None:
        frame = draw()
        odd = [(0, side % 2) for side in frame.shape[:2]]  # H.264 wants even sides
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
    """A frame as an image with a palette of its own; ``quick`` takes a seventh of the time, and near colours."""
    from PIL import Image

    method = Image.Quantize.FASTOCTREE if quick else Image.Quantize.MEDIANCUT
    return Image.fromarray(frame).quantize(256, method=method, dither=Image.Dither.NONE)


def write_gif(images: list[Any], durations: list[int], to: Path | IO[bytes]) -> None:
    """Images with palettes, each shown so many milliseconds, again and again."""
    first, *rest = images
    first.save(to, "GIF", save_all=True, append_images=rest, duration=durations, loop=0)


def check(path: Path) -> None:
    """A place where a film can be made.

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
    """A film to add frames to; it gets its name when it is whole, and nothing is left of one that was broken off."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    made: GIF | MP4 = (GIF if path.suffix.lower() == ".gif" else MP4)(temporary, fps)
    try:
        yield made
        made.close()
        os.replace(temporary, path)
    except BaseException:
        made.abandon()
        temporary.unlink(missing_ok=True)
        raise
