"""Printers of configurations that are formulas: a table names the printer of its space."""

from __future__ import annotations

import numpy as np

from lhy_rl.core.registry import Registry
from lhy_rl.search.table import Table

printers = Registry(
    "printer",
    {
        "activation": "lhy_rl.search.children.activation_formulas:printed",
        "update_rule": "lhy_rl.search.update_rules:printed",
    },
)
"""Functions of (N, D) tokens to (N,) texts; a table's ``about`` may name one as ``printer``."""


def formulas_of(table: Table, tokens: np.ndarray) -> np.ndarray | None:
    """(N, D) configurations of a table as (N,) formulas; None if they are no formulas.

    Raises:
        UserError: the table names an unknown printer.
    """
    name = table.about.get("printer")
    if name is None:
        return None
    texts: np.ndarray = printers.get(name)(tokens)
    return texts
