"""The objective of a search: the validation score of a configuration, from a table or from a training."""

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
        about: JSON values that identify this objective; they are part of a cache's keys.
        reports: Whether its trials report intermediate scores, by which they can be stopped early.
        cost: Unit of a trial's cost.
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
            seed: The same tokens and seed give the same score.
            thresholds: Intermediate scores that the trial must reach to continue; None: it is never stopped early.

        Returns:
            The trial; if it diverged (NaN) or raised it is a failed trial, with the reason in one line.
        """


class TableObjective(Objective):
    """The scores of a table: an evaluation returns the score of one of its seeds, chosen by ``seed``.

    If the table has scores after several epochs, a trial reports them, and its cost is the epochs that it trained.
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
    """A function that trains: ``function(configuration, seed)`` returns the validation score.

    A function with a third argument ``report``, ``function(configuration, seed, report)``, calls
    ``report(step, score)`` during training, with rising steps from 0 on, and returns when that is False
    (:mod:`lhy_rl.search.early_stopping`).

    Args:
        space: What can be chosen.
        function: Takes a dict of names and values, and a seed; returns a number, or a dict of metrics by name.
        about: JSON values that the score depends on besides these (a data set's name, epochs, a version).
        epochs: Cost of a trial; that of a trial that reports is its last reported step.
        metric: Name of the score among the metrics, if the function returns several.
        sign: 1, or -1 if lower values of the function are better.

    Raises:
        UserError: the function cannot be called with these arguments.
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
        except (Exception, SystemExit) as error:  # any error of a training is a failed trial; the search continues
            failure = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}".removesuffix(": ")
        if report.diverged:
            score, failure, diverged = None, report.diverged, True
        elif report.stopped:  # what it returned after that does not count
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
        """Extract the score from the function's return value.

        Raises:
            UserError: it holds no score.
        """
        if isinstance(given, Mapping):
            if not self.metric:
                raise UserError(
                    f"the function returned several metrics ({brief(sorted(map(str, given)))}), but the space names "
                    "none; add to it: metric: {name: ..., goal: maximize}, or return a number"
                )
            if self.metric not in given:
                raise suggest(self.metric, map(str, given), "metric")
            given = given[self.metric]
        return self.sign * number(given, "an objective must return a number")


def _check_call(function: Callable[..., object], reports: bool) -> None:
    """Refuse a function that no trial could call."""
    name, wanted = (
        getattr(function, "__name__", brief(function)),
        f"function(values, seed{', report' if reports else ''})",
    )
    if not callable(function):
        raise UserError(f"{name} is not a function; allowed: one that is called as {wanted}")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise UserError(f"{name} is a coroutine or generator function; allowed: a plain {wanted}")
    try:
        inspect.signature(function).bind({}, 0, **({"report": None} if reports else {}))
    except TypeError as error:
        raise UserError(f"{name} cannot be called as {wanted}: {error}") from error
    except ValueError:  # compiled functions may have no signature
        return


def _takes_report(function: Callable[..., object]) -> bool:
    try:
        return "report" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # compiled functions may have no signature
        return False
