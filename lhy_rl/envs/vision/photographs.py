"""Simulated photographs of shapes: moved, turned, in two colours, unevenly lit, with noise."""

from __future__ import annotations

import numpy as np

from lhy_rl.envs.vision.resampling import resampled

MARGIN = 2  # pixels around a shape of 28 x 28, which make it one of 32 x 32 and, halved, of 16 x 16
APART = 0.35  # the least distance of ink and ground in brightness


def small(shapes: np.ndarray) -> np.ndarray:
    """(N, 28, 28) shapes at half the size, with a margin: (N, 16, 16)."""
    return _halved(np.pad(shapes, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN))))


def moved(shapes: np.ndarray, rng: np.random.Generator, shift: float, turn: float, scale: float) -> np.ndarray:
    """Shapes at a random place, angle and size, each its own; (N, 28, 28) to (N, 16, 16).

    Args:
        shapes: From 0 to 1.
        rng: Draws uniformly.
        shift: Pixels of the small picture, at most, along each axis.
        turn: Degrees, at most.
        scale: Share by which a shape grows or shrinks, at most.
    """
    n, side = len(shapes), shapes.shape[1] + 2 * MARGIN
    angle = np.radians(rng.uniform(-turn, turn, n))
    size = 1 + rng.uniform(-scale, scale, n)
    centre = (side - 1) / 2 + 2 * rng.uniform(-shift, shift, (2, n))
    return _halved(resampled(np.pad(shapes, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN))), side, angle, size, centre))


def photographed(shapes: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """(N, H, W) shapes from 0 to 1 as photographs, (N, H, W, 3) uint8.

    Ink and ground have random colours, either of them brighter than the other by at least 0.35; the light falls off to
    a random side; each pixel has noise of that standard deviation.
    """
    n, height, width = shapes.shape
    ground, ink = rng.random((2, n, 3)).astype(np.float32)
    apart = (ink - ground).mean(1, keepdims=True)
    wanted = np.where(apart < 0, -1, 1) * np.maximum(np.abs(apart), APART)
    ink = np.clip(ink + (wanted - apart) / 2, 0, 1)
    ground = np.clip(ground - (wanted - apart) / 2, 0, 1)
    cover = shapes[..., None]
    pictures = ground[:, None, None] * (1 - cover) + ink[:, None, None] * cover
    across = np.linspace(-1, 1, width, dtype=np.float32)[None, None, :, None]
    down = np.linspace(-1, 1, height, dtype=np.float32)[None, :, None, None]
    light = rng.uniform(-0.15, 0.15, (2, n, 1, 1, 1)).astype(np.float32)
    pictures = pictures * (1 + light[0] * across + light[1] * down)
    pictures += noise * rng.standard_normal(pictures.shape, dtype=np.float32)
    bytes_: np.ndarray = np.rint(255 * np.clip(pictures, 0, 1)).astype(np.uint8)
    return bytes_


def _halved(pictures: np.ndarray) -> np.ndarray:
    """The mean of every two by two pixels."""
    n, height, width = pictures.shape
    halved: np.ndarray = pictures.reshape(n, height // 2, 2, width // 2, 2).mean((2, 4), dtype=np.float32)
    return halved
