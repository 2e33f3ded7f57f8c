"""Configurations that were good on other data sets, tried in order: the baseline of learned searchers."""

from __future__ import annotations

import numpy as np

from lhy_rl.search.searcher import Exhausted, Searcher
from lhy_rl.search.space import Space
from lhy_rl.search.stacked import Names, learned_tables


class Portfolio(Searcher):
    """The configurations with the best mean rank over some tables, the best first; it learns nothing more.

    Args:
        tables: Tables of the same space that give the ranks: names or paths, or a group of
            ``lhy_rl.search.stacked.GROUPS``; null: the shipped group of training tables that has this space.
    """

    unique = True

    def __init__(self, space: Space, seed: int = 0, tables: Names | None = None) -> None:
        super().__init__(space, seed)
        learned = learned_tables(space, tables)
        self.learned_from = learned.names
        self._order = learned.best(None)
        self._asked = 0

    def ask(self) -> np.ndarray:
        if self._asked == len(self._order):
            raise Exhausted
        self._asked += 1
        tokens: np.ndarray = self._order[self._asked - 1]
        return tokens
