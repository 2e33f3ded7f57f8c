"""Quality and variety of generated sentences: BLEU against a shared reference set, self-BLEU, distinct n-grams.

There are three conventions for distinct n-grams, which must not be compared with each other. Li et al. (2016) divide by
the number of tokens (:func:`distinct_per_token`), ParlAI's ``interdistinct`` divides by the number of n-grams
(:func:`distinct_n`), and its ``intradistinct`` is computed for each sentence alone (:func:`intra_distinct`). The first
two fall with the amount of text, so compare equal numbers of tokens.

A sentence is a sequence of token ids or of words without white space inside, or a string whose tokens are separated by
white space. All scores are between 0 and 1. N-grams are counted and BLEU is computed by sacrebleu's public functions.

BLEU as the text-GAN literature reports it (Yu et al. 2017; Zhu et al. 2018, Texygen) is the mean over the generated
sentences of the sentence's BLEU, every one against the whole reference set, with NLTK's smoothing "method 1": an order
without a match counts 0.1 matches (sacrebleu's "floor"; Chen and Cherry 2014), even if the sentence is too short for
that order. That is the default here. ``effective_order=True`` leaves such orders out, as sacrebleu recommends for
sentences; a hypothesis of one known word then has BLEU 1, so do not use it as a reward.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.helpers import extract_all_word_ngrams

from lhy_rl.core.errors import UserError
from lhy_rl.functional.ngram_counts import LargestCounts

Sentence = str | Sequence[int] | Sequence[str] | np.ndarray
Gram = tuple[str, ...]


MANY = 300  # references from which on counting by sorting is faster


class BleuScorer:
    """BLEU against one reference set, whose n-gram counts are merged once.

    Args:
        references: The reference sentences.
        max_order: Longest n-gram.
        effective_order: Leave out the orders for which a hypothesis is too short; see the module's docstring.

    Raises:
        UserError: no reference, or ``max_order`` below 1.
    """

    def __init__(self, references: Iterable[Sentence], max_order: int = 4, effective_order: bool = False) -> None:
        if max_order < 1:
            raise UserError(f"max_order={max_order} is not allowed; must be at least 1")
        self.max_order = max_order
        self.effective_order = effective_order
        words = [_plain(reference).split() for reference in references]
        if not words:
            raise UserError("BLEU needs at least one reference sentence; none was given")
        self._lengths = sorted(set(map(len, words)))
        # over the references, the largest count of each n-gram
        self._most = (LargestCounts if len(words) >= MANY else _largest_counts)(words, max_order)

    def score(self, hypotheses: Sequence[Sentence]) -> dict[int, float]:
        """Mean sentence BLEU for the orders 2 to ``max_order``: ``{2: 0.71, 3: 0.42, 4: 0.25}``.

        Raises:
            UserError: no hypothesis.
        """
        if not len(hypotheses):
            raise UserError("BLEU needs at least one hypothesis; none was given")
        matches = [self._match(*_count(hypothesis, self.max_order)) for hypothesis in hypotheses]
        sizes = range(min(2, self.max_order), self.max_order + 1)
        return {n: float(np.mean([_bleu(*match, n, self.effective_order) for match in matches])) for n in sizes}

    def sentence_scores(self, hypotheses: Iterable[Sentence], order: int | None = None) -> np.ndarray:
        """(N,) float64: BLEU of each hypothesis, of the given order; None takes ``max_order``.

        Raises:
            UserError: an order that was not counted.
        """
        order = self.max_order if order is None else order
        if not 1 <= order <= self.max_order:
            raise UserError(f"order={order} is not allowed; must be from 1 to max_order={self.max_order}")
        matches = (self._match(*_count(hypothesis, order)) for hypothesis in hypotheses)
        return np.array([_bleu(*match, order, self.effective_order) for match in matches])

    def _match(self, counts: Counter[Gram], length: int) -> Match:
        return *_clipped(counts, self._most, self.max_order), length, _closest(self._lengths, length)


def _largest_counts(sentences: list[list[str]], max_order: int) -> dict[Gram, int]:
    """Like :class:`LargestCounts`, which takes ten times as long for one sentence and a tenth for 100,000 of them."""
    most: dict[Gram, int] = {}
    for sentence in sentences:
        for gram, count in _count(sentence, max_order)[0].items():
            if most.get(gram, 0) < count:
                most[gram] = count
    return most


Match = tuple[list[int], list[int], int, int]  # matched and present n-grams per order; hypothesis and reference length


def self_bleu(sentences: Sequence[Sentence], max_order: int = 4, effective_order: bool = False) -> dict[int, float]:
    """Mean BLEU of each sentence against all others, for the orders 2 to ``max_order``; high means little variety.

    Exact, in time linear in the number of sentences: for each n-gram the largest count, the sentence that has it and
    the largest count of all others are kept; a sentence is compared with one or the other (measure: Zhu et al. 2018).

    Raises:
        UserError: fewer than two sentences, or ``max_order`` below 1.
    """
    if len(sentences) < 2:
        raise UserError(f"self-BLEU compares sentences with each other; {len(sentences)} given, at least 2 are needed")
    if max_order < 1:
        raise UserError(f"max_order={max_order} is not allowed; must be at least 1")
    counted = [_count(sentence, max_order) for sentence in sentences]
    best: dict[Gram, int] = {}
    owner: dict[Gram, int] = {}
    second: dict[Gram, int] = {}
    for index, (counts, _) in enumerate(counted):
        for gram, count in counts.items():
            if count > best.get(gram, 0):
                second[gram] = best.get(gram, 0)
                best[gram], owner[gram] = count, index
            elif count > second[gram]:
                second[gram] = count
    population = Counter(length for _, length in counted)
    all_lengths = sorted(population)

    matches: list[Match] = []
    for index, (counts, length) in enumerate(counted):
        others = {gram: second[gram] if owner[gram] == index else best[gram] for gram in counts}
        lengths = all_lengths if population[length] > 1 else [other for other in all_lengths if other != length]
        matches.append((*_clipped(counts, others, max_order), length, _closest(lengths, length)))
    sizes = range(min(2, max_order), max_order + 1)
    return {n: float(np.mean([_bleu(*match, n, effective_order) for match in matches])) for n in sizes}


def unique_ngrams(sentences: Iterable[Sentence], order: int) -> int:
    """The number of different n-grams of the order in all sentences together."""
    return len(_grams(sentences, order))


def distinct_n(sentences: Iterable[Sentence], order: int) -> float:
    """Different n-grams over all n-grams, of all sentences together (ParlAI's interdistinct); 0 without any."""
    counts = _grams(sentences, order)
    return len(counts) / max(counts.total(), 1)


def distinct_per_token(sentences: Sequence[Sentence], order: int, tokens: int | None = None) -> float:
    """Different n-grams over the number of tokens (Li et al. 2016, "distinct-1" and "distinct-2"); 0 without any.

    Args:
        tokens: Count only this many tokens from the beginning; the last sentence is cut short. More tokens repeat more,
            so texts must be compared at equal numbers.

    Raises:
        UserError: ``order`` or ``tokens`` below 1.
    """
    if tokens is not None:
        sentences = _first_tokens(sentences, tokens)
    return len(_grams(sentences, order)) / max(count_tokens(sentences), 1)


def intra_distinct(sentences: Iterable[Sentence], order: int) -> float:
    """Different n-grams over all n-grams of a sentence, mean over the sentences (ParlAI's intradistinct).

    A sentence that is too short for an n-gram counts 0, as in ParlAI.

    Raises:
        UserError: no sentence.
    """
    shares = [distinct_n([sentence], order) for sentence in sentences]
    if not shares:
        raise UserError("intra-distinct needs at least one sentence; none was given")
    return float(np.mean(shares))


def count_tokens(sentences: Iterable[Sentence]) -> int:
    """The number of tokens in all sentences."""
    return sum(len(_words(sentence)) for sentence in sentences)


def kl_per_token(log_probs: np.ndarray, other_log_probs: np.ndarray, lengths: np.ndarray) -> float:
    """KL(p || q) in nats per token, from samples of p: the mean of log p(x_t | x_<t) - log q(x_t | x_<t).

    Unbiased for the KL of whole sentences over their mean length; with few sentences it may be below 0.

    Args:
        log_probs, other_log_probs: (N, T) log-probabilities of the tokens under p and under q.
        lengths: (N,) tokens of each sentence.

    Raises:
        UserError: no token.
    """
    mask = np.arange(log_probs.shape[1]) < np.asarray(lengths)[:, None]
    if not mask.any():
        raise UserError("the KL needs at least one token; none was given")
    return float((log_probs.astype(np.float64) - other_log_probs)[mask].mean())


def unpadded(tokens: np.ndarray, end_token: int | None = None, lengths: np.ndarray | None = None) -> list[list[int]]:
    """A padded batch as sentences for the metrics above.

    Args:
        tokens: (N, T) token ids.
        end_token: A sentence stops before its first end token.
        lengths: (N,) number of tokens of each sentence; None: all T.
    """
    rows: list[list[int]] = np.asarray(tokens).tolist()
    if lengths is not None:
        rows = [row[:length] for row, length in zip(rows, np.asarray(lengths).tolist(), strict=True)]
    if end_token is not None:
        rows = [row[: row.index(end_token)] if end_token in row else row for row in rows]
    return rows


def _words(sentence: Sentence) -> Sequence[int] | Sequence[str] | np.ndarray:
    """A sentence as a sequence of tokens."""
    return sentence.split() if isinstance(sentence, str) else sentence


def _first_tokens(sentences: Iterable[Sentence], tokens: int) -> list[Sentence]:
    """The sentences up to a number of tokens; the last sentence is cut short."""
    if tokens < 1:
        raise UserError(f"tokens={tokens} is not allowed; must be at least 1")
    kept: list[Sentence] = []
    for sentence in map(_words, sentences):
        kept.append(sentence[:tokens])
        tokens -= len(kept[-1])
        if tokens == 0:
            break
    return kept


def _count(sentence: Sentence, max_order: int, min_order: int = 1) -> tuple[Counter[Gram], int]:
    """The n-grams of a sentence with their counts, and its length."""
    return extract_all_word_ngrams(_plain(sentence), min_order, max_order)


def _plain(sentence: Sentence) -> str:
    """A sentence with white space between its words."""
    if isinstance(sentence, str):
        return sentence
    return " ".join(map(str, sentence.tolist() if isinstance(sentence, np.ndarray) else sentence))


def _grams(sentences: Iterable[Sentence], order: int) -> Counter[Gram]:
    if order < 1:
        raise UserError(f"order={order} is not allowed; must be at least 1")
    counts: Counter[Gram] = Counter()
    for sentence in sentences:
        counts.update(_count(sentence, order, order)[0])
    return counts


def _clipped(
    counts: Counter[Gram], most: dict[Gram, int] | LargestCounts, max_order: int
) -> tuple[list[int], list[int]]:
    """Per order the number of matched n-grams, each clipped to its count in a reference, and of all n-grams."""
    matched, present = [0] * max_order, [0] * max_order
    for gram, count in counts.items():
        order = len(gram) - 1
        present[order] += count
        matched[order] += min(count, most.get(gram, 0))
    return matched, present


def _closest(lengths: list[int], length: int) -> int:
    """The nearest of the sorted lengths; of two equally near ones the shorter."""
    right = bisect_left(lengths, length)
    near = lengths[max(right - 1, 0) : right + 1]
    return min(near, key=lambda other: (abs(other - length), other))


def _bleu(
    matched: list[int], present: list[int], length: int, reference: int, order: int, effective_order: bool
) -> float:
    """Sentence BLEU of one order, 0 to 1, by sacrebleu."""
    if not effective_order:
        present = [max(count, 1) for count in present]  # one miss where the sentence is too short, as in NLTK
    score = BLEU.compute_bleu(
        matched[:order], present[:order], length, reference, "floor", 0.1, effective_order, max_ngram_order=order
    )
    return score.score / 100.0
