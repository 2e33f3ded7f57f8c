"""Interpolated modified Kneser-Ney: by hand, against a slow one that follows the definition, and as a distribution."""

from collections import Counter, defaultdict
from math import log

import numpy as np
import pytest

from lhy_rl.core.protocols import TokenSequences
from lhy_rl.nn.language_models.ngram import FALLBACK, NGramModel, discounts


def packed(sentences, width=None):
    lengths = np.array([len(s) for s in sentences])
    tokens = np.full((len(sentences), width or max(lengths.max(), 1)), -7)
    for row, sentence in zip(tokens, sentences, strict=True):
        row[: len(sentence)] = sentence
    return TokenSequences(tokens, lengths)


def text(seed, n=60, vocabulary=6, longest=8):
    """Sentences of a chain of tokens, so that contexts matter; every one ends with 0."""
    rng = np.random.default_rng(seed)
    jumps = rng.dirichlet(np.full(vocabulary, 0.4), vocabulary + 1)
    sentences = []
    for _ in range(n):
        sentence = [int(rng.choice(vocabulary, p=jumps[vocabulary]))]
        while sentence[-1] and len(sentence) < longest:
            sentence.append(int(rng.choice(vocabulary, p=jumps[sentence[-1]])))
        sentences.append(sentence)
    return sentences


class Slow:
    """The definition, with dictionaries: p(w | c) from adjusted counts, order by order."""

    def __init__(self, sentences, vocabulary, order):
        self.vocabulary, self.order = vocabulary, order
        counts = defaultdict(Counter)  # order to n-gram to count
        for sentence in sentences:
            words = ["<s>", *sentence]
            for n in range(1, order + 1):
                for end in range(1, len(words)):
                    if end - n + 1 >= 0:
                        counts[n][tuple(words[end - n + 1 : end + 1])] += 1
        self.adjusted, self.discounts = {}, {}
        for n in range(1, order + 1):
            before = defaultdict(set)
            for gram in counts[n + 1] if n < order else ():
                before[gram[1:]].add(gram[0])
            raw = counts[n]
            self.adjusted[n] = {g: raw[g] if n == order or g[0] == "<s>" else len(before[g]) for g in raw}
            of_counts = Counter(self.adjusted[n].values())
            t = [of_counts[k] for k in range(5)]
            off = list(FALLBACK)
            if all(t[1:]):
                y = t[1] / (t[1] + 2 * t[2])
                estimated = [1 - 2 * y * t[2] / t[1], 2 - 3 * y * t[3] / t[2], 3 - 4 * y * t[4] / t[3]]
                off = estimated if min(estimated) >= 0 else off
            self.discounts[n] = off

    def p(self, word, context):
        context = tuple(context[max(len(context) - self.order + 1, 0) :])
        return self._p(word, context)

    def _p(self, word, context):
        below = self._p(word, context[1:]) if context else 1 / self.vocabulary
        n = len(context) + 1
        followers = {g: a for g, a in self.adjusted[n].items() if g[:-1] == context}
        if not followers:
            return below
        total = sum(followers.values())
        off = {g: self.discounts[n][min(a, 3) - 1] for g, a in followers.items()}
        own = followers.get((*context, word), 0)
        share = (own - off[(*context, word)]) / total if own else 0
        return share + sum(off.values()) / total * below


