"""The space of update rules knows which of its formulas are one."""

import numpy as np
import pytest

from lhy_rl.functional.update_rules import formula, parse
from lhy_rl.search.update_rules import SPACE, all_rules, first_equal, printed, shortest, shortest_of, tokens_of


@pytest.mark.parametrize(
    ("text", "shorter"),
    [
        ("m + g", "g + m"),
        ("sign(g^3)", "sign(g)"),
        ("sqrt|g^2| * sqrt|g^2|", "g^2"),
        ("exp(g) * exp(m)", "exp(g) * exp(m)"),
        ("g - (-m)", "g + m"),
        ("clip(g^2)", "clip(g^2)"),
    ],
)
def test_formulas_that_are_one(text, shorter):
    assert formula(shortest_of(parse(text))) == formula(shortest_of(parse(shorter)))
    assert printed(tokens_of(parse(text))[None]) == [shorter]


def test_different_rules_are_told_apart():
    rules = [parse(text) for text in ("g", "m", "clip(g)", "g^3", "adam", "rmsprop", "g / v", "-g", "g + g")]
    assert first_equal(rules).tolist() == list(range(len(rules)))


def test_every_text_is_one_rule():
    """What is printed can be read again: configurations with one text have one direction."""
    of_text = {}
    for row, rule in enumerate(all_rules()):
        of_text.setdefault(formula(rule), set()).add(int(shortest()[row]))
    assert all(len(rules) == 1 for rules in of_text.values())


def test_the_space():
    assert SPACE.num_configurations == 12 * 7 + 4 * (12 * 7) ** 2 == len(all_rules())
    assert len(np.unique(shortest())) == 11_107
