"""BLEU against sacrebleu's own sentence score and hand-computed numbers; self-BLEU against brute force."""

import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU

from lhy_rl.core.errors import UserError
from lhy_rl.functional import text_metrics
from lhy_rl.functional.ngram_counts import LargestCounts
from lhy_rl.functional.text_metrics import (
    BleuScorer,
    count_tokens,
    distinct_n,
    distinct_per_token,
    intra_distinct,
    kl_per_token,
    self_bleu,
    unique_ngrams,
    unpadded,
)

SENTENCE = st.lists(st.integers(0, 5), min_size=1, max_size=9)
LONG = st.lists(st.integers(0, 5), min_size=4, max_size=9)


def by_sacrebleu(hypothesis: list[int], references: list[list[int]], order: int) -> float:
    metric = BLEU(tokenize="none", smooth_method="floor", max_ngram_order=order, effective_order=True)
    as_text = [" ".join(map(str, sentence)) for sentence in (hypothesis, *references)]
    return metric.sentence_score(as_text[0], as_text[1:]).score / 100


@given(SENTENCE, st.lists(SENTENCE, min_size=1, max_size=6), st.integers(1, 4))
def test_equals_sacrebleu(hypothesis: list[int], references: list[list[int]], order: int) -> None:
    scorer = BleuScorer(references, effective_order=True)
    assert scorer.sentence_scores([hypothesis], order)[0] == pytest.approx(
        by_sacrebleu(hypothesis, references, order), abs=1e-12
    )


@given(LONG, st.lists(SENTENCE, min_size=1, max_size=6), st.integers(1, 4))
def test_without_effective_order_long_sentences_score_the_same(
    hypothesis: list[int], references: list[list[int]], order: int
) -> None:
    scorer = BleuScorer(references)
    assert scorer.sentence_scores([hypothesis], order)[0] == pytest.approx(
        by_sacrebleu(hypothesis, references, order), abs=1e-12
    )


def test_by_hand() -> None:
    """p1 = 3/4 (the second "the" is in no reference twice), p2 = 2/3, p3 = 1/2, p4 = 0.1/1 by the smoothing."""
    scorer = BleuScorer(["the cat sat down", "a dog sat"])
    scores = scorer.score(["the cat sat the"])
    assert scores == {
        2: pytest.approx((3 / 4 * 2 / 3) ** (1 / 2)),
        3: pytest.approx((3 / 4 * 2 / 3 * 1 / 2) ** (1 / 3)),
        4: pytest.approx((3 / 4 * 2 / 3 * 1 / 2 * 0.1) ** (1 / 4)),
    }


def test_counts_are_clipped_by_the_largest_of_one_reference_not_their_sum() -> None:
    assert BleuScorer([[7, 1, 2], [7, 3, 4]]).sentence_scores([[7, 7, 9]], order=1)[0] == pytest.approx(1 / 3)
    assert BleuScorer([[7, 7, 2], [7, 3, 4]]).sentence_scores([[7, 7, 9]], order=1)[0] == pytest.approx(2 / 3)


@given(st.lists(st.lists(st.integers(0, 3), max_size=9), max_size=6), st.integers(1, 4))
def test_largest_counts_are_brute_force(sentences: list[list[int]], order: int) -> None:
    words = [[str(word) for word in sentence] for sentence in sentences]
    found = LargestCounts(words, order)
    for n in range(1, order + 1):
        for gram in itertools.product("01234", repeat=n):
            most = max((sum(tuple(w[i : i + n]) == gram for i in range(len(w))) for w in words), default=0)
            assert found.get(gram) == most


