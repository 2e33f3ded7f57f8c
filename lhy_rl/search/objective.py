"""What a search maximises: the validation score of a configuration, looked up in a table or trained for."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.search.space import Scalar, Space
from lhy_rl.search.table import Table
from lhy_rl.search.trial import Trial


class Objective(ABC):
    """A space and the score of each configuration of it, higher is better.

    Attributes:
        space: What can be chosen.
        about: JSON values that tell this objective from others; a cache's entries are found by them.
    """

    space: Space
    about: dict[str, Any]

    @abstractmethod
    def evaluate(self, tokens: np.ndarray, seed: int) -> Trial:
        """Try one configuration.

        Args:
            tokens: (D,) canonical.
            seed: Same tokens and seed, same score.

        Returns:
            The trial; one that diverged (NaN) or raised is a failed one, with the reason in a line.
        """


class TableObjective(Objective):
    """A table's scores: an evaluation is one seed's, drawn by ``seed``."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.space = table.space
        self.about = {"table": table.about.get("name", "")}

    def evaluate(self, tokens: np.ndarray, seed: int) -> Trial:
        score = float(self.table.scores(tokens[None], np.array([seed]))[0])
        return Trial(
            tuple(tokens.tolist()),
            score if math.isfinite(score) else None,
            float(self.table.epochs[-1]),
            float(self.table.seconds(tokens[None])[0]),
            failure="" if math.isfinite(score) else "it diverged when the table was made",
        )


class FunctionObjective(Objective):
    """A function that trains: ``function(configuration, seed)`` gives the validation score.

    Args:
        space: What can be chosen.
        function: Takes a dict of names and values, and a seed; gives a number.
        about: JSON values that the score depends on besides these (a data set's name, epochs, a version).
        epochs: What a trial costs.
    """

    def __init__(
        self,
        space: Space,
        function: Callable[[dict[str, Scalar], int], float],
        about: dict[str, Any],
        epochs: float = 1.0,
    ) -> None:
        self.space = space
        self.function = function
        self.about = about
        self.epochs = epochs

    def evaluate(self, tokens: np.ndarray, seed: int) -> Trial:
        begin = time.perf_counter()
        score, failure = None, ""
        try:
            given = self.function(self.space.configuration(tokens), seed)
            score = _score(given)
            if not math.isfinite(score):
                score, failure = None, f"its score is {given}"
        except Exception as error:  # whatever a training raises is a failed trial, and the search goes on
            failure = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        seconds = time.perf_counter() - begin
        return Trial(tuple(tokens.tolist()), score, self.epochs, seconds, failure=failure)


def _score(given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        raise UserError(f"an objective gives a number; given: {brief(given)}") from None
