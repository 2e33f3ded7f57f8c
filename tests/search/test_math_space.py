"""A space counts, numbers and relates its configurations as one would by hand."""

import itertools

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.search.space import Choice, Space, levels

CONDITIONAL = Space(
    [
        Choice("layers", (1, 2, 3), ordinal=True),
        Choice("first", ("a", "b")),
        Choice("second", ("a", "b", "c"), condition=("layers", (2, 3))),
        Choice("third", ("a", "b"), condition=("layers", (3,))),
        Choice("skip", (False, True), condition=("third", ("b",))),
    ]
)


def test_configurations_are_counted():
    # layers 1: 2; layers 2: 2 * 3; layers 3: 2 * 3 * (third a: 1, third b: 2)
    assert CONDITIONAL.num_configurations == 2 + 6 + 18
    assert Space([Choice("x", (1, 2, 3)), Choice("y", (1, 2))]).num_configurations == 6


def test_every_configuration_comes_once_and_is_canonical():
    tokens = np.concatenate(list(CONDITIONAL.blocks(block=7)))
    assert len(tokens) == 26
    assert len(np.unique(CONDITIONAL.keys(tokens))) == 26
    np.testing.assert_array_equal(CONDITIONAL.canonical(tokens), tokens)
    np.testing.assert_array_equal(CONDITIONAL.tokens_of(CONDITIONAL.keys(tokens)), tokens)


def test_what_does_not_count_is_left_out():
    tokens = CONDITIONAL.checked([1, 1, 2, 1, 1])
    assert tokens.tolist() == [1, 1, 2, 0, 0]
    assert CONDITIONAL.configuration(tokens) == {"layers": 2, "first": "b", "second": "c"}
    assert CONDITIONAL.encode({"layers": 2, "first": "b", "second": "c"}).tolist() == [1, 1, 2, 0, 0]


def test_configuration_and_tokens_are_each_others_inverse():
    for tokens in np.concatenate(list(CONDITIONAL.blocks())):
        np.testing.assert_array_equal(CONDITIONAL.encode(CONDITIONAL.configuration(tokens)), tokens)


def test_draws_of_choices_that_count_are_uniform():
    drawn = CONDITIONAL.sample(60_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn[:, 0]) / len(drawn), 1 / 3, atol=0.01)
    deep = drawn[drawn[:, 0] == 2]
    np.testing.assert_allclose(np.bincount(deep[:, 2]) / len(deep), 1 / 3, atol=0.01)
    np.testing.assert_allclose(np.bincount(deep[:, 3]) / len(deep), 1 / 2, atol=0.01)


def test_neighbours_by_hand():
    space = Space([Choice("width", (8, 16, 32, 64), ordinal=True), Choice("kind", ("a", "b", "c"))])
    assert space.neighbours(np.array([0, 1])).tolist() == [[1, 1], [0, 0], [0, 2]]
    assert space.neighbours(np.array([2, 0])).tolist() == [[1, 0], [3, 0], [2, 1], [2, 2]]


def test_features_tell_configurations_apart():
    tokens = np.concatenate(list(CONDITIONAL.blocks()))
    features = CONDITIONAL.features(tokens)
    assert features.shape == (26, 1 + 2 + 3 + 2 + 2) and features.dtype == np.float32
    assert len(np.unique(features, axis=0)) == 26
    assert features[0].tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]  # one layer: nothing of the others counts


def test_true_and_one_are_different_values():
    choice = Choice("x", (1, True, "1", None, 0.5))
    assert [choice.token(value) for value in (1, True, "1", None, 0.5)] == [0, 1, 2, 3, 4]


def test_levels():
    assert levels(1e-3, 1.0, 4, logarithmic=True) == (0.001, 0.01, 0.1, 1.0)
    assert levels(0, 1, 5) == (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (lambda: Space([]), "the space has no choices"),
        (lambda: Choice("x", ()), "no values"),
        (lambda: Choice("x", (1, 2, 1)), "the value 1 twice"),
        (lambda: Space([Choice("x", (1,)), Choice("x", (2,))]), "two choices are named 'x'"),
        (lambda: Space([Choice("x", (1, 2), condition=("y", (1,)))]), "condition of x"),
        (lambda: Space([Choice("y", (1, 2)), Choice("x", (1, 2), condition=("y", (3,)))]), "unknown value of y '3'"),
        (lambda: Space([Choice(f"x{k}", tuple(range(100))) for k in range(10)]), "more than 2\\^62"),
        (lambda: CONDITIONAL.checked([0, 0, 3, 0, 0]), "the token of second is 3; allowed: 0 to 2"),
        (lambda: CONDITIONAL.checked([0, 0]), "5 whole numbers"),
        (lambda: CONDITIONAL.checked([0.0] * 5), "5 whole numbers"),
        (lambda: CONDITIONAL.encode({"layers": 2, "first": "a"}), "lacks second"),
        (lambda: CONDITIONAL.encode({"layers": 1, "frist": "a"}), "did you mean 'first'"),
        (lambda: levels(0, 1, 3, logarithmic=True), "above 0"),
        (lambda: levels(1, 0, 3), "with low < high"),
    ],
)
def test_bad_input_gets_one_line(wrong, line):
    with pytest.raises(UserError, match=line):
        wrong()


def test_a_conditional_space_equals_brute_force():
    """Counting and the canonical form, against a listing of all products."""
    found = {
        tuple(CONDITIONAL.canonical(np.array(tokens)))
        for tokens in itertools.product(*(range(size) for size in CONDITIONAL.sizes))
    }
    assert len(found) == CONDITIONAL.num_configurations


def test_values_of_numpy_are_written_as_python_s():
    choice = Choice("rate", np.logspace(-3, -1, 3), ordinal=True)
    assert choice.values == (0.001, 0.01, 0.1) and {type(value) for value in choice.values} == {float}
    assert Choice("width", tuple(np.arange(2))).values == (0, 1)
