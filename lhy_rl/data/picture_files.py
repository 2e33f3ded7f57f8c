"""A user's pictures: a folder of PNGs, or one folder for each class; an error names a file that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.data.splits import Splits, split

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
MOST = 2**31  # most bytes of pictures
FEWEST = 10  # least number of pictures in a data set
HELD_OUT = 10  # of this many pictures one is for validation and one for the test


class PictureSet(NamedTuple):
    """A data set of pictures.

    Attributes:
        splits: Pictures (N, H, W, C) from 0 to 1 and their classes.
        classes: Names of the classes; a single one if the pictures have no classes.
    """

    splits: Splits
    classes: tuple[str, ...]


def is_picture(path: Path) -> bool:
    """Whether a file has the name of a picture."""
    return path.suffix.lower() in SUFFIXES


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if is_picture(path))


def read_picture(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """A picture (H, W, 3) uint8, resized to (H, W) if a size is given.

    Raises:
        UserError: It cannot be read.
    """
    from PIL import Image

    with readable(path), Image.open(path) as image:
        return scaled(image, size or (image.height, image.width))


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """A context in which a file is read; errors become a one-line error.

    Raises:
        UserError: Reading fails; the message names the file.
    """
    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{str(path)!r} cannot be read ({' '.join(str(error).split())[:200]})") from error


def scaled(image: Image, size: tuple[int, int]) -> np.ndarray:
    """A Pillow image as (H, W, 3) uint8, resized to (H, W)."""
    from PIL import Image as module

    height, width = size
    small = image.convert("RGB")
    if (small.height, small.width) != size:
        small = small.resize((width, height), module.Resampling.BOX)
    return np.asarray(small, np.uint8)


def stacked(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """Pictures as one array.

    Raises:
        UserError: They are too many for the memory.
    """
    listed = list(pictures)
    if sum(picture.nbytes for picture in listed) > MOST:
        raise UserError("these are more than 2 GB of pictures; allowed: fewer, or of a smaller size")
    return np.stack(listed)


def read_folder(folder: str | os.PathLike[str], side: int | None = None) -> PictureSet:
    """The pictures of a folder, or of its subfolders, each of which is a class; eight of ten are for training.

    Args:
        side: Side of the square in pixels that pictures are resized to; None keeps their size, which must be the same.

    Raises:
        UserError: There is no folder, there are fewer than ten pictures, a class is empty, a picture cannot be read, or
            the sizes differ.
    """
    path = Path(folder)
    if not path.is_dir():
        raise UserError(f"no folder {str(folder)!r} of pictures ({', '.join(SUFFIXES)})")
    folders = sorted(part.name for part in path.iterdir() if part.is_dir() and not part.name.startswith("."))
    names = [name for name in folders if pictures_in(path / name)]
    for name in folders if names else ():
        if name not in names:
            raise UserError(f"{str(path / name)!r} is a class without pictures; add some, or remove the folder")
    files = [(file, label) for label, name in enumerate(names) for file in pictures_in(path / name)]
    files = files or [(file, 0) for file in pictures_in(path)]
    if len(files) < FEWEST:
        raise UserError(
            f"{str(folder)!r} holds {len(files)} pictures ({', '.join(SUFFIXES)}); allowed: at least {FEWEST}, in it "
            "or in one folder for each class"
        )
    size = None if side is None else (side, side)
    pictures = [read_picture(file, size) for file, _ in files]
    for picture, (file, _) in zip(pictures, files, strict=True):
        if picture.shape != pictures[0].shape:
            sizes = [f"{shape[1]} x {shape[0]}" for shape in (picture.shape, pictures[0].shape)]
            raise UserError(
                f"{str(file)!r} has {sizes[0]} pixels and {files[0][0].name!r} {sizes[1]}; give side, the "
                "size in pixels of the square that all are resized to"
            )
    array = stacked(pictures)
    if (array == array[..., :1]).all():
        array = array[..., :1]  # grey
    held = len(array) // HELD_OUT
    labels = np.array([label for _, label in files])
    return PictureSet(split(array / np.float32(255), labels, len(array) - 2 * held, held), tuple(names) or (path.name,))
