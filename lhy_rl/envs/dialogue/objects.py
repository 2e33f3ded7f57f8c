"""The 64 objects that dialogues are about: a size, a colour and a shape, each of four values."""

from __future__ import annotations

import numpy as np

ATTRIBUTES = {
    "size": ("tiny", "small", "large", "huge"),
    "colour": ("red", "green", "blue", "yellow"),
    "shape": ("ball", "cube", "ring", "star"),
}
VALUES = 4
OBJECTS: int = VALUES ** len(ATTRIBUTES)
PLACES = np.array([VALUES**2, VALUES, 1])  # an object's number has its attributes' values as digits


def digits(thing: np.ndarray) -> np.ndarray:
    """(B,) objects to (B, 3) values of their attributes."""
    values: np.ndarray = thing[:, None] // PLACES % VALUES
    return values


def object_name(thing: int) -> str:
    """An object in words, for example ``large red cube``."""
    values = digits(np.array([thing]))[0]
    return " ".join(names[value] for names, value in zip(ATTRIBUTES.values(), values, strict=True))