def test_many_references_score_as_few_do(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    references = [rng.integers(5, size=rng.integers(1, 9)).tolist() for _ in range(30)]
    hypotheses = [rng.integers(6, size=rng.integers(1, 9)).tolist() for _ in range(30)]
    few = BleuScorer(references).sentence_scores(hypotheses)
    monkeypatch.setattr(text_metrics, "MANY", 0)
    np.testing.assert_array_equal(BleuScorer(references).sentence_scores(hypotheses), few)


def test_brevity_is_by_the_nearest_reference() -> None:
    """Length 2; references of 1 and 3 are equally near, the shorter counts: no penalty. Of 3 and 9: exp(1 - 3/2)."""
    assert BleuScorer([[1], [2, 3, 4]]).sentence_scores([[1, 2]], order=1)[0] == pytest.approx(1)
    long = BleuScorer([[1, 2, 3], [4] * 9])
    assert long.sentence_scores([[1, 2]], order=1)[0] == pytest.approx(math.exp(-0.5))


def test_short_sentences_as_in_nltk() -> None:
    """One known word: orders 2 to 4 count 0.1 matches of 1 each, so BLEU-4 = 0.1 ** (3/4); nothing known: 0."""
    scorer = BleuScorer([["yes"], ["no", "way"]])
    scores = scorer.sentence_scores([["yes"], ["maybe"], []])
    np.testing.assert_allclose(scores, [0.1 ** (3 / 4), 0, 0])
    assert BleuScorer([["yes"]], effective_order=True).sentence_scores([["yes"]])[0] == pytest.approx(1)


def test_ids_words_strings_and_arrays_are_the_same() -> None:
    scores = [
        BleuScorer(references).score(hypotheses)
        for references, hypotheses in (
            ([[1, 2, 3, 4]], [[1, 2, 4]]),
            ([np.array([1, 2, 3, 4])], np.array([[1, 2, 4]])),
            ([["a", "b", "c", "d"]], [["a", "b", "d"]]),
            (["a b c d"], ["a b d"]),
        )
    ]
    assert scores[0] == scores[1] == scores[2] == scores[3]
    assert 0 < scores[0][4] < scores[0][2] < 1


def test_mean_over_hypotheses() -> None:
    scorer = BleuScorer([[1, 2, 3, 4, 5]])
    hypotheses = [[1, 2, 3, 4, 5], [9, 9], [1, 2, 9, 4, 5]]
    assert scorer.score(hypotheses)[3] == pytest.approx(scorer.sentence_scores(hypotheses, order=3).mean())


@given(st.lists(SENTENCE, min_size=2, max_size=8), st.booleans())
def test_self_bleu_is_brute_force(sentences: list[list[int]], effective_order: bool) -> None:
    expected = [
        BleuScorer(sentences[:i] + sentences[i + 1 :], effective_order=effective_order).score([sentence])
        for i, sentence in enumerate(sentences)
    ]
    found = self_bleu(sentences, effective_order=effective_order)
    assert found == {n: pytest.approx(np.mean([row[n] for row in expected]), abs=1e-12) for n in (2, 3, 4)}


def test_self_bleu_of_equal_and_of_different_sentences() -> None:
    assert self_bleu([[1, 2, 3, 4]] * 3) == {n: pytest.approx(1) for n in (2, 3, 4)}
    assert self_bleu([[1, 2, 3, 4], [5, 6, 7, 8]]) == {2: 0, 3: 0, 4: 0}


def test_distinct() -> None:
    sentences = [[1, 2, 1, 2], [1, 2], [3]]
    assert unique_ngrams(sentences, 1) == 3
    assert distinct_n(sentences, 1) == pytest.approx(3 / 7)
    assert unique_ngrams(sentences, 2) == 2  # 12, 21, 12, 12
    assert distinct_n(sentences, 2) == pytest.approx(2 / 4)
    assert distinct_n(sentences, 5) == 0


def test_the_three_conventions_of_distinct() -> None:
    """Bigrams 12, 21, 12 | 12 | none: 2 different, 4 in all, and 7 tokens; alone 2 of 3, 1 of 1, and none."""
    sentences = [[1, 2, 1, 2], [1, 2], [3]]
    assert count_tokens(sentences) == count_tokens(["a b a b", "a b", "c"]) == 7
    assert distinct_per_token(sentences, 2) == pytest.approx(2 / 7)  # Li et al. 2016
    assert distinct_n(sentences, 2) == pytest.approx(2 / 4)  # ParlAI's interdistinct
    assert intra_distinct(sentences, 2) == pytest.approx((2 / 3 + 1 + 0) / 3)  # its intradistinct
    assert distinct_per_token(sentences, 1) == distinct_n(sentences, 1) == pytest.approx(3 / 7)
    assert intra_distinct(sentences, 1) == pytest.approx((2 / 4 + 1 + 1) / 3)
    assert distinct_per_token([[]], 1) == 0 and intra_distinct([[]], 1) == 0


def test_distinct_at_an_equal_count_of_tokens() -> None:
    sentences = [[1, 2, 3], [4, 5, 6]]
    assert distinct_per_token(sentences, 2, tokens=5) == pytest.approx(3 / 5)  # 12, 23 | 45
    assert distinct_per_token(sentences, 2, tokens=3) == pytest.approx(2 / 3)
    assert distinct_per_token(["a b c", "d e f"], 2, tokens=5) == pytest.approx(3 / 5)
    assert distinct_per_token(sentences, 2, tokens=100) == distinct_per_token(sentences, 2)
    few, many = [[1, 2], [3, 4]], [[1, 2], [3, 4]] * 50  # who writes more repeats more
    assert distinct_per_token(many, 1) == pytest.approx(0.02)
    assert distinct_per_token(many, 1, tokens=count_tokens(few)) == distinct_per_token(few, 1) == 1


def test_kl_per_token() -> None:
    """By hand, and against the exact KL of two distributions over one token."""
    own, other = np.log([[0.5, 0.25], [0.5, 9]]), np.log([[0.25, 0.5], [0.125, 7]])
    assert kl_per_token(own, other, np.array([2, 1])) == pytest.approx((np.log(2) - np.log(2) + np.log(4)) / 3)
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.2, 0.3, 0.5])
    drawn = np.random.default_rng(0).choice(3, size=(40_000, 1), p=p)
    found = kl_per_token(np.log(p[drawn]), np.log(q[drawn]), np.ones(40_000, int))
    assert found == pytest.approx(float((p * np.log(p / q)).sum()), abs=0.02)


