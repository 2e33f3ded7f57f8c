"""The schedules of scheduled sampling."""

import math

import pytest

from lhy_rl.functional.schedules import true_token_probability

NAMES = ["linear", "exponential", "inverse_sigmoid"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("half_life", [1.0, 10.0, 5000.0])
def test_half_at_the_half_life_and_falling(name, half_life):
    assert true_token_probability(name, int(half_life), half_life) == pytest.approx(0.5, abs=1e-6)
    values = [true_token_probability(name, int(i * half_life), half_life) for i in range(6)]
    assert values == sorted(values, reverse=True) and values[-1] >= 0
    assert values[0] > 0.5 and values[0] <= 1


def test_literal_values():
    assert true_token_probability("linear", 50, 100) == pytest.approx(0.75)
    assert true_token_probability("linear", 250, 100) == 0
    assert true_token_probability("exponential", 200, 100) == pytest.approx(0.25)
    k = 10.0  # the paper's form: k / (k + exp(i / k)) is 1/2 at i = k ln k
    assert true_token_probability("inverse_sigmoid", 40, k * math.log(k)) == pytest.approx(k / (k + math.exp(4)))


def test_unknown():
    with pytest.raises(ValueError, match="cosine"):
        true_token_probability("cosine", 1, 1)
