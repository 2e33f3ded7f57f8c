"""Configurations that are formulas are printed as formulas: a table names what prints those of its space."""

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
"""Functions of (N, D) tokens to (N,) texts; a table's ``about`` has the name of one as ``printer``, or none."""


def formulas_of(table: Table, tokens: np.ndarray) -> np.ndarray | None:
    """(N, D) configurations of a table as (N,) formulas; None where they are none.

    Raises:
        UserError: the table names a printer that there is not.
    """
    name = table.about.get("printer")
    if name is None:
        return None
    texts: np.ndarray = printers.get(name)(tokens)
    return texts
