"""N-grams with interpolated modified Kneser-Ney smoothing, estimated by counting.

    p(w | c) = max(a(c w) - D(a(c w)), 0) / sum_v a(c v)  +  b(c) p(w | c'),     c' = c without its first token

b(c) is the mass left over by the discounts, so that all p(. | c) sum to 1. a(.) is the count of an n-gram of the
highest order; for a shorter one it is the number of different tokens that precede it, so that "francisco", frequent but
only after "san", is not expected elsewhere (Kneser and Ney 1995). An n-gram at the beginning of a sentence keeps its
count (Heafield et al. 2013, section 3). The discounts of the counts 1, 2, and 3 and more are estimated from the numbers
of n-grams of each order with counts 1 to 4 (Chen and Goodman 1999, section 3, "modified Kneser-Ney"):

    D_k = k - (k + 1) Y n_{k+1} / n_k,     Y = n_1 / (n_1 + 2 n_2)

Unigrams back off to the uniform distribution. This is the baseline to beat on little text: it takes seconds to fit, and
scores hundreds of thousands of tokens a second.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.core.saved_states import fitting
from lhy_rl.core.validation import integer
from lhy_rl.nn.language_models.base import LanguageModel

FALLBACK = (0.5, 1.0, 1.5)
"""Discounts if the text is too small to estimate them; those of KenLM."""
ROWS = 8192  # sentences scored at a time


class Grams(NamedTuple):
    """The n-grams of one order k, numbered in the order of their keys."""

    keys: np.ndarray
    """(G,) int64, ascending: index of the first k - 1 tokens as a (k-1)-gram, times V, plus the last token."""
    discounted: np.ndarray
    """(G,) float64, the first summand of p(w | c)."""
    left_over: np.ndarray
    """(number of (k-1)-grams,) float64, b(c); 1 if c was never followed by anything."""


class NGramModel(LanguageModel):
    """Counts of up to ``order`` tokens, smoothed by interpolated modified Kneser-Ney (Chen and Goodman 1999).

    Args:
        vocabulary_size: V, number of tokens that may come next.
        order: Longest n-gram, 1 to 5. 3 is usual for 10^5 to 10^7 tokens.
    """

    def __init__(self, vocabulary_size: int, order: int = 3) -> None:
        super().__init__(vocabulary_size)
        self.order = integer("order", order, 1, 5)
        self.tables: list[Grams] = []
        """The n-grams of the orders 1 to ``order``."""

    def fit(self, sequences: TokenSequences, validation: TokenSequences | None = None) -> Self:
        numbers = [self._with_start(*self.training_sentences(sequences))]  # (N, 1 + T): of the k-gram that ends there
        keys, firsts, counts = [np.arange(self.vocabulary_size)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for _ in range(1, self.order):
            key, known = self._keys(numbers[-1], numbers[0])
            found, first, number, count = np.unique(key[known], True, True, True)  # with index, inverse and counts
            numbers.append(_placed(number, known))
            keys.append(found)
            firsts.append(np.flatnonzero(np.pad(known, ((0, 0), (1, 0))))[first])  # where each occurs first
            counts.append(count)
        self.tables = []
        for k, key in enumerate(keys):  # of the n-grams with k tokens before the last
            if k + 1 < self.order:
                adjusted = np.bincount(numbers[k].ravel()[firsts[k + 1]], minlength=len(key))
                if k:
                    begins = firsts[k] % numbers[0].shape[1] == k
                    adjusted = np.where(begins, counts[k], adjusted)
            else:
                adjusted = counts[k] if k else np.bincount(_predicted(numbers[0]), minlength=len(key))
            size = len(keys[k - 1]) + (k == 1) if k else 1  # the start token is a context, too
            self.tables.append(_smoothed(key, key // self.vocabulary_size, adjusted, size))
        return self

    def score(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        if not self.tables:
            raise UserError("this n-gram model is not fitted; call fit(sentences) first")
        result = np.zeros(tokens.shape)
        for first in range(0, len(tokens), ROWS):
            rows = slice(first, first + ROWS)
            result[rows] = self._score(tokens[rows], lengths[rows])
        return result

    def _score(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        words = numbers = self._with_start(tokens, lengths)
        unigrams = self.tables[0]
        p = unigrams.discounted[tokens] + unigrams.left_over[0] / self.vocabulary_size  # (N, T)
        for grams in self.tables[1:]:
            if not len(grams.keys):  # no sentence was so long
                break
            key, known = self._keys(numbers, words)
            wanted = key[known]
            place = np.searchsorted(grams.keys, wanted).clip(max=len(grams.keys) - 1)
            found = grams.keys[place] == wanted
            p[known] = found * grams.discounted[place] + grams.left_over[numbers[:, :-1][known]] * p[known]
            numbers = _placed(np.where(found, place, -1), known)
        return np.where(words[:, 1:] >= 0, np.log(p), 0.0)

    def _with_start(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(N, 1 + T): the tokens after the start token V, and -1 after their ends."""
        inside = np.arange(tokens.shape[1]) < lengths[:, None]
        start = np.full((len(tokens), 1), self.vocabulary_size)
        return np.concatenate([start, np.where(inside, tokens, -1)], 1)

    def _keys(self, numbers: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, T) keys of the n-grams one token longer than those ending one place before, and which of them exist."""
        known = (numbers[:, :-1] >= 0) & (words[:, 1:] >= 0)
        return numbers[:, :-1] * self.vocabulary_size + words[:, 1:], known

    # ------------------------------------------------------------------ its file
    def state_dict(self) -> dict[str, Any]:
        return {"tables": [dict(grams._asdict()) for grams in self.tables]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with fitting(f"this state is not one of an n-gram model of order {self.order}"):
            tables = [Grams(*(np.asarray(table[name]) for name in Grams._fields)) for table in state["tables"]]
            if len(tables) not in (0, self.order):
                raise ValueError(f"it has {len(tables)} orders")
            contexts = 1
            for k, grams in enumerate(tables):
                kinds = grams.keys.dtype.kind, grams.discounted.dtype.kind, grams.left_over.dtype.kind
                shapes = grams.keys.shape, grams.discounted.shape, grams.left_over.shape
                if kinds != ("i", "f", "f") or shapes != (grams.keys.shape[:1], grams.keys.shape[:1], (contexts,)):
                    raise ValueError(f"its arrays of order {k + 1} have the wrong types or lengths")
                if (k == 0 and len(grams.keys) != self.vocabulary_size) or np.any(np.diff(grams.keys) <= 0):
                    raise ValueError(f"its keys of order {k + 1} are not ascending or not complete")
                contexts = len(grams.keys) + (k == 0)
        self.tables = tables


def _predicted(words: np.ndarray) -> np.ndarray:
    """All tokens except the start tokens, flattened."""
    return words[:, 1:][words[:, 1:] >= 0]


def _placed(numbers: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N, 1 + T): the numbers where they are known, -1 elsewhere."""
    result = np.full((len(known), known.shape[1] + 1), -1)
    result[:, 1:][known] = numbers
    return result


def discounts(counts: np.ndarray) -> np.ndarray:
    """(4,) discounts of the counts 0, 1, 2, and 3 and more (Chen and Goodman 1999, section 3).

    Args:
        counts: Counts of the n-grams of one order. If one of the counts 1 to 4 does not occur, or an estimate is
            negative, the discounts are :data:`FALLBACK`.
    """
    n = np.bincount(counts[counts <= 4], minlength=5)[:5]
    if not n[1:].all():
        return np.array([0.0, *FALLBACK])
    y = n[1] / (n[1] + 2 * n[2])
    found = [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
    return np.array([0.0, *(found if min(found) >= 0 else FALLBACK)])


def _smoothed(keys: np.ndarray, contexts: np.ndarray, counts: np.ndarray, number_of_contexts: int) -> Grams:
    """Discounted probabilities and the mass left over, from adjusted counts."""
    off = np.minimum(discounts(counts)[np.minimum(counts, 3)], counts)
    total = np.bincount(contexts, counts, number_of_contexts)
    left_over = np.bincount(contexts, off, number_of_contexts) / np.maximum(total, 1)
    return Grams(keys, (counts - off) / np.maximum(total, 1)[contexts], np.where(total > 0, left_over, 1.0))
