import numpy as np

from lhy_rl.core.protocols import TokenSequences


def test_a_part_of_sentences_keeps_what_they_answer_to():
    tokens, lengths = np.arange(6).reshape(3, 2), np.array([2, 1, 2])
    sources, source_lengths = np.arange(12).reshape(3, 4), np.array([4, 2, 3])
    part = TokenSequences(tokens, lengths, sources, source_lengths)[np.array([2, 1])]
    np.testing.assert_array_equal(part.sources, [[8, 9, 10, 11], [4, 5, 6, 7]])
    np.testing.assert_array_equal(part.source_mask, [[1, 1, 1, 0], [1, 1, 0, 0]])
    np.testing.assert_array_equal(part.mask, [[1, 1], [1, 0]])
    assert TokenSequences(tokens, lengths)[:2].sources is None
    assert TokenSequences(tokens, lengths).source_mask is None
