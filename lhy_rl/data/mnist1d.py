"""MNIST-1D: ten shapes of twelve points, hidden in noisy series of 40 (Greydanus 2020, "Scaling down deep learning").

The series are generated, not downloaded. A shape is followed by 36 to 60 zeros, stretched to 72 points, scaled, moved
along the series, surrounded by smooth noise, tilted and subsampled to 40 points (section 2 of the paper). Its position
and size do not depend on its class, so that a linear model classifies about a third of the series and a convolutional
network more than nine in ten. The ten shapes are the paper's (the package ``mnist1d``, Apache-2.0), the code and the
random numbers are not.
"""

from __future__ import annotations

import numpy as np

from lhy_rl.core.validation import check
from lhy_rl.data.splits import LabelledData, Splits

CLASSES, LENGTH = 10, 40
SHAPES = (
    np.array(
        [
            [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
            [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
            [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
            [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
            [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
            [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
            [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
            [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
            [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
            [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
        ]
    )
    - 5
)
STRETCHED = 72  # points before the subsampling
PADDING = (36, 60)  # zeros after a shape, both included
FARTHEST = 48  # a shape is moved by 0 to 47 of the 72 points
SCALE, TILT = 0.4, 0.75  # widths of the uniform distributions of size and slope
SMOOTH_NOISE, POINT_NOISE = 0.25, 0.02  # standard deviations
BLUR = 2.0  # standard deviation of the smooth noise's Gaussian kernel, in points


def mnist1d(train: int = 3000, validation: int = 1000, test: int = 1000, seed: int = 42) -> Splits:
    """Draw the series of the three parts, (N, 40), of mean 0 and standard deviation 1 over all parts; classes 0 to 9.

    Args:
        train, validation, test: Numbers of series; the paper has 4,000 and 1,000, of which the former are split here.
            Over all parts the classes are balanced.
        seed: The same numbers and seed give the same series.

    Raises:
        UserError: A number is no integer or below 1.
    """
    check(train=(train, 1), validation=(validation, 1), test=(test, 1), seed=(seed, 0))
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(train + validation + test) % CLASSES)
    x = series(y, rng)
    x = ((x - x.mean()) / x.std()).astype(np.float32)
    for array in (x, y):
        array.setflags(write=False)
    ends = (train, train + validation)
    return Splits(*(LabelledData(*pair) for pair in zip(np.split(x, ends), np.split(y, ends), strict=True)))


def series(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N,) classes to (N, 40) series, not standardised."""
    n, points = len(y), SHAPES.shape[1]
    shapes = (SHAPES / SHAPES.std(1, keepdims=True) / 6)[y]  # (N, 12), of standard deviation 1/6; they begin at 0
    # stretch: point t of 72 is read at t (length - 1) / 71 of the padded shape
    lengths = points + rng.integers(PADDING[0], PADDING[1] + 1, (n, 1))
    places = np.arange(STRETCHED) * (lengths - 1) / (STRETCHED - 1)  # (N, 72)
    before = np.minimum(places.astype(int), points - 1)
    after, share = np.minimum(before + 1, points - 1), np.clip(places - before, 0, 1)
    x = (1 - share) * np.take_along_axis(shapes, before, 1) + share * np.take_along_axis(shapes, after, 1)
    x *= 1 + SCALE * (rng.random((n, 1)) - 0.5)
    # move, and fill the rest with smooth noise
    moved = (np.arange(STRETCHED) - rng.integers(FARTHEST, size=(n, 1))) % STRETCHED
    x, is_shape = np.take_along_axis(x, moved, 1), np.take_along_axis(places < points, moved, 1)
    noise = SMOOTH_NOISE * rng.standard_normal((n, STRETCHED)) @ blur(STRETCHED, BLUR)
    x = np.where(is_shape, x, noise) + POINT_NOISE * rng.standard_normal((n, STRETCHED))
    # tilt and subsample
    x -= TILT * (rng.random((n, 1)) - 0.5) * np.linspace(-0.5, 0.5, STRETCHED)
    subsampled: np.ndarray = x @ subsampling(STRETCHED, LENGTH)
    return subsampled


def blur(length: int, deviation: float) -> np.ndarray:
    """(L, L) matrix that smooths series (rows) by a Gaussian, mirrored at the ends."""
    reach = int(4 * deviation + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    matrix = np.zeros((length, length))
    for offset, weight in zip(range(-reach, reach + 1), kernel, strict=True):
        source = np.arange(length) + offset
        source = np.where(source < 0, -1 - source, np.where(source >= length, 2 * length - 1 - source, source))
        matrix[source, np.arange(length)] += weight
    return matrix


def subsampling(length: int, shorter: int) -> np.ndarray:
    """(L, S) matrix that resamples series (rows) at S evenly spaced places, by linear interpolation."""
    places = np.linspace(0, length - 1, shorter)
    matrix: np.ndarray = np.maximum(0, 1 - np.abs(np.arange(length)[:, None] - places))
    return matrix
