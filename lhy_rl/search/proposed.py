"""The configurations that a search has proposed, for searchers that propose none twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lhy_rl.search.searcher import Exhausted
from lhy_rl.search.space import Space

TRIES = 64  # draws without a new configuration before the rest of the space is enumerated


class Proposed:
    """The configurations that have been proposed."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._keys: set[int] = set()
        self._total = space.num_configurations

    def __contains__(self, tokens: np.ndarray) -> bool:
        return int(self.space.keys(tokens)) in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, tokens: np.ndarray) -> np.ndarray:
        """Remember a proposal and return it."""
        self._keys.add(int(self.space.keys(tokens)))
        return tokens

    @property
    def tokens(self) -> np.ndarray:
        """(K, D) int64: all proposals."""
        return self.space.tokens_of(np.fromiter(self._keys, np.int64, len(self)))

    def new(self, tokens: np.ndarray) -> np.ndarray:
        """(N,) bool: which of (N, D) have not been proposed."""
        return np.array([int(key) not in self._keys for key in self.space.keys(tokens)], bool)

    def draw(self, propose: Callable[[], np.ndarray], rng: np.random.Generator) -> np.ndarray:
        """A new proposal, drawn again while it is known; after several tries one is drawn from the rest of the space.

        Raises:
            Exhausted: everything has been proposed.
        """
        if len(self) >= self._total:
            raise Exhausted
        for _ in range(TRIES):
            tokens = propose()
            if tokens not in self:
                return self.add(tokens)
        left = np.concatenate([block[self.new(block)] for block in self.space.blocks()])
        chosen: np.ndarray = left[rng.integers(len(left))]
        return self.add(chosen)
