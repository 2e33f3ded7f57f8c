"""The domain of a slot-filling dialogue: places to eat, each with a value for every slot, and details to ask for."""

from __future__ import annotations

import numpy as np

ROWS = 60
SLOTS: dict[str, tuple[str, ...]] = {
    "food": ("British", "Chinese", "French", "Indian", "Italian", "Japanese", "Thai", "Turkish"),
    "area": ("centre", "north", "east", "south", "west"),
    "price": ("cheap", "moderate", "expensive"),
    "near": ("river", "station", "park", "market"),
    "meal": ("breakfast", "lunch", "dinner", "brunch"),
    "children": ("welcome", "not allowed"),
    "seating": ("terrace", "window", "bar", "garden"),
    "parking": ("street", "garage", "none"),
    "music": ("live", "quiet", "jazz", "pop"),
    "dress": ("casual", "smart", "formal"),
    "payment": ("cash", "card", "voucher"),
}
"""The slots and their values; a domain of S slots has the first S."""
DETAILS = ("address", "phone", "postcode", "opening hours", "menu")
"""Details of a place that a user can ask for; they are no constraints."""
DONTCARE = max(map(len, SLOTS.values()))
"""The value for a slot that does not matter: the last of ``VALUES`` values in every slot, also in those with fewer."""
VALUES = DONTCARE + 1

PYDIAL = {
    "env1": (0.0, "info", "friendly"),
    "env2": (0.0, "none", "friendly"),
    "env3": (0.15, "info", "friendly"),
    "env4": (0.15, "none", "friendly"),
    "env5": (0.15, "info", "unfriendly"),
    "env6": (0.30, "info", "friendly"),
}
"""The benchmark's six settings: ``error_rate``, ``action_masks`` and ``user_model`` of each."""


def sizes(num_slots: int) -> np.ndarray:
    """(S,) how many values each slot has, without ``DONTCARE``."""
    return np.array([len(values) for values in list(SLOTS.values())[:num_slots]])


def database(num_slots: int, seed: int) -> np.ndarray:
    """(ROWS, S) int64 values of the places, drawn uniformly from a separate generator."""
    return np.random.default_rng(seed).integers(sizes(num_slots), size=(ROWS, num_slots))


def slot_name(slot: int) -> str:
    """The name of a slot."""
    return list(SLOTS)[slot]


def value_name(slot: int, value: int) -> str:
    """The name of a slot's value."""
    return "any" if value == DONTCARE else SLOTS[slot_name(slot)][value]


def place_name(row: int) -> str:
    """The name of a row of the database; all differ."""
    first = ("Golden", "Old", "Little", "Royal", "Blue", "Green", "Silver", "Happy", "Red", "White")
    second = ("Lantern", "Mill", "Garden", "Oak", "Swan", "Table")
    return f"{first[row % 10]} {second[row // 10]}"