def test_by_hand():
    """The sentences "a b" and "b b" and the bigram's rules, with the discounts 1/2, 1, 3/2, for the text is small.

    Bigrams: <s>a 1, <s>b 1, ab 1, bb 1. In front of a stands <s>; of b stand <s>, a and b: adjusted counts 1 and 3.
    p(a) = (1 - 1/2)/4 + (1/2 + 3/2)/4 * 1/2 = 3/8 and p(b) = (3 - 3/2)/4 + 1/4 = 5/8. After b: b once, so
    p(b | b) = 1/2 + 1/2 * 5/8 = 13/16 and p(a | b) = 3/16; after <s>: p(a) = 1/4 + 1/2 * 3/8 = 7/16.
    """
    model = NGramModel(2, order=2).fit(packed([[0, 1], [1, 1]]))
    found = model.log_probs(np.array([[0, 1], [1, 0], [1, 1]]), np.array([2, 2, 1]))
    after_start, after_b, after_a = (7 / 16, 9 / 16), (3 / 16, 13 / 16), (1 / 2 * 3 / 8, 1 / 2 + 1 / 2 * 5 / 8)
    wanted = [[after_start[0], after_a[1]], [after_start[1], after_b[0]], [after_start[1], 1]]
    np.testing.assert_allclose(found, np.log(wanted), atol=1e-12)


def test_discounts_by_hand():
    """Four n-grams seen once, two twice, one three times, one four times: Y = 4/8."""
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 4, 0, 0, 9])
    np.testing.assert_allclose(discounts(counts), [0, 1 - 2 / 2 * 2 / 4, 2 - 3 / 2 * 1 / 2, 3 - 4 / 2 * 1 / 1])
    np.testing.assert_allclose(discounts(np.array([1, 1, 2, 3])), [0, *FALLBACK])  # nothing four times


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_equals_the_definition(order):
    sentences, others = text(0), [*text(1, 10), [5, 5, 4, 5, 5, 5, 0], []]
    model, slow = NGramModel(6, order).fit(packed(sentences)), Slow(sentences, 6, order)
    found = model.log_probs(*vars_of(packed(others, width=9)))
    for row, sentence in zip(found, others, strict=True):
        words = ["<s>", *sentence]
        wanted = [log(slow.p(words[t], words[:t])) for t in range(1, len(words))]
        np.testing.assert_allclose(row, wanted + [0] * (9 - len(wanted)), atol=1e-12)


def vars_of(sequences):
    return sequences.tokens, sequences.lengths


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_sums_to_one(order):
    model = NGramModel(8, order).fit(packed(text(2)))  # two tokens never occur
    for prefix in ([], [1], [3, 2], [7, 7], [5, 4, 3, 2, 1], [1, 1, 1, 1, 1, 1]):
        rows = packed([[*prefix, word] for word in range(8)])
        last = model.log_probs(*vars_of(rows))[:, len(prefix)]
        assert np.exp(last).sum() == pytest.approx(1, abs=1e-12) and np.isfinite(last).all()


def test_frequent_behind_one_token_alone_is_not_expected_elsewhere():
    """Francisco (1) is more frequent than glasses (2), which follow many: behind a token that never had a follower it
    is glasses that is likelier (Chen and Goodman 1999, section 2.7)."""
    sentences = [[3, 1]] * 9 + [[k, 2] for k in (4, 5, 6, 7)]
    model = NGramModel(9, order=2).fit(packed(sentences))
    francisco, glasses = model.log_probs(np.array([[8, 1], [8, 2]]), np.array([2, 2]))[:, 1]
    assert glasses > francisco + 0.5
    unigram = NGramModel(9, order=1).fit(packed(sentences)).log_probs(np.array([[1], [2]]), np.array([1, 1]))
    assert unigram[0] > unigram[1]


def test_sentences_shorter_than_the_order():
    model = NGramModel(4, order=5).fit(packed([[1], [2], [1]]))
    assert np.exp(model.log_probs(np.arange(4)[:, None], np.ones(4, int))).sum() == pytest.approx(1)


def test_many_rows_are_scored_in_parts(monkeypatch):
    model = NGramModel(6, order=3).fit(packed(text(3)))
    others = vars_of(packed(text(4, 50)))
    whole = model.log_probs(*others)
    monkeypatch.setattr("lhy_rl.nn.language_models.ngram.ROWS", 7)
    np.testing.assert_array_equal(model.log_probs(*others), whole)
