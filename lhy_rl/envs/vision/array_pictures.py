"""Pictures in .npz files: observations of recorded episodes, or a user's arrays."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from gymnasium.spaces import Box

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.trees import native
from lhy_rl.data.npz import read_npz
from lhy_rl.data.npz_members import Members
from lhy_rl.data.picture_files import FEWEST, HELD_OUT, PictureSet
from lhy_rl.data.splits import split

PICTURES, LABELS = "pictures", "labels"
MOST = 2**31  # bytes of pictures as floats
MOST_CLASSES = 1000


def holds_arrays(place: str | os.PathLike[str]) -> bool:
    """Whether a place is a file of arrays, or a folder of such files."""
    path = Path(place)
    return path.suffix == ".npz" or (path.is_dir() and any(path.glob("*.npz")))


def read_arrays(place: str | os.PathLike[str]) -> PictureSet:
    """Pictures of a file of arrays; eight of ten are the training split.

    Args:
        place: A file, or a folder of files, that ``lhy-rl record`` wrote, whose observations are pictures; or a file
            with ``pictures`` and, where they have classes, ``labels``.

    Raises:
        UserError: no such file, or one that is damaged or has no pictures, or invalid labels.
    """
    path, labels = Path(place), None
    members = None if path.is_dir() else Members(path, "pictures")
    if members is not None and PICTURES in members:
        pictures = own_pictures(members[PICTURES], str(path))
        labels = own_labels(members[LABELS], len(pictures), str(path)) if LABELS in members else None
    elif members is not None and "observations" not in members and "lengths" not in members:
        raise UserError(
            f"{str(path)!r} holds {brief(sorted(members))}; allowed: {PICTURES!r}, or a file of lhy-rl record"
        )
    else:
        pictures = recorded_pictures(path)
    if len(pictures) < FEWEST:
        raise UserError(f"{str(path)!r} holds {len(pictures)} pictures; allowed: at least {FEWEST}")
    labels = np.zeros(len(pictures), np.int64) if labels is None else labels
    classes = tuple(map(str, range(int(labels.max()) + 1))) if labels.any() else (path.stem,)
    held = len(pictures) // HELD_OUT
    return PictureSet(split(pictures, labels, len(pictures) - 2 * held, held), classes)


def recorded_pictures(path: Path) -> np.ndarray:
    """(N, H, W, C) from 0 to 1: every observation of every episode.

    Raises:
        UserError: the observations are no pictures.
    """
    from lhy_rl.nn.encoders.image_spaces import axes_channel_last, looks_like_image

    found = read_npz(path)
    space = found.observation_space
    if not isinstance(space, Box) or not looks_like_image(space):
        raise UserError(f"{str(path)!r} has the observation space {brief(space)}; allowed: a Box of pixels")
    low, high = float(space.low.min()), float(space.high.max())
    if not math.isfinite(high - low):
        raise UserError(f"the pixels in {str(path)!r} have no bounds; allowed: 0 to 255, 0 to 1 or -1 to 1")
    stored = np.concatenate([episode.observations for episode in found.episodes])
    check_size(stored, str(path))
    stored = stored.transpose(axes_channel_last(space.shape))
    pictures = (stored.reshape(*stored.shape[:3], -1).astype(np.float32) - low) / (high - low)
    return native(pictures)


def own_pictures(given: np.ndarray, name: str) -> np.ndarray:
    """(N, H, W, C) from 0 to 1, from bytes or from numbers of that range.

    Raises:
        UserError: they are no pictures.
    """
    fits = given.ndim in (3, 4) and (given.dtype == np.uint8 or given.dtype.kind == "f")
    if not fits or (given.ndim == 4 and given.shape[3] > min(given.shape[1:3])):
        raise UserError(
            f"{PICTURES!r} in {name!r} is {given.dtype} of shape {given.shape}; allowed: (N, H, W) or (N, H, W, C), "
            "uint8, or floats from 0 to 1"
        )
    check_size(given, name)
    pictures = (given if given.ndim == 4 else given[..., None]).astype(np.float32)
    pictures /= 255 if given.dtype == np.uint8 else 1
    if not ((pictures >= 0) & (pictures <= 1)).all():
        wrong = pictures[~((pictures >= 0) & (pictures <= 1))][0]
        raise UserError(f"{PICTURES!r} in {name!r} holds {wrong:g}; floats must be from 0 to 1")
    return pictures


def own_labels(given: np.ndarray, count: int, name: str) -> np.ndarray:
    """(N,) classes.

    Raises:
        UserError: the number of labels differs from that of the pictures, or they are no whole numbers from 0 up.
    """
    if given.shape != (count,) or given.dtype.kind not in "iu":
        found = f"{given.dtype} of shape {given.shape}"
        raise UserError(f"{LABELS!r} in {name!r} is {found}; allowed: whole numbers of shape ({count},)")
    wrong = (given < 0) | (given >= MOST_CLASSES)
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise UserError(
            f"{LABELS!r} in {name!r} holds {given[place]} (picture {place}); allowed: 0 to {MOST_CLASSES - 1}"
        )
    return given.astype(np.int64)


def check_size(pictures: np.ndarray, name: str) -> None:
    """Raise a UserError if there are too many pictures for the memory."""
    if 4 * pictures.size > MOST:
        raise UserError(f"{name!r} holds more than 2 GB of pictures; record fewer episodes, or smaller pictures")
