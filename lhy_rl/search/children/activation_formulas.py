"""Activation functions as formulas: b(u1(x), u2(x)) (Ramachandran, Zoph and Le 2017, section 2).

A formula is three choices: two of 20 unary functions and one of 7 binary ones that joins them. ``1`` is among the unary
functions, so that the space contains each of them alone, as its product with 1. Many of the 2,800 formulas are the same
function written differently (``x * sigmoid(x)`` in either order, or as a gate). They are recognised by their values at
many points, trained once, and printed in the shortest form.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from lhy_rl.search.space import Choice, Space

UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "x": lambda x: x,
    "-x": lambda x: -x,
    "|x|": torch.abs,
    "x^2": lambda x: x * x,
    "x^3": lambda x: x * x * x,
    "exp(x)": torch.exp,
    "log(|x| + 0.01)": lambda x: (x.abs() + 0.01).log(),
    "sin(x)": torch.sin,
    "cos(x)": torch.cos,
    "sinc(x)": lambda x: torch.sinc(x / torch.pi),  # sin(x) / x
    "tanh(x)": torch.tanh,
    "atan(x)": torch.atan,
    "asinh(x)": torch.asinh,
    "erf(x)": torch.erf,
    "relu(x)": torch.relu,
    "min(x, 0)": lambda x: x.clamp(max=0),
    "sigmoid(x)": torch.sigmoid,
    "softplus(x)": torch.nn.functional.softplus,
    "exp(-x^2)": lambda x: (-x * x).exp(),
    "1": torch.ones_like,
}
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "a * b": torch.mul,
    "a + b": torch.add,
    "a - b": torch.sub,
    "max(a, b)": torch.maximum,
    "min(a, b)": torch.minimum,
    "sigmoid(a) * b": lambda a, b: torch.sigmoid(a) * b,
    "exp(-|a - b|)": lambda a, b: (-(a - b).abs()).exp(),
}
PRODUCT, ONE = "a * b", "1"
SPACE = Space([Choice("first", tuple(UNARY)), Choice("second", tuple(UNARY)), Choice("binary", tuple(BINARY))])


def activation(configuration: Mapping[str, object]) -> Callable[[Tensor], Tensor]:
    """The function of a formula, elementwise."""
    first, second, binary = (str(configuration[name]) for name in SPACE.names)
    if binary == PRODUCT and ONE in (first, second):  # the product with 1
        return UNARY[second if first == ONE else first]
    a, b, join = UNARY[first], UNARY[second], BINARY[binary]
    return lambda x: join(a(x), b(x))


def written(configuration: Mapping[str, object]) -> str:
    """A formula as text, not simplified: ``x * sigmoid(x)``; a product with 1 is written without the 1."""
    first, second, binary = (str(configuration[name]) for name in SPACE.names)
    if binary == PRODUCT and ONE in (first, second):
        return second if first == ONE else first
    operands = {"a": first, "b": second}
    return re.sub(r"\b[ab]\b", lambda name: operands[name[0]], binary)


@functools.cache
def simplest() -> np.ndarray:
    """(2800,) for each formula's key the key of the shortest formula that is the same function.

    Formulas are the same function if their values at 400 points, weighted at random and summed, agree to nine digits.
    """
    points = torch.linspace(-8, 8, 400, dtype=torch.float64)
    tokens = np.concatenate(list(SPACE.blocks()))
    configurations = [SPACE.configuration(row) for row in tokens]
    values = torch.stack([activation(configuration)(points) for configuration in configurations]).numpy()
    sums = np.arcsinh(values) @ np.random.default_rng(0).standard_normal(len(points)) / len(points)
    order = np.argsort(sums, kind="stable")
    groups = np.empty(len(tokens), np.int64)
    groups[order] = np.append(0, np.cumsum(np.diff(sums[order]) > 1e-9))
    # the shortest first; of equally short ones a product before a gate
    lengths = [len(written(configuration)) for configuration in configurations]
    ranked = np.lexsort(np.array([tokens[:, 2], lengths, groups]))
    firsts = ranked[np.append(0, np.flatnonzero(np.diff(groups[ranked])) + 1)]
    shortest: np.ndarray = firsts[groups]
    return shortest


@functools.cache
def formulas() -> np.ndarray:
    """(2800,) for each formula's key the shortest formula of its function as text."""
    return np.array([written(SPACE.configuration(tokens)) for tokens in SPACE.tokens_of(simplest())])


def printed(tokens: np.ndarray) -> np.ndarray:
    """(N, 3) tokens to (N,) shortest formulas as text."""
    texts: np.ndarray = formulas()[SPACE.keys(tokens)]
    return texts
