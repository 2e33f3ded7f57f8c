"""The interface of searchers: ask for a configuration, tell its score."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from lhy_rl.core import validation
from lhy_rl.search.space import Space
from lhy_rl.search.trial import Trial


class Searcher(ABC):
    """Proposes configurations.

    A searcher's proposals depend only on its seed and on the sequence of asks and tells: it draws from nothing but
    ``rng``. An interrupted search is continued by repeating the asks and tells of the journal
    (:mod:`lhy_rl.search.journal`), so that no searcher saves a state of its own.

    Several configurations can be asked for before any is told; trials may be told in any order.

    Args:
        space: What can be chosen.
        seed: The same seed and the same scores give the same search.
    """

    unique = False
    """Whether no configuration is proposed twice before all have been proposed."""

    learned_from: tuple[str, ...] = ()
    """The names of the tables that it has learned from; none of them may be searched."""

    def __init__(self, space: Space, seed: int = 0) -> None:
        self.space = space
        self.seed = validation.integer("seed", seed, 0)
        self.rng = np.random.default_rng(self.seed)

    @abstractmethod
    def ask(self) -> np.ndarray:
        """(D,) canonical tokens of the next configuration to try.

        Raises:
            Exhausted: there is nothing left to propose.
        """

    def tell(self, trial: Trial) -> None:  # noqa: B027  (a grid learns nothing)
        """Learn the result of a trial. A failed one has no score."""


class Exhausted(Exception):
    """Raised when a searcher has nothing left to propose."""
