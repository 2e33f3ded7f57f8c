"""Trees of arrays: an array, or a dict or tuple of trees. Observations, actions and states are such trees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

State = dict[str, np.ndarray]
"""An environment's whole state: arrays by name, the batch first."""
Indices = np.ndarray | slice
"""Some instances of a batch: their indices, or ``slice(None)`` for all, which is faster."""


def map_tree(f: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply f to every leaf (and the leaves at the same places in other trees); a tree of the same structure."""
    if isinstance(tree, dict):
        return {key: map_tree(f, tree[key], *(o[key] for o in others)) for key in tree}
    if isinstance(tree, tuple):
        return tuple(map_tree(f, *leaves) for leaves in zip(tree, *others, strict=True))
    return f(tree, *others)


def native(array: Any) -> np.ndarray:
    """An array that torch accepts: in native byte order and without negative strides; copied only if needed."""
    array = np.asarray(array)
    return np.asarray(array, array.dtype.newbyteorder("="), order="C")


def leaves(tree: Any) -> list[Any]:
    """The leaves of a tree, in order."""
    found: list[Any] = []
    map_tree(found.append, tree)
    return found


def leading(tree: Any, space: gym.Space[Any]) -> int:
    """The number of leading dimensions, before those of one observation."""
    if isinstance(space, gym.spaces.Dict):
        key = next(iter(space.spaces))
        return leading(tree[key], space.spaces[key])
    if isinstance(space, gym.spaces.Tuple):
        return leading(tree[0], space.spaces[0])
    return int(tree.ndim) - len(space.shape or ())


def take(tree: Any, rows: Indices) -> Any:
    """A tree with copies of these rows of every array."""
    if isinstance(tree, dict):  # the states of environments, at every step
        return {key: x[rows] if type(x) is np.ndarray else take(x, rows) for key, x in tree.items()}
    return map_tree(lambda array: np.asarray(array)[rows], tree)


def put(state: State, rows: Indices, new: State) -> State:
    """A new state with these rows replaced."""
    result = {name: array.copy() for name, array in state.items()}
    for name, array in new.items():
        result[name][rows] = array
    return result


def copied(tree: Any) -> Any:
    """A tree that shares no memory with the given one."""
    if type(tree) is np.ndarray:  # the observations of environments, at every step
        return tree.copy()
    if isinstance(tree, dict):
        return {key: x.copy() if type(x) is np.ndarray else copied(x) for key, x in tree.items()}
    return map_tree(np.array, tree)


def first(tree: Any) -> Any:
    """A copy of the first row of every array; for arrays of one dimension the first number."""
    if isinstance(tree, dict):  # the observations of single environments, at every step
        return {key: first(x) for key, x in tree.items()}
    if isinstance(tree, tuple):
        return tuple(first(x) for x in tree)
    row = tree[0]
    if type(row) is np.ndarray:
        return row.copy()
    return row if isinstance(row, np.generic) else np.array(tree)[0]
