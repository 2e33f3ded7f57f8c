"""Topographic similarity: whether similar meanings have similar messages, as in a language, unlike arbitrary names."""

from __future__ import annotations

import numpy as np

from lhy_rl.core.errors import UserError


def topographic_similarity(meanings: np.ndarray, messages: np.ndarray) -> float:
    """rho(d(m_i, m_j), d(w_i, w_j)) over all pairs i < j   (Brighton and Kirby 2006).

    rho is Spearman's correlation, as in Lazaridou et al. 2018; d is the number of attributes that differ between two
    meanings (Hamming), and of edits that turn one message into the other (Levenshtein). 1: the more meanings differ,
    the more their messages do; about 0: messages are assigned at random.

    Args:
        meanings: (N, F) whole numbers, the values of attributes.
        messages: (N, T) whole numbers, the symbols.

    Returns:
        -1 to 1; NaN where all distances of meanings, or all of messages, are equal.

    Raises:
        UserError: they are not two tables of equally many rows, or have fewer than three rows.
    """
    meanings, messages = np.asarray(meanings), np.asarray(messages)
    if meanings.ndim != 2 or messages.ndim != 2 or len(meanings) != len(messages) or len(meanings) < 3:
        raise UserError(
            f"meanings of shape {meanings.shape} and messages of shape {messages.shape} are not allowed; they must be "
            "(N, F) and (N, T), of at least 3 rows"
        )
    first, second = np.triu_indices(len(meanings), 1)
    differing = (meanings[first] != meanings[second]).sum(1)
    edited = edit_distance(messages[first], messages[second])
    a, b = average_ranks(differing), average_ranks(edited)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")


def edit_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(P,) int64: insertions, deletions and replacements that turn one sequence into the other (Levenshtein 1966).

    Args:
        first: (P, T) symbols of P sequences.
        second: (P, U) symbols of the sequences to compare with, row by row.
    """
    row = np.tile(np.arange(second.shape[1] + 1), (len(first), 1))  # distances from the empty prefix of first
    for i in range(first.shape[1]):
        above, row = row, np.empty_like(row)
        row[:, 0] = i + 1
        for j in range(second.shape[1]):
            replaced = above[:, j] + (first[:, i] != second[:, j])
            row[:, j + 1] = np.minimum(replaced, np.minimum(above[:, j + 1], row[:, j]) + 1)
    distance: np.ndarray = row[:, -1]
    return distance


def average_ranks(values: np.ndarray) -> np.ndarray:
    """(N,) ranks from 1 up; equal values share the mean of their ranks."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray = (np.cumsum(counts) - (counts - 1) / 2)[index]
    return ranks
