"""Random expressions as tables of nodes: drawing, evaluating and writing them.

A table has the nodes in the order of a heap: the children of row i are rows 2i + 1 and 2i + 2, so that level k of the
tree is rows 2^k - 1 to 2^(k+1) - 2. Rows without a node are (0, -1, -1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

Operation = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""Left and right values and the number of values to values."""


@dataclass(frozen=True)
class Calculus:
    """Operators over the values 0 to V - 1.

    Attributes:
        signs: How each operator is written.
        operations: The function of each operator, of its left and right values.
        infix: Whether a sign is written between its operands, or before them as a name.
        unary: Whether an operator has one operand only, the left one.
    """

    signs: tuple[str, ...]
    operations: tuple[Operation, ...]
    infix: bool = False
    unary: bool = False


def add(a: np.ndarray, b: np.ndarray, v: int) -> Any:
    return (a + b) % v


def subtract(a: np.ndarray, b: np.ndarray, v: int) -> Any:
    return (a - b) % v


def multiply(a: np.ndarray, b: np.ndarray, v: int) -> Any:
    return a * b % v


def least(a: np.ndarray, b: np.ndarray, v: int) -> Any:
    return np.minimum(a, b)


def greatest(a: np.ndarray, b: np.ndarray, v: int) -> Any:
    return np.maximum(a, b)


def first(a: np.ndarray, b: np.ndarray, v: int) -> Any:
    return a


def last(a: np.ndarray, b: np.ndarray, v: int) -> Any:
    return b


def scaled(a: np.ndarray, b: np.ndarray, v: int, factor: int) -> Any:
    return factor * a % v


def shifted(a: np.ndarray, b: np.ndarray, v: int, step: int) -> Any:
    return (a + step) % v


# functions with names, so that an environment that holds one can be pickled
CALCULI = {
    "arithmetic": Calculus(("+", "-", "*"), (add, subtract, multiply), infix=True),
    "lists": Calculus(("MIN", "MAX", "FIRST", "LAST", "SUM"), (least, greatest, first, last, add)),
    "unary": Calculus(
        ("NEGATE", "NEXT", "BACK", "DOUBLE", "TRIPLE", "SKIP"),
        (
            partial(scaled, factor=-1),
            partial(shifted, step=1),
            partial(shifted, step=-1),
            partial(scaled, factor=2),
            partial(scaled, factor=3),
            partial(shifted, step=2),
        ),
        unary=True,
    ),
}

SPLITS = ("all", "train", "test")


def level_rows(level: int) -> slice:
    """The rows of a level of a table."""
    return slice(2**level - 1, 2 ** (level + 1) - 1)


