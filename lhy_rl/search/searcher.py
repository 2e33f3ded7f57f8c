"""The contract of searchers: ask for a configuration, tell what it scored."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from lhy_rl.core import validation
from lhy_rl.search.space import Space
from lhy_rl.search.trial import Trial


class Searcher(ABC):
    """Proposes configurations.

    A searcher is a function of its seed and of what it was asked and told, in that order: it draws from nothing but
    ``rng``. A search that was interrupted goes on by asking and telling it again what the journal holds
    (:mod:`lhy_rl.search.journal`), so that no searcher writes a state of its own.

    Several configurations can be asked for before any is told; trials may be told in any order.

    Args:
        space: What can be chosen.
        seed: Same seed and same scores, same search.
    """

    unique = False
    """Whether no configuration is proposed twice before all have been."""

    learned_from: tuple[str, ...] = ()
    """The names of the tables of results that it has learned from before; what is searched must be none of them."""

    def __init__(self, space: Space, seed: int = 0) -> None:
        self.space = space
        self.seed = validation.integer("seed", seed, 0)
        self.rng = np.random.default_rng(self.seed)

    @abstractmethod
    def ask(self) -> np.ndarray:
        """(D,) canonical tokens of what is to be tried next.

        Raises:
            Exhausted: there is nothing left to propose.
        """

    def tell(self, trial: Trial) -> None:  # noqa: B027  (a grid learns nothing)
        """Learn what a trial gave. A failed one has no score."""


class Exhausted(Exception):
    """A searcher has proposed everything that it will."""
