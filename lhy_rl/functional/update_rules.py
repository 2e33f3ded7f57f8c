"""Update rules of gradient descent as formulas, b(u1(o1), u2(o2)) (Bello et al. 2017, section 4.1).

A rule maps a gradient g to a direction d, and the parameters are updated by w <- w - lr d. It has five named parts: two
operands, a unary function of each, and a binary function of both. SGD is "g", momentum "m", signSGD "sign(g)" and
PowerSign "g * exp(sign(g) * sign(m))". The functions take NumPy's arrays and torch's tensors alike.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lhy_rl.core.errors import UserError, brief

Array = Any
"""A NumPy array or a torch tensor: the code here is the same for both."""

DELTA = 1e-8
"""Keeps divisors and logarithms from 0."""
CLIP = 1e-3
"""Bound of "clip"; with a suitable learning rate it makes a soft sign."""
KEEP_LEFT = "left"
"""The binary function that ignores the second operand."""

MOMENTS = {"m": (1, 0.9), "v": (2, 0.999), "gamma": (3, 0.999), "r": (2, 0.99)}
"""Running means of powers of the gradient, name to (power, decay): m and v are Adam's, r is RMSProp's (decays as in
torch), gamma is the third moment."""


class Rule(NamedTuple):
    """A formula's parts, each a name of `OPERANDS`, `UNARY` or `BINARY`; "left" needs no second operand."""

    operand: str
    unary: str = "x"
    binary: str = KEEP_LEFT
    operand_2: str = "1"
    unary_2: str = "x"


def namespace(x: Array) -> Any:
    """The module of the array, NumPy or torch; the functions used here have the same names in both."""
    if isinstance(x, np.ndarray):
        return np
    import torch

    return torch


class Gradients:
    """A gradient with the running means that its operands need.

    Args:
        needed: Names of `MOMENTS`; the others are not tracked.
        moments: Earlier moments to continue from: name to the running mean of g^k, of the shape of g.
        steps: Number of gradients so far.

    Attributes:
        gradient: g, the last gradient.
    """

    def __init__(self, needed: set[str], moments: dict[str, Array] | None = None, steps: int = 0) -> None:
        self.needed, self.steps = needed, steps
        self.moments = {} if moments is None else moments
        self.gradient: Array = None

    def track(self, gradient: Array) -> None:
        """Add the next gradient: m <- beta m + (1 - beta) g^k, from m = 0."""
        self.gradient = gradient
        self.steps += 1
        for name in self.needed:
            power, decay = MOMENTS[name]
            if name not in self.moments:
                self.moments[name] = namespace(gradient).zeros_like(gradient)
            self.moments[name] *= decay
            self.moments[name] += (1 - decay) * _power(gradient, power)

    def corrected(self, name: str) -> Array:
        """The running mean without its bias towards 0 (Kingma and Ba 2015, section 3)."""
        return self.moments[name] / (1 - MOMENTS[name][1] ** self.steps)


def _power(x: Array, power: int) -> Array:
    """x^k by products, which are much faster in NumPy than powers."""
    found = x
    for _ in range(power - 1):
        found = found * x
    return found


def _sign(x: Array) -> Array:
    return namespace(x).sign(x)


def _root(x: Array) -> Array:
    return namespace(x).sqrt(x)


OPERANDS: dict[str, tuple[set[str], Callable[[Gradients], Array]]] = {
    "g": (set(), lambda s: s.gradient),
    "g^2": (set(), lambda s: _power(s.gradient, 2)),
    "g^3": (set(), lambda s: _power(s.gradient, 3)),
    "m": ({"m"}, lambda s: s.corrected("m")),
    "v": ({"v"}, lambda s: s.corrected("v")),
    "gamma": ({"gamma"}, lambda s: s.corrected("gamma")),
    "sign(g)": (set(), lambda s: _sign(s.gradient)),
    "sign(m)": ({"m"}, lambda s: _sign(s.moments["m"])),
    "sign(g) * sign(m)": ({"m"}, lambda s: _sign(s.gradient * s.moments["m"])),
    "adam": ({"m", "v"}, lambda s: s.corrected("m") / (_root(s.corrected("v")) + DELTA)),
    "rmsprop": ({"r"}, lambda s: s.gradient / (_root(s.moments["r"]) + DELTA)),
    "1": (set(), lambda s: namespace(s.gradient).ones_like(s.gradient)),
}
"""Name of an operand to the moments that it needs, and the function of its value."""

UNARY: dict[str, Callable[[Array], Array]] = {
    "x": lambda x: x,
    "-x": lambda x: -x,
    "exp": lambda x: namespace(x).exp(x),
    "log": lambda x: namespace(x).log(abs(x) + DELTA),
    "sqrt": lambda x: _root(abs(x)),
    "clip": lambda x: namespace(x).clip(x, -CLIP, CLIP),
    "sign": _sign,
}

BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / (y + DELTA),
    KEEP_LEFT: lambda x, y: x,
}


def moments_of(rule: Rule) -> set[str]:
    """The running means that a rule needs."""
    second = set() if rule.binary == KEEP_LEFT else OPERANDS[rule.operand_2][0]
    return OPERANDS[rule.operand][0] | second


def direction(rule: Rule, gradients: Gradients) -> Array:
    """d = b(u1(o1), u2(o2)), of the shape of the gradient."""
    first = UNARY[rule.unary](OPERANDS[rule.operand][1](gradients))
    if rule.binary == KEEP_LEFT:
        return first
    return BINARY[rule.binary](first, UNARY[rule.unary_2](OPERANDS[rule.operand_2][1](gradients)))


# ---------------------------------------------------------------------- in print
PRINTED = {"x": "{}", "-x": "-{}", "exp": "exp({})", "log": "log|{}|", "sqrt": "sqrt|{}|", "clip": "clip({})"}


def formula(rule: Rule) -> str:
    """A rule as it is read: ``g * exp(sign(g) * sign(m))``."""
    if rule.binary == KEEP_LEFT:
        return _term(rule.operand, rule.unary)
    first, second = (
        f"({operand})" if " " in operand and unary == "x" else _term(operand, unary)
        for operand, unary in ((rule.operand, rule.unary), (rule.operand_2, rule.unary_2))
    )
    return f"{first} {rule.binary} " + (f"({second})" if second.startswith("-") else second)


def _term(operand: str, unary: str) -> str:
    if unary == "-x" and " " in operand:
        return f"-({operand})"
    return PRINTED.get(unary, unary + "({})").format(operand)


@functools.cache
def _rules_by_formula() -> dict[str, Rule]:
    alone = itertools.product(OPERANDS, UNARY, [KEEP_LEFT])
    pairs = itertools.product(OPERANDS, UNARY, [name for name in BINARY if name != KEEP_LEFT], OPERANDS, UNARY)
    rules = [Rule(*parts) for parts in itertools.chain(alone, pairs)]
    return {formula(rule).replace(" ", ""): rule for rule in reversed(rules)}  # of rules with equal texts the first


def parse(text: str) -> Rule:
    """The rule of a formula, the inverse of :func:`formula`; spaces do not matter.

    Raises:
        UserError: it is not a formula of the search space.
    """
    found = _rules_by_formula().get(text.replace(" ", ""))
    if found is None:
        raise UserError(
            f"{brief(text)} is not an update rule; allowed: u(o), or two of these joined by one of + - * /, "
            f"where o is one of {', '.join(OPERANDS)} and u is nothing, -, exp, log|.|, sqrt|.|, clip or sign"
        )
    return found
