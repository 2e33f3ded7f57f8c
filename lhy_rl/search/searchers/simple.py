"""Searchers that learn nothing: a grid and random draws (Bergstra and Bengio 2012)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from lhy_rl.core import validation
from lhy_rl.search.proposed import Proposed
from lhy_rl.search.searcher import Exhausted, Searcher
from lhy_rl.search.space import Space


class Grid(Searcher):
    """A factorial grid of at most ``num_trials`` configurations, in order.

    A grid has to know how large it may be. Each choice gets as many values, evenly spaced, as fit: starting from one
    value each, the choice with the most values not in the grid yet gets one more, as long as the product stays within
    ``num_trials``. Every configuration of the grid is proposed once; then it is exhausted.

    Args:
        num_trials: The budget.
    """

    unique = True

    def __init__(self, space: Space, seed: int = 0, num_trials: int = 200) -> None:
        super().__init__(space, seed)
        budget = validation.integer("num_trials", num_trials, 1)
        counts = np.ones(len(space), np.int64)
        while True:
            left = space.sizes - counts
            for position in np.argsort(-left, kind="stable"):
                more = counts.copy()
                more[position] += 1
                if left[position] > 0 and np.prod(more) <= budget:
                    counts = more
                    break
            else:
                break
        values = [
            np.unique(np.round(np.linspace(0, size - 1, count)).astype(int)) if count > 1 else np.array([size // 2])
            for size, count in zip(space.sizes, counts, strict=True)
        ]
        self._left = iter(itertools.product(*values))
        self._proposed = Proposed(space)

    def ask(self) -> np.ndarray:
        for tokens in self._left:
            canonical = self.space.canonical(np.array(tokens, np.int64))
            if canonical not in self._proposed:  # tokens may differ only in choices that do not count
                return self._proposed.add(canonical)
        raise Exhausted


class Random(Searcher):
    """Configurations drawn uniformly.

    Args:
        unique: Propose no configuration twice.
    """

    def __init__(self, space: Space, seed: int = 0, unique: bool = True) -> None:
        super().__init__(space, seed)
        self.unique = unique
        self._proposed = Proposed(space)

    def ask(self) -> np.ndarray:
        def draw() -> Any:
            return self.space.sample(1, self.rng)[0]

        return self._proposed.draw(draw, self.rng) if self.unique else draw()
