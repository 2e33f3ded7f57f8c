"""An endless winding road, whose direction is a sum of waves, and the driver's view of it."""

from __future__ import annotations

import numpy as np

LENGTHS = np.array([34.0, 21.0, 13.0])
"""Wavelengths, in half-widths of the road."""

HEIGHTS = np.array([0.40, 0.22, 0.11])
"""Largest amplitude of each wave, radians: together they bend by at most 0.2 radians a unit."""

FREQUENCIES = 2 * np.pi / LENGTHS
GRASS, ROAD = 40, 220


def waves(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 3, 2) amplitudes and phases of n roads."""
    heights = HEIGHTS * rng.uniform(0.5, 1.0, (n, len(HEIGHTS)))
    return np.stack([heights, rng.uniform(0, 2 * np.pi, heights.shape)], -1)


def direction(waves: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(B, 3, 2) waves and (B, ...) places along the road to directions there, radians, right is positive."""
    heights, angles = _at(waves, place)
    result: np.ndarray = (heights * np.sin(angles)).sum(-1)
    return result


def ahead(waves: np.ndarray, place: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """How far the road's middle has bent to the right, (B, D), at (D,) distances ahead of (B,) places.

    For small angles it is the integral of the direction minus its value at the place.
    """
    heights, there = _at(waves, place[:, None] + distance)  # (B, 1, 3), (B, D, 3)
    _, here = _at(waves, place[:, None])
    bend = (heights / FREQUENCIES * (np.cos(here) - np.cos(there))).sum(-1)
    result: np.ndarray = bend - direction(waves, place)[:, None] * distance
    return result


def from_above(waves: np.ndarray, place: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """(P, 2) points of the plane: distances to the right and ahead of the road's beginning, where direction 0 is ahead.

    Args:
        waves: (3, 2) of one road.
        place: (P,) along its middle, from 0.
        offset: (P,) to the right of it.
    """
    along = np.linspace(0.0, max(float(place.max()), 1e-9), 1 + 20 * max(1, int(np.ceil(place.max()))))
    angle = direction(waves[None], along[None])[0]
    steps = np.stack([np.sin(angle), np.cos(angle)], 1) * (along[1] - along[0])
    middle = np.concatenate([np.zeros((1, 2)), np.cumsum((steps[1:] + steps[:-1]) / 2, 0)])
    there = direction(waves[None], place[None])[0]
    points = [np.interp(place, along, middle[:, axis]) for axis in range(2)]
    return np.stack([points[0] + offset * np.cos(there), points[1] - offset * np.sin(there)], 1)


def picture(middle: np.ndarray, half: float, columns: np.ndarray, pixel: float) -> np.ndarray:
    """A strip from above, (B, H, W) uint8, antialiased.

    Args:
        middle: (B, H) its middle in each row, to the right of the camera.
        half: Half the strip's width.
        columns: (W,) the middle of each pixel.
        pixel: Side of a pixel.
    """
    inside = (half + pixel / 2 - np.abs(columns - middle[..., None])) / pixel
    grey: np.ndarray = np.rint(GRASS + (ROAD - GRASS) * np.clip(inside, 0.0, 1.0)).astype(np.uint8)
    return grey


def _at(waves: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The waves' heights and angles at (B, ...) places, the wave last."""
    shape = (len(waves), *[1] * (place.ndim - 1), waves.shape[1])
    return waves[..., 0].reshape(shape), place[..., None] * FREQUENCIES + waves[..., 1].reshape(shape)
