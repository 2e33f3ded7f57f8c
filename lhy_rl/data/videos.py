"""Videos: frames of episodes, without actions and rewards; from a folder of pictures, GIFs, MP4s or demonstrations."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError, brief, install_extra
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.data.picture_files import is_picture, pictures_in, read_picture, readable, scaled, stacked

FILMS = (".gif", ".mp4")
ALLOWED = "a GIF, an MP4, a folder of them, a folder of pictures (or of such folders), or an .npz of demonstrations"


@dataclass(frozen=True)
class Videos:
    """Episodes as frames only.

    Attributes:
        frames: (F, H, W, 3) uint8, of all episodes one after the other.
        ends: (E,) index in ``frames`` at which each episode ends.

    Raises:
        UserError: There is no episode, one has a single frame, or nothing moves in any of them.
    """

    frames: np.ndarray
    ends: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.ends):
            raise UserError("these videos contain no episode")
        if self.lengths.min() < 2:
            raise UserError(f"video {int(self.lengths.argmin())} is one frame long; allowed: at least two frames")
        begins = self.ends - self.lengths
        if all((part == part[:1]).all() for part in np.split(self.frames, begins[1:])):
            raise UserError("nothing moves in these videos; give videos in which something moves")

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def lengths(self) -> np.ndarray:
        """(E,) number of frames of each episode."""
        return np.diff(self.ends, prepend=0)

    @classmethod
    def of(cls, episodes: Sequence[np.ndarray]) -> Videos:
        """From the frames of each episode, (L, H, W, 3) uint8."""
        return cls(np.concatenate(episodes), np.cumsum([len(frames) for frames in episodes]))

    @classmethod
    def of_demonstrations(cls, demonstrations: Demonstrations, size: tuple[int, int]) -> Videos:
        """The images in the demonstrations' observations, under the key ``image`` or alone.

        Raises:
            UserError: There are none.
        """
        episodes = []
        for episode in demonstrations.episodes:
            observed = episode.observations
            images = observed.get("image") if isinstance(observed, dict) else observed
            if not isinstance(images, np.ndarray) or images.ndim != 4 or images.dtype != np.uint8:
                raise UserError("these demonstrations have no images; allowed: uint8 (H, W, 3), alone or as 'image'")
            episodes.append(resized(images, size))
        return cls.of(episodes)

    def pairs(self, ahead: int) -> np.ndarray:
        """(N, 2) indices of each frame but an episode's last, and of the one ``ahead`` frames later, or the last."""
        places = np.arange(len(self.frames))
        last = np.repeat(self.ends - 1, self.lengths)
        pairs = np.stack([places, np.minimum(places + ahead, last)], 1)
        return pairs[places < last]


def read_videos(source: str | os.PathLike[str], size: tuple[int, int], fps: float | None = None) -> Videos:
    """Read videos from files, with frames of this size.

    Args:
        source: A ``.gif``, an ``.mp4``, a folder of them, a folder of pictures in the order of their names, a folder of
            such folders, or an ``.npz`` of demonstrations with images.
        size: (H, W) that frames are resized to.
        fps: Frames per second that films are resampled to, if their own rate is known; None takes all frames.

    Raises:
        UserError: The source is none of these, or is damaged.
    """
    path = Path(source)
    if not path.exists():
        raise UserError(f"no videos {str(source)!r}; allowed: {ALLOWED}")
    if path.is_file() and path.suffix == ".npz":
        from lhy_rl.data.npz import read_npz

        return Videos.of_demonstrations(read_npz(path), size)
    episodes = {part: _read(part, size, fps) for part in _parts(path)}
    if not episodes:
        raise UserError(f"{str(source)!r} holds no video; allowed: {ALLOWED}")
    for part, frames in episodes.items():
        if len(frames) < 2:
            raise UserError(f"video {str(part)!r} is one frame long; allowed: at least two frames")
    return Videos.of(list(episodes.values()))


def _parts(path: Path) -> list[Path]:
    """The films and folders of pictures at a path, each of which is an episode."""
    if path.is_file():
        return [path]
    if any(map(is_picture, path.iterdir())):
        return [path]
    parts = sorted(path.iterdir())
    return [
        part
        for part in parts
        if part.suffix.lower() in FILMS or (part.is_dir() and any(map(is_picture, part.iterdir())))
    ]


def _read(path: Path, size: tuple[int, int], fps: float | None) -> np.ndarray:
    """(L, H, W, 3) frames of one episode."""
    with readable(path):
        if path.is_dir():
            return stacked(read_picture(part, size) for part in pictures_in(path))
        if path.suffix.lower() == ".gif":
            return _gif(path, size, fps)
        if path.suffix.lower() == ".mp4":
            return _mp4(path, size, fps)
    raise UserError(f"{str(path)!r} is not a video; allowed: {ALLOWED}")


def _gif(path: Path, size: tuple[int, int], fps: float | None) -> np.ndarray:
    from PIL import Image, ImageSequence

    frames, seconds = [], []
    with Image.open(path) as film:
        for image in ImageSequence.Iterator(film):
            frames.append(scaled(image, size))
            seconds.append(image.info.get("duration", 0) / 1000)
    if fps is None or not all(seconds):
        return stacked(frames)
    begins = np.cumsum([0.0, *seconds])
    moments = np.arange(0, begins[-1] - 1e-9, 1 / fps)
    return stacked([frames[place] for place in np.searchsorted(begins, moments + 1e-9) - 1])


def _mp4(path: Path, size: tuple[int, int], fps: float | None) -> np.ndarray:
    try:
        import imageio_ffmpeg
    except ImportError:
        raise UserError(f"reading {str(path)!r} needs imageio-ffmpeg; {install_extra('video')}") from None
    from PIL import Image

    reader = imageio_ffmpeg.read_frames(str(path))
    about: dict[str, Any] = next(reader)
    rate, frames = 1.0 if fps is None else fps / float(about["fps"]), []
    for number, frame in enumerate(reader):
        begun, over = (math.ceil(moment * rate - 1e-9) for moment in (number, number + 1))
        if over > begun:  # number of output frames that begin while this one is shown
            frames += [scaled(Image.frombytes("RGB", about["size"], frame), size)] * (over - begun)
    return stacked(frames)


def resized(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(N, H, W, 3) images, resized to (H, W).

    Raises:
        UserError: They do not have three channels.
    """
    if images.ndim != 4 or images.shape[3] != 3:
        raise UserError(f"images must have shape (N, H, W, 3); given: {brief(images.shape)}")
    if images.shape[1:3] == size:
        return images
    from PIL import Image

    return np.stack([scaled(Image.fromarray(image), size) for image in images])
