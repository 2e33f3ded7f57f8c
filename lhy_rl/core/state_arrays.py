"""States and observations as trees of arrays, the batch first."""

from __future__ import annotations

from typing import Any

import numpy as np

State = dict[str, np.ndarray]
"""An environment's whole state: arrays by name, the batch first."""


def take(state: State, rows: np.ndarray) -> State:
    """These rows of every array, copied."""
    return {name: array[rows] for name, array in state.items()}


def put(state: State, rows: np.ndarray, new: State) -> State:
    """A state with these rows replaced; the given one stays as it is."""
    result = {name: array.copy() for name, array in state.items()}
    for name, array in new.items():
        result[name][rows] = array
    return result


def take_any(tree: Any, rows: np.ndarray) -> Any:
    """These rows of an array, or of all arrays of a dict or tuple."""
    if isinstance(tree, dict):
        return {key: take_any(value, rows) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return tuple(take_any(value, rows) for value in tree)
    return np.asarray(tree)[rows]


def copied(tree: Any) -> Any:
    """An array, or a dict or tuple of them, that shares no memory with the given one."""
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    if isinstance(tree, tuple):
        return tuple(copied(value) for value in tree)
    return np.array(tree)
