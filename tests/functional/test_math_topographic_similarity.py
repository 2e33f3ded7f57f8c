"""Topographic similarity and its parts, by hand and against independent computations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.functional.topographic_similarity import average_ranks, edit_distance, topographic_similarity


def test_by_hand() -> None:
    """Of the pairs 01 02 03 12 13 23 the meanings differ in 1 1 2 2 1 1 and the messages by 1 1 1 2 2 1 edits. Their
    ranks, less 3.5, are -1 -1 2 2 -1 -1 and -1 -1 -1 2 2 -1; the products sum to 3, and both squares to 12."""
    meanings = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    messages = np.array([[0, 0], [0, 1], [1, 0], [2, 0]])
    assert topographic_similarity(meanings, messages) == pytest.approx(3 / 12)


def test_edits_are_counted() -> None:
    first = np.array([[0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 0, 0]])
    second = np.array([[0, 1, 2], [1, 2, 3], [2, 1, 0], [1, 2, 3]])  # abc to bcd: without a, with d
    assert edit_distance(first, second).tolist() == [0, 2, 2, 3]
    assert edit_distance(np.array([[5, 6]]), np.array([[5, 7, 6, 6]])).tolist() == [2]


def test_equal_values_share_their_ranks() -> None:
    assert average_ranks(np.array([4, 2, 4, 9, 2, 4])).tolist() == [4, 1.5, 4, 6, 1.5, 4]


def test_a_word_for_each_attribute_is_similar_and_names_at_random_are_not() -> None:
    meanings = np.array(list(itertools.product(range(4), repeat=3)))
    rng = np.random.default_rng(0)
    assert topographic_similarity(meanings, meanings + np.array([0, 4, 8])) == pytest.approx(1)
    # where all places have the same symbols, one may be moved: 0 1 2 and 1 2 3 are two edits apart, and differ in 3
    assert 0.9 < topographic_similarity(meanings, meanings) < 1
    names = [abs(topographic_similarity(meanings, rng.permutation(meanings))) for _ in range(20)]
    assert np.mean(names) < 0.05
    same = np.zeros((64, 3), int)
    assert np.isnan(topographic_similarity(meanings, same))  # who always says the same says nothing


@pytest.mark.parametrize("shapes", [((4, 2), (3, 2)), ((2, 2), (2, 2)), ((4,), (4, 2))])
def test_what_is_no_pair_of_tables_is_one_line(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(UserError, match=r"\(N, F\) and \(N, T\)"):
        topographic_similarity(*(np.zeros(shape) for shape in shapes))
