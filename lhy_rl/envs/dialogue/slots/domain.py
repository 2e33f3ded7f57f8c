"""What a slot-filling dialogue is about: places to eat, each with a value for every slot, and details to ask for."""

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
"""The slots, in the order in which a smaller domain takes them, and their values."""
DETAILS = ("address", "phone", "postcode", "opening hours", "menu")
"""What can be asked of a place, and is no constraint."""
DONTCARE = max(map(len, SLOTS.values()))
"""The value of whoever does not mind; in every slot the last of ``VALUES`` values, some of which a slot may lack."""
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
    """(S,) how many values each slot has, without the one of whoever does not mind."""
    return np.array([len(values) for values in list(SLOTS.values())[:num_slots]])


def database(num_slots: int, seed: int) -> np.ndarray:
    """(ROWS, S) int64 values of the places, drawn uniformly from a generator of their own."""
    return np.random.default_rng(seed).integers(sizes(num_slots), size=(ROWS, num_slots))


def slot_name(slot: int) -> str:
    """Of a slot, in words."""
    return list(SLOTS)[slot]


def value_name(slot: int, value: int) -> str:
    """Of a slot's value, in words."""
    return "any" if value == DONTCARE else SLOTS[slot_name(slot)][value]


def place_name(row: int) -> str:
    """Of a row of the database; all differ."""
    first = ("Golden", "Old", "Little", "Royal", "Blue", "Green", "Silver", "Happy", "Red", "White")
    second = ("Lantern", "Mill", "Garden", "Oak", "Swan", "Table")
    return f"{first[row % 10]} {second[row // 10]}"
