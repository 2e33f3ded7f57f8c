"""Update rules against values by hand, and against themselves in NumPy and torch."""

import math

import numpy as np
import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.functional.update_rules import BINARY, OPERANDS, UNARY, Gradients, Rule, direction, formula, parse

POWERSIGN = "g * exp(sign(g) * sign(m))"


def directions(text, *gradients):
    """The direction after the last of these gradients."""
    statistics = Gradients({"m", "v", "gamma", "r"})
    for gradient in gradients:
        statistics.track(np.array(gradient))
    return direction(parse(text), statistics)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("g", [-2.0]),
        ("g^2", [4.0]),
        ("g^3", [-8.0]),
        ("m", [(0.9 * 0.1 * 1 + 0.1 * -2) / (1 - 0.9**2)]),
        ("v", [(0.999 * 0.001 * 1 + 0.001 * 4) / (1 - 0.999**2)]),
        ("gamma", [(0.999 * 0.001 * 1 + 0.001 * -8) / (1 - 0.999**2)]),
        ("rmsprop", [-2 / math.sqrt(0.99 * 0.01 * 1 + 0.01 * 4)]),
        ("sign(m)", [-1.0]),
        ("1", [1.0]),
        ("-g", [2.0]),
        ("log|g|", [math.log(2)]),
        ("sqrt|g^2|", [2.0]),
        ("clip(g)", [-0.001]),
        ("exp(g) - g^2", [math.exp(-2) - 4]),
        ("g / g^2", [-0.5]),
        ("g + (-g)", [0.0]),
        (POWERSIGN, [-2 * math.e]),
    ],
)
def test_the_second_of_two_gradients_by_hand(text, expected):
    assert directions(text, [1.0], [-2.0]) == pytest.approx(expected, rel=1e-6)


def test_powersign_slows_down_where_the_gradient_turned():
    assert directions(POWERSIGN, [10.0], [-0.1]) == pytest.approx([-0.1 / math.e])


def test_numpy_and_torch_are_one():
    rng = np.random.default_rng(0)
    needed = {"m", "v", "gamma", "r"}
    arrays, tensors = Gradients(needed), Gradients(needed)
    for _ in range(3):
        gradient = rng.normal(size=50) * np.geomspace(1e-6, 2, 50)
        arrays.track(gradient)
        tensors.track(torch.tensor(gradient))
    for binary in BINARY:
        for operand, unary in zip([*OPERANDS, *OPERANDS], [*UNARY, *UNARY, *UNARY, *UNARY], strict=False):
            rule = Rule(operand, unary, binary, "adam", "sqrt")
            np.testing.assert_allclose(direction(rule, arrays), direction(rule, tensors).numpy(), rtol=1e-9)


def test_formulas_are_read_as_they_are_printed():
    assert formula(Rule("sign(g) * sign(m)", "x", "/", "v")) == "(sign(g) * sign(m)) / v"
    assert formula(Rule("g", "-x", "-", "sign(g) * sign(m)", "-x")) == "-g - (-(sign(g) * sign(m)))"
    assert parse("g*exp( sign(g)*sign(m) )") == Rule("g", "x", "*", "sign(g) * sign(m)", "exp")
    with pytest.raises(UserError, match="is not an update rule; allowed"):
        parse("g % m")
