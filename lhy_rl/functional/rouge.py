"""ROUGE-L: the share of words, in order, that a text and its reference have in common.

    R = LCS(w, r) / |r|,   P = LCS(w, r) / |w|,   F = 2 P R / (P + R)        (Lin 2004, section 3)

with LCS the length of the longest common subsequence, and precision and recall weighted alike, as the package
rouge-score does.
"""

from __future__ import annotations

import numpy as np


def longest_common_subsequence(
    written: np.ndarray, written_lengths: np.ndarray, reference: np.ndarray, reference_lengths: np.ndarray
) -> np.ndarray:
    """(N,) lengths, of rows (N, T) and (N, S) of tokens; tokens beyond the lengths (N,) are ignored."""
    table = np.zeros((len(written), written.shape[1] + 1, reference.shape[1] + 1), np.int64)
    for t in range(written.shape[1]):
        for s in range(reference.shape[1]):
            equal = written[:, t] == reference[:, s]
            longer = np.maximum(table[:, t, s + 1], table[:, t + 1, s])
            table[:, t + 1, s + 1] = np.where(equal, table[:, t, s] + 1, longer)
    result: np.ndarray = table[np.arange(len(written)), written_lengths, reference_lengths]
    return result


def rouge_l(
    written: np.ndarray, written_lengths: np.ndarray, reference: np.ndarray, reference_lengths: np.ndarray
) -> np.ndarray:
    """(N,) ROUGE-L F, 0 to 1; the arguments are those of :func:`longest_common_subsequence`."""
    common = longest_common_subsequence(written, written_lengths, reference, reference_lengths)
    f: np.ndarray = 2 * common / np.maximum(written_lengths + reference_lengths, 1)
    return f
