"""ROUGE-L by hand, and against the recursion that defines the longest common subsequence."""

from functools import cache

import numpy as np

from lhy_rl.functional.rouge import longest_common_subsequence, rouge_l


def test_rouge_by_hand():
    # Lin 2004: "police killed the gunman"; "police kill the gunman" has 3 of 4, "the gunman kill police" 2 of 4
    reference = np.array([[0, 1, 2, 3]] * 2)
    written = np.array([[0, 4, 2, 3, 9], [2, 3, 4, 0, 9]])
    lengths = np.array([4, 4])
    np.testing.assert_allclose(rouge_l(written, lengths, reference, lengths), [0.75, 0.5])
    np.testing.assert_allclose(rouge_l(written, np.array([2, 0]), reference, lengths), [2 / 6, 0])


def test_the_recursion():
    rng = np.random.default_rng(0)
    written, reference = rng.integers(3, size=(20, 6)), rng.integers(3, size=(20, 5))
    lengths = rng.integers(0, 7, 20), rng.integers(0, 6, 20)
    found = longest_common_subsequence(written, lengths[0], reference, lengths[1])
    for n in range(20):
        w, r = tuple(written[n]), tuple(reference[n])

        @cache
        def longest(i, j, w=w, r=r):
            if not i or not j:
                return 0
            if w[i - 1] == r[j - 1]:
                return longest(i - 1, j - 1) + 1
            return max(longest(i - 1, j), longest(i, j - 1))

        assert found[n] == longest(int(lengths[0][n]), int(lengths[1][n]))
