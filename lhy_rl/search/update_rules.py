"""The space of update rules: two operands, a unary function of each, and a binary function of both.

Many of its 28,308 configurations are the same rule written differently (``g + m`` and ``m + g``, ``sign(g^3)`` and
``sign(g)``). Rules are compared by their directions, trained once, and printed in the shortest form: 11,107 differ.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np

from lhy_rl.functional.update_rules import (
    BINARY,
    KEEP_LEFT,
    MOMENTS,
    OPERANDS,
    UNARY,
    Gradients,
    Rule,
    direction,
    formula,
)
from lhy_rl.search.space import Choice, Space

_BOTH = tuple(name for name in BINARY if name != KEEP_LEFT)

SPACE = Space(
    [
        Choice("operand", tuple(OPERANDS)),
        Choice("unary", tuple(UNARY)),
        Choice("binary", tuple(BINARY)),
        Choice("operand_2", tuple(OPERANDS), condition=("binary", _BOTH)),
        Choice("unary_2", tuple(UNARY), condition=("binary", _BOTH)),
    ]
)


def rule_of(configuration: Mapping[str, object]) -> Rule:
    """A configuration of the space as a rule."""
    return Rule(**{name: str(value) for name, value in configuration.items()})


def tokens_of(rule: Rule) -> np.ndarray:
    """(5,) the configuration of a rule."""
    parts = rule._asdict()
    return SPACE.encode({name: parts[name] for name in (SPACE.names[:3] if rule.binary == KEEP_LEFT else SPACE.names)})


def first_equal(rules: Sequence[Rule], digits: int = 10) -> np.ndarray:
    """(N,) for each rule the number of the first one that gives the same directions.

    They are compared after each of three gradients with entries of many sizes, and some that are 0.

    Args:
        rules: N of them.
        digits: Decimal places of the mantissas that must agree.
    """
    rng = np.random.default_rng(0)
    sizes = np.append(np.geomspace(1e-5, 3.0, 30), 0.0)
    gradients = Gradients(set(MOMENTS))
    values = np.empty((len(rules), 3, len(sizes)))
    with np.errstate(all="ignore"):
        for step in range(3):
            gradients.track(rng.normal(size=len(sizes)) * sizes)
            for row, rule in enumerate(rules):
                values[row, step] = direction(rule, gradients)
    mantissas, exponents = np.frexp(values)
    rounded = np.ldexp(mantissas.round(digits), exponents) + 0.0  # 0 has no sign
    found: dict[bytes, int] = {}
    return np.array([found.setdefault(value.tobytes(), row) for row, value in enumerate(rounded)])


@functools.cache
def all_rules() -> list[Rule]:
    """The rules of all configurations, in the order of their keys."""
    return [rule_of(SPACE.configuration(tokens)) for block in SPACE.blocks() for tokens in block]


@functools.cache
def shortest() -> np.ndarray:
    """(C,) for each of `all_rules` the number of the shortest equivalent rule."""
    rules = all_rules()
    order = np.array(sorted(range(len(rules)), key=lambda row: (len(formula(rules[row])), row)))
    found = np.empty(len(rules), np.int64)
    found[order] = order[first_equal([rules[row] for row in order])]
    return found


def _rows(tokens: np.ndarray) -> np.ndarray:
    """(N, 5) canonical tokens to (N,) numbers in `all_rules`."""
    return np.searchsorted(_all_keys(), SPACE.keys(tokens))


@functools.cache
def _all_keys() -> np.ndarray:
    return np.concatenate([SPACE.keys(block) for block in SPACE.blocks()])


@functools.cache
def _all_formulas() -> np.ndarray:
    return np.array([formula(all_rules()[row]) for row in shortest()], object)


def shortest_of(rule: Rule) -> Rule:
    """The shortest equivalent rule."""
    return all_rules()[int(shortest()[_rows(tokens_of(rule)[None])[0]])]


def printed(tokens: np.ndarray) -> np.ndarray:
    """(N, 5) canonical tokens to (N,) shortest formulas, as an array of objects."""
    texts: np.ndarray = _all_formulas()[_rows(tokens)]
    return texts
