"""The largest count of each n-gram in any one sentence of a set, to which BLEU clips counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


class LargestCounts:
    """The largest count of each n-gram of 1 to ``max_order`` words within one sentence, over all sentences.

    N-grams are counted by sorting numbers, not by hashing tuples of words: an n-gram is the number of its first n - 1
    words and its last word, so that a million of them take a second.

    Args:
        sentences: The sentences, each a sequence of words.
        max_order: Longest n-gram.
    """

    def __init__(self, sentences: Iterable[Sequence[str]], max_order: int) -> None:
        self._words: dict[str, int] = {}
        words: list[int] = []
        sizes: list[int] = []
        for sentence in sentences:
            words += [self._words.setdefault(word, len(self._words)) for word in sentence]
            sizes.append(len(sentence))
        ids, size = np.array(words, np.int64), np.array(sizes, np.int64)
        of = np.repeat(np.arange(len(size)), size)  # (N,) the sentence of each word
        left = np.repeat(np.cumsum(size), size) - np.arange(len(ids))  # words from here to the sentence's end
        self._number: list[dict[int, int]] = []  # by order: (number of the first words, last word) to its own number
        self._most: list[list[int]] = []  # by order and number
        before = np.zeros(len(ids), np.int64)
        for order in range(1, max_order + 1):
            starts = np.flatnonzero(left >= order)
            keys = before[starts] * max(len(self._words), 1) + ids[starts + order - 1]
            known, number = np.unique(keys, return_inverse=True)
            pairs, counts = np.unique(number * max(len(size), 1) + of[starts], return_counts=True)
            most = np.zeros(len(known), np.int64)
            np.maximum.at(most, pairs // max(len(size), 1), counts)  # the largest of the sentences that have it
            self._number.append(dict(zip(known.tolist(), range(len(known)), strict=True)))
            self._most.append(most.tolist())
            before = np.zeros(len(ids), np.int64)
            before[starts] = number

    def get(self, gram: Sequence[str], default: int = 0) -> int:
        """The largest count of an n-gram; ``default`` where no sentence has it."""
        number: int | None = 0
        for known, word in zip(self._number, gram, strict=False):
            last = self._words.get(word)
            number = None if last is None else known.get(number * len(self._words) + last)  # type: ignore[operator]
            if number is None:
                return default
        return self._most[len(gram) - 1][number]  # type: ignore[index]