def held_out_distances(num_operators: int) -> np.ndarray:
    """Cyclic distances of an operator from its parent's for which the pair is held out."""
    return np.arange(1, 1 + max(1, num_operators // 3))


def drawn_tables(
    n: int,
    rng: np.random.Generator,
    depths: tuple[int, int],
    rows: int,
    num_values: int,
    calculus: Calculus,
    split: str = "all",
) -> np.ndarray:
    """(n, rows, 3) int16 tables of random trees.

    Args:
        n: Number of trees.
        rng: Draws them.
        depths: The least and the greatest height of a tree; heights are uniform.
        rows: Rows of a table, 2^(d+1) - 1 for heights up to d.
        num_values: Symbols 1 to V are the values 0 to V - 1.
        calculus: Symbols V + 1, ... are its operators.
        split: ``train`` has no held-out pair of an operator and its parent's, ``test`` has no other pairs.
    """
    count = len(calculus.signs)
    held_out = held_out_distances(count)
    distances = held_out if split == "test" else np.setdiff1d(np.arange(count), held_out)
    operators = np.zeros((n, 0), np.int64)
    table = np.full((n, rows, 3), -1, np.int16)
    table[..., 0] = 0
    height = rng.integers(depths[0], depths[1], size=(n, 1), endpoint=True)  # of the subtrees of a level; -1: no node
    for level in range(depths[1] + 1):
        inner, leaf, where = height > 0, height == 0, level_rows(level)
        values = rng.integers(1, num_values, size=height.shape, endpoint=True)
        if split == "all" or level == 0:
            operators = rng.integers(count, size=height.shape)
        else:
            operators = (operators.repeat(2, 1) + rng.choice(distances, size=height.shape)) % count
        table[:, where, 0] = np.where(leaf, values, np.where(inner, num_values + 1 + operators, 0))
        row = np.arange(where.start, where.stop)
        for side in (1,) if calculus.unary else (1, 2):
            table[:, where, side] = np.where(inner, 2 * row + side, -1)
        lower = rng.integers(np.maximum(height, 1))  # one child has the greatest height, the other any height up to it
        tall_left = rng.random(height.shape) < 0.5
        pair = np.stack([np.where(tall_left, height - 1, lower), np.where(tall_left, lower, height - 1)], -1)
        if calculus.unary:
            pair = np.stack([height - 1, np.full_like(height, -1)], -1)
        height = np.where(inner[..., None], pair, -1).reshape(n, -1)
    return table


def values_of(table: np.ndarray, num_values: int, calculus: Calculus) -> np.ndarray:
    """(B, rows) the value of each node; 0 where there is none."""
    symbol = table[..., 0].astype(np.int64)
    value = np.where(symbol > num_values, 0, np.maximum(symbol - 1, 0))
    for level in reversed(range(_levels(table) - 1)):
        where, below = level_rows(level), value[:, level_rows(level + 1)]
        left, right = below[:, ::2], below[:, 1::2]
        for i, operation in enumerate(calculus.operations):
            chosen = symbol[:, where] == num_values + 1 + i
            value[:, where] = np.where(chosen, operation(left, right, num_values), value[:, where])
    return value


def token_strings(table: np.ndarray, close: int) -> tuple[np.ndarray, np.ndarray]:
    """Trees as strings: a value is its symbol, and a node its operator, its left and its right string, and ``close``.

    Returns:
        Tokens (B, L) int64 padded with zeros, and (B,) lengths; L is the length of a full tree.
    """
    batch, depth = len(table), _levels(table) - 1
    symbol, inner = table[..., 0].astype(np.int64), table[..., 1] >= 0
    length = (symbol > 0).astype(np.int64)
    for level in reversed(range(depth)):
        below, where = length[:, level_rows(level + 1)], level_rows(level)
        length[:, where] = np.where(inner[:, where], 2 + below[:, ::2] + below[:, 1::2], length[:, where])
    tokens = np.zeros((batch, full_length(depth)), np.int64)
    place = np.zeros((batch, 1), np.int64)  # where the strings of a level's nodes begin
    for level in range(depth + 1):
        where = level_rows(level)
        tree, node = np.nonzero(symbol[:, where])
        tokens[tree, place[tree, node]] = symbol[:, where][tree, node]
        tree, node = np.nonzero(inner[:, where])
        tokens[tree, place[tree, node] + length[:, where][tree, node] - 1] = close
        if level < depth:
            below = length[:, level_rows(level + 1)]
            place = np.stack([place + 1, place + 1 + below[:, ::2]], -1).reshape(batch, -1)
    return tokens, length[:, 0]


def full_length(depth: int) -> int:
    """The tokens of a full tree of this height."""
    leaves: int = 2**depth
    return leaves + 2 * (leaves - 1)


def written(table: np.ndarray, num_values: int, calculus: Calculus, row: int = 0) -> str:
    """One table (rows, 3) as text: ``(2 + 3) * 4``, ``[MAX 2 [MIN 1 3]]`` or ``NEXT(3)``."""
    symbol, left, right = table[row].tolist()
    if symbol <= num_values:
        return str(symbol - 1)
    sign = calculus.signs[symbol - num_values - 1]
    parts = [written(table, num_values, calculus, child) for child in (left, right) if child >= 0]
    if calculus.unary:
        return f"{sign}({parts[0]})"
    if not calculus.infix:
        return f"[{sign} {' '.join(parts)}]"
    parts = [f"({part})" if " " in part else part for part in parts]
    return f"{parts[0]} {sign} {parts[1]}"


def _levels(table: np.ndarray) -> int:
    """Number of levels of tables (B, rows, 3)."""
    return int(table.shape[1]).bit_length()
