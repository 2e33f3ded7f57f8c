"""What a search maximises: the validation score of a configuration, looked up in a table or trained for."""

from __future__ import annotations

import inspect
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.search.early_stopping import Reports, Thresholds, number
from lhy_rl.search.space import Space
from lhy_rl.search.table import Table
from lhy_rl.search.trial import Trial


class Objective(ABC):
    """A space and the score of each configuration of it, higher is better.

    Attributes:
        space: What can be chosen.
        about: JSON values that tell this objective from others; a cache's entries are found by them.
        reports: Whether its trials report scores on the way, by which they can be stopped early.
        cost: What a trial's cost is counted in.
    """

    space: Space
    about: dict[str, Any]
    reports: bool = False
    cost: str = "epochs"

    @abstractmethod
    def evaluate(self, tokens: np.ndarray, seed: int, thresholds: Thresholds | None = None) -> Trial:
        """Try one configuration.

        Args:
            tokens: (D,) canonical.
            seed: Same tokens and seed, same score.
            thresholds: What the trial must score on the way to go on; None: it goes on.

        Returns:
            The trial; one that diverged (NaN) or raised is a failed one, with the reason in a line.
        """


class TableObjective(Objective):
    """A table's scores: an evaluation is one seed's, drawn by ``seed``.

    Where the table has scores after several epochs, a trial reports them, and costs what it trained.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        self.space = table.space
        self.about = {"table": table.about.get("name", "")}
        self.reports = len(table.epochs) > 1

    def evaluate(self, tokens: np.ndarray, seed: int, thresholds: Thresholds | None = None) -> Trial:
        report, seeds = Reports(thresholds), np.array([seed])
        for epoch, steps in enumerate(self.table.epochs):
            score = float(self.table.scores(tokens[None], seeds, epoch)[0])
            if not report(steps, score):
                break
        cost = float(steps)
        return Trial(
            tuple(tokens.tolist()),
            score if math.isfinite(score) else None,
            cost,
            float(self.table.seconds(tokens[None])[0]) * cost / float(self.table.epochs[-1]),
            failure="it diverged when the table was made" if report.diverged else "",
            diverged=bool(report.diverged),
            stopped=report.stopped,
            curve=tuple(report.curve) if self.reports else (),
        )


class FunctionObjective(Objective):
    """A function that trains: ``function(configuration, seed)`` gives the validation score.

    One with a third argument that is called ``report``, ``function(configuration, seed, report)``, calls
    ``report(step, score)`` on its way, with steps from 0 on that rise, and returns where that gives False
    (:mod:`lhy_rl.search.early_stopping`).

    Args:
        space: What can be chosen.
        function: Takes a dict of names and values, and a seed; gives a number, or a dict of metrics by name.
        about: JSON values that the score depends on besides these (a data set's name, epochs, a version).
        epochs: What a trial costs; one that reports costs the last step that it reported.
        metric: The score among the metrics, where the function gives several.
        sign: 1, or -1 where the function's number is the better the lower it is.

    Raises:
        UserError: what is given cannot be called so.
    """

    def __init__(
        self,
        space: Space,
        function: Callable[..., object],
        about: dict[str, Any],
        epochs: float = 1.0,
        metric: str = "",
        sign: int = 1,
    ) -> None:
        self.space = space
        self.function = function
        self.about = about
        self.epochs = epochs
        self.metric, self.sign = metric, sign
        self.reports = _takes_report(function)
        _check_call(function, self.reports)

    def evaluate(self, tokens: np.ndarray, seed: int, thresholds: Thresholds | None = None) -> Trial:
        begin = time.perf_counter()
        score, failure, diverged, report = None, "", False, Reports(thresholds)
        try:
            configuration = self.space.configuration(tokens)
            if self.reports:

                def on_way(step: float, given: object) -> bool:
                    return report(step, self._score(given))

                score = self._score(self.function(configuration, seed, report=on_way))
            else:
                score = self._score(self.function(configuration, seed))
            if not math.isfinite(score):
                score, failure, diverged = None, f"its score is {score}", True
        except (Exception, SystemExit) as error:  # whatever a training raises is a failed trial; the search goes on
            failure = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".removesuffix(": ")
        if report.diverged:
            score, failure, diverged = None, report.diverged, True
        elif report.stopped:  # what it did then does not count
            score, failure = report.curve[-1][1], ""
        seconds = time.perf_counter() - begin
        return Trial(
            tuple(tokens.tolist()),
            score,
            report.curve[-1][0] if report.curve else self.epochs,
            seconds,
            failure=failure,
            diverged=diverged,
            stopped=report.stopped and score is not None,
            curve=tuple(report.curve),
        )

    def _score(self, given: object) -> float:
        """The score in what the function gave.

        Raises:
            UserError: there is none.
        """
        if isinstance(given, Mapping):
            if not self.metric:
                raise UserError(
                    f"the function gave several metrics ({brief(sorted(map(str, given)))}), and the space names none; "
                    "write into it: metric: {name: ..., goal: maximize}, or return a number"
                )
            if self.metric not in given:
                raise suggest(self.metric, map(str, given), "metric")
            given = given[self.metric]
        return self.sign * number(given, "an objective gives a number")


def _check_call(function: Callable[..., object], reports: bool) -> None:
    """Refuse what every trial would fail with."""
    name, wanted = (
        getattr(function, "__name__", brief(function)),
        f"function(values, seed{', report' if reports else ''})",
    )
    if not callable(function):
        raise UserError(f"{name} is no function; allowed: one that is called as {wanted}")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise UserError(f"{name} returns no score when it is called; allowed: a plain {wanted}")
    try:
        inspect.signature(function).bind({}, 0, **({"report": None} if reports else {}))
    except TypeError as error:
        raise UserError(f"{name} cannot be called as {wanted}: {error}") from error
    except ValueError:  # of what is compiled nobody knows
        return


def _takes_report(function: Callable[..., object]) -> bool:
    try:
        return "report" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # of what is compiled nobody knows
        return False