def test_unpadded() -> None:
    tokens = np.array([[5, 0, 9, 9], [5, 6, 7, 8], [0, 0, 0, 0]])
    assert unpadded(tokens, end_token=0) == [[5], [5, 6, 7, 8], []]
    assert unpadded(tokens, lengths=np.array([2, 3, 1])) == [[5, 0], [5, 6, 7], [0]]
    assert unpadded(tokens, 0, np.array([2, 3, 1])) == [[5], [5, 6, 7], []]


@pytest.mark.parametrize(
    "call",
    [
        lambda: BleuScorer([]),
        lambda: BleuScorer([[1]], max_order=0),
        lambda: BleuScorer([[1]]).score([]),
        lambda: BleuScorer([[1]]).sentence_scores([[1]], order=5),
        lambda: self_bleu([[1]]),
        lambda: self_bleu([[1], [1]], max_order=0),
        lambda: distinct_n([[1]], 0),
        lambda: distinct_per_token([[1]], 0),
        lambda: distinct_per_token([[1]], 1, tokens=0),
        lambda: intra_distinct([], 1),
        lambda: kl_per_token(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2, int)),
    ],
)
def test_bad_arguments(call) -> None:
    with pytest.raises(UserError, match=r"at least|from 1 to"):
        call()


def test_speed() -> None:
    """500 hypotheses against 5,000 references: about 0.3 CPU-seconds; quadratic merging would take minutes."""
    rng = np.random.default_rng(0)
    references = (rng.zipf(1.3, (5000, 15)) % 3000).tolist()
    hypotheses = (rng.zipf(1.3, (500, 15)) % 3000).tolist()
    start = time.process_time()
    scorer = BleuScorer(references)
    scorer.score(hypotheses)
    self_bleu(references)
    assert time.process_time() - start < 10
