"""Pictures of discs and bars, of a whole batch at once.

A camera maps each pixel to a point of the plane. A disc covers the pixels whose points are nearer to its centre than
its radius, a bar those near a line between two points; edges are antialiased. Only covered pixels are written, so that
a picture of 32 x 32 takes some twenty microseconds.
"""

from __future__ import annotations

import math

import numpy as np

from lhy_rl.envs.third_person.domains import Colour, Domain


class Camera:
    """Maps each pixel of a picture to a point of the plane.

    Args:
        matrix: (2, 2) from the plane to the picture, whose middle is 0 and whose edges are -1 and 1.
        size: S, pixels of a side.
        domain: Its shift and zoom, the colour of the background, and the clutter.

    Attributes:
        x, y: (P,) the points, P = S^2, in reading order.
        blur: Mean distance between the points of neighbouring pixels.
    """

    def __init__(self, matrix: np.ndarray, size: int, domain: Domain) -> None:
        self.size = size
        middle = (np.arange(size) + 0.5) * (2 / size) - 1
        right, up = np.meshgrid(middle, -middle)
        viewed = (np.stack([right.ravel(), up.ravel()]) - np.array(domain.shift)[:, None]) / domain.zoom
        inverse = np.linalg.inv(matrix)
        self.x, self.y = (inverse @ viewed).astype(np.float32)
        self.blur = 2 / size / domain.zoom * math.sqrt(abs(float(np.linalg.det(inverse))))
        self.background = np.empty((size * size, 3), np.float32)
        self.background[:] = domain.background
        rng = np.random.default_rng(domain.clutter)  # a domain's clutter is always the same
        canvas = Canvas(self, 1)
        for grey in rng.integers(90, 170, domain.clutter):
            canvas.disc(rng.uniform(-1, 1, (1, 2)), float(rng.uniform(0.05, 0.14)), (grey, grey, grey))
        self.background = canvas.pixels.reshape(-1, 3)


class Canvas:
    """B pictures of one camera; later drawings lie on top.

    Args:
        camera: The camera of all pictures.
        n: B.

    Attributes:
        pixels: (B * P, 3) float32, red, green and blue from 0 to 255.
    """

    def __init__(self, camera: Camera, n: int) -> None:
        self.camera = camera
        self.pixels = np.tile(camera.background, (n, 1))

    def disc(self, centre: np.ndarray, radius: float, colour: Colour) -> None:
        """A disc in each picture; centres (B, 2)."""
        centre = centre.astype(np.float32)
        right, up = self.camera.x - centre[:, :1], self.camera.y - centre[:, 1:]  # (B, P)
        self._cover(right * right + up * up, radius, colour)

    def bar(self, begin: np.ndarray, end: np.ndarray, radius: float, colour: Colour) -> None:
        """A bar with round ends, ``2 radius`` wide, in each picture; its ends (B, 2)."""
        begin, along = begin.astype(np.float32), (end - begin).astype(np.float32)
        right, up = self.camera.x - begin[:, :1], self.camera.y - begin[:, 1:]
        share = (right * along[:, :1] + up * along[:, 1:]) / np.maximum((along**2).sum(1, keepdims=True), 1e-12)
        share = np.clip(share, 0, 1)
        right -= share * along[:, :1]
        up -= share * along[:, 1:]
        self._cover(right * right + up * up, radius, colour)

    def _cover(self, squared: np.ndarray, radius: float, colour: Colour) -> None:
        """Colour the pixels whose squared distances (B, P) are within the radius."""
        blur = self.camera.blur
        near = np.flatnonzero(squared.ravel() < (radius + blur / 2) ** 2)
        distance = np.sqrt(squared.ravel()[near])
        share = np.clip((radius - distance) / blur + 0.5, 0, 1)[:, None]
        self.pixels[near] += share * (np.array(colour, np.float32) - self.pixels[near])

    def images(self) -> np.ndarray:
        """(B, S, S, 3) uint8."""
        images: np.ndarray = (self.pixels + 0.5).astype(np.uint8)
        return images.reshape(-1, self.camera.size, self.camera.size, 3)
