"""Activation formulas: written, recognised, computed; their child learns, and agrees with itself and with the table."""

import math

import numpy as np
import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.data.mnist1d import mnist1d
from lhy_rl.search.children.activation_cnn import ActivationCNNs, function_of, live_objective, score, train
from lhy_rl.search.children.activation_formulas import SPACE, UNARY, activation, formulas, printed, simplest, written
from lhy_rl.search.table import load_table


def tokens(first, second, binary):
    return SPACE.encode({"first": first, "second": second, "binary": binary})


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (("x", "sigmoid(x)", "a * b"), "x * sigmoid(x)"),
        (("sigmoid(x)", "x", "a * b"), "x * sigmoid(x)"),
        (("x", "x", "sigmoid(a) * b"), "x * sigmoid(x)"),
        (("1", "relu(x)", "a * b"), "relu(x)"),
        (("x", "relu(x)", "max(a, b)"), "relu(x)"),
        (("x", "-x", "max(a, b)"), "|x|"),
        (("x^2", "sin(x)", "exp(-|a - b|)"), "exp(-|x^2 - sin(x)|)"),
        (("erf(x)", "x", "max(a, b)"), "max(x, erf(x))"),
        (("x", "x", "a - b"), "x - x"),
    ],
)
def test_a_formula_is_printed_in_its_shortest_way(formula, text):
    assert printed(tokens(*formula)[None]).tolist() == [text]


def test_formulas_as_they_were_chosen():
    names = {"first": "tanh(x)", "second": "x", "binary": "sigmoid(a) * b"}
    assert written(names) == "sigmoid(tanh(x)) * x"
    x = torch.tensor([-1.5, 0.0, 2.0])
    assert torch.equal(activation(names)(x), torch.sigmoid(torch.tanh(x)) * x)


def test_the_same_function_is_one_formula_and_different_ones_are_not():
    same = simplest()
    assert len(np.unique(same)) == len(np.unique(formulas())) == 1570
    assert (same[same] == same).all()
    x = torch.linspace(-3, 3, 41, dtype=torch.float64)  # other points than those that it is told by
    for key in range(0, len(same), 37):
        one, other = activation(SPACE.configuration(SPACE.tokens_of(np.array(key))))(x), function_of(key)(x)
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-12)
    assert set(UNARY) <= set(formulas().tolist())


def test_gradients_of_the_unary_functions():
    x = torch.tensor([-2.3, -0.6, 0.0, 0.4, 1.7], dtype=torch.float64)
    for name, function in UNARY.items():
        at = x if name not in ("|x|", "relu(x)", "min(x, 0)", "log(|x| + 0.01)") else x[x != 0]
        at = at.clone().requires_grad_(True)
        out = function(at)
        (gradient,) = torch.autograd.grad(out.sum(), at) if out.requires_grad else (torch.zeros_like(at),)
        h = 1e-6
        assert torch.allclose(gradient, (function(at + h) - function(at - h)) / (2 * h), atol=1e-6), name


@pytest.mark.parametrize(
    ("shape", "kernels", "strides"), [((40,), (5, 3, 3), (2, 2, 2)), ((8, 8), (3, 3, 3), (1, 2, 2))]
)
def test_the_networks_are_the_one_of_their_formula(shape, kernels, strides):
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    networks = ActivationCNNs(shape, torch.tanh, generators, kernels, strides)
    x = torch.randn(2, 7, *shape, generator=torch.Generator().manual_seed(2))
    logits = networks(x)
    convolution = torch.nn.functional.conv1d if len(shape) == 1 else torch.nn.functional.conv2d
    for one in (0, 1):
        h = x[one][:, None]
        for layer, (kernel, stride) in enumerate(zip(kernels, strides, strict=True)):
            weights, biases = (part[one] for part in networks.parameters[2 * layer : 2 * layer + 2])
            weights = weights.view(*[kernel] * len(shape), h.shape[1], 16).movedim(-2, 0).movedim(-1, 0)
            h = torch.tanh(convolution(h, weights, biases[0], stride=stride, padding=kernel // 2))
        flat = h.movedim(1, -1).flatten(1)
        expected = flat @ networks.parameters[-2][one] + networks.parameters[-1][one]
        assert torch.allclose(logits[one], expected, atol=1e-5)


def test_a_child_is_the_same_alone_and_beside_others():
    data = mnist1d(500, 200, 200)
    alone, beside = train(torch.relu, data, [3], (1, 2)), train(torch.relu, data, [5, 3], (1, 2))
    assert alone[0].validation == pytest.approx(beside[1].validation, abs=0.02)  # sums in another order
    assert alone[0] == train(torch.relu, data, [3], (1, 2))[0]


def test_what_diverges_has_no_score_and_ends_early():
    data = mnist1d(600, 50, 50)
    (outcome,) = train(activation({"first": "exp(x)", "second": "exp(x)", "binary": "a * b"}), data, [0], (1, 2))
    assert math.isnan(outcome.validation[-1]) and math.isnan(outcome.test)
    trial = live_objective().evaluate(tokens("exp(x)", "exp(x)", "a * b"), 0)
    assert trial.score is None and "nan" in trial.failure


def test_one_that_diverges_leaves_the_others_alone():
    data = mnist1d(300, 50, 50)
    networks = ActivationCNNs((40,), torch.relu, [torch.Generator().manual_seed(seed) for seed in (0, 1)])
    with torch.no_grad():
        networks.parameters[0][1] = math.nan
    first, second = networks.accuracies(data.test)
    assert 0 <= first <= 1 and math.isnan(second)


def test_relu_learns_what_the_identity_cannot():
    data = mnist1d(2000, 500, 10)
    relu, identity = (train(function, data, [0], (6,))[0].validation[0] for function in (torch.relu, lambda x: x))
    assert relu > identity + 0.15 and identity < 0.4


def test_unknown_functions_are_one_line():
    with pytest.raises(UserError, match="value of first"):
        score({"first": "sim(x)", "second": "x", "binary": "a * b"}, 0)


def test_the_shipped_table_is_what_training_gives():
    table = load_table("activations-mnist1d")
    assert table.space.choices == SPACE.choices and table.about["printer"] == "activation"
    assert np.array_equal(table.mean, table.mean[simplest()], equal_nan=True)
    relu = tokens("relu(x)", "1", "a * b")
    live = score(SPACE.configuration(relu), 0)
    assert live == pytest.approx(
        table.scores(relu[None], np.array([0]))[0], abs=0.05
    )  # another machine rounds otherwise
