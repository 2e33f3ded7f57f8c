"""Trials that are stopped early because others were better at the same point of their training.

A training reports intermediate scores. At a few rungs, r, r eta, r eta^2, ... steps of training, it continues only if
it is among the best 1/eta of the trials that reached the rung: successive halving (Jamieson and Talwalkar 2016), which
Hyperband (Li et al. 2018) repeats, without waiting for others (Li et al. 2020, ASHA). A trial that was stopped is never
resumed, as in a wandb sweep with ``early_terminate``.

The scores that a trial must reach are decided when it begins, from the trials that have ended by then. So they can be
sent with the trial to a process or a cluster, and a trial need not communicate with the search.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.search.trial import Trial

RUNGS = 20  # of a schedule that has no end
LARGEST, LARGEST_ETA = 10**12, 10**6
OPTIONS = ("type", "min_iter", "max_iter", "s", "eta", "strict")


@dataclass(frozen=True)
class Hyperband:
    """The steps at which trials are compared, and the share of them that continues.

    Attributes:
        rungs: (R,) rising, in the steps that trials report.
        eta: One of eta trials continues.
        strict: Compare the scores at the rung; otherwise the best scores up to it.
        max_iter: The length of a whole training in steps, where the options give it.
    """

    rungs: tuple[float, ...]
    eta: float = 3.0
    strict: bool = False
    max_iter: int | None = None

    def thresholds(self, trials: Iterable[Trial]) -> Thresholds:
        """The scores that the next trial must reach, given the trials that have ended.

        Among the n trials that reached a rung, itself included, at most int(n / eta) may be better, as in wandb: the
        first ones always continue.
        """
        curves = [trial.curve for trial in trials]
        least = []
        for rung in self.rungs:
            values = sorted((value for curve in curves if (value := _score_at(curve, rung)) is not None), reverse=True)
            better = int((len(values) + 1) / self.eta)
            least.append(values[better] if better < len(values) else -math.inf)
        return Thresholds(self.rungs, tuple(least), self.strict)

    def scaled(self, factor: float) -> Hyperband:
        """The same with steps that are ``factor`` times as many."""
        return replace(self, rungs=tuple(rung * factor for rung in self.rungs))

    @property
    def about(self) -> dict[str, Any]:
        """JSON values that identify it."""
        return {"rungs": list(self.rungs), "eta": self.eta, "strict": self.strict}


@dataclass(frozen=True)
class Thresholds:
    """The scores that one trial must reach at the rungs to continue.

    Attributes:
        rungs: (R,) rising steps.
        least: (R,) least scores; -inf where every trial continues.
        strict: Whether the score at the rung is compared, or the best one up to it.
    """

    rungs: tuple[float, ...] = ()
    least: tuple[float, ...] = ()
    strict: bool = False


class Reports:
    """The callback of a training: ``report(step, score)`` returns whether to continue.

    Args:
        thresholds: Thresholds of the trial; None: it always continues.

    Attributes:
        curve: The (step, score) pairs that were reported.
        stopped: Whether it was below a threshold.
        diverged: A line that names a NaN or infinite score; "" where there was none.
    """

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self.thresholds = thresholds or Thresholds()
        self.curve: list[tuple[float, float]] = []
        self.stopped = False
        self.diverged = ""

    def __call__(self, step: float, score: float) -> bool:
        """Report the validation score after ``step`` steps, in the unit in which the trial's cost is counted.

        Raises:
            UserError: an argument is no number, or the steps do not rise.
        """
        step, score = number(step, "a step must be a number"), number(score, "a score must be a number")
        last = self.curve[-1][0] if self.curve else -1.0
        if not (last < step < math.inf and step >= 0):
            after = f" after {last:g}" if self.curve else ""
            raise UserError(f"step {step:g} is reported{after}; allowed: increasing steps, from 0")
        if not math.isfinite(score):
            self.diverged = f"its score is {score} at step {step:g}"
            return False
        self.curve.append((step, score))
        passed = bisect_right(self.thresholds.rungs, step)
        if passed > bisect_right(self.thresholds.rungs, last):  # it has reached a rung
            compared = score if self.thresholds.strict else max(value for _, value in self.curve)
            self.stopped |= compared < self.thresholds.least[passed - 1]
        return not self.stopped


def read_hyperband(given: Any) -> Hyperband:
    """The ``early_terminate`` of a wandb sweep: ``{type: hyperband, ...}``, or its type alone.

    ``min_iter`` and ``eta`` (3) give the rungs min_iter, min_iter eta, min_iter eta^2, ...; ``max_iter``, ``s`` and
    ``eta`` the rungs max_iter / eta, max_iter / eta^2, ..., s of them. The type alone is ``min_iter: 1``.

    Raises:
        UserError: an unknown type or option, or a number out of range.
    """
    options = {"type": given, "min_iter": 1} if isinstance(given, str) else given
    if not isinstance(options, Mapping):
        raise UserError(f"early_terminate is {brief(given)}; allowed: {{type: hyperband, min_iter: 3, eta: 3}}")
    for option in options:
        if option not in OPTIONS:
            raise suggest(str(option), OPTIONS, "option of early_terminate")
    kind = options.get("type", "")
    if kind != "hyperband":
        raise suggest(str(kind), ["hyperband"], "type of early_terminate")
    eta = number(options.get("eta", 3.0), "eta must be a number above 1")
    if not 1 < eta <= LARGEST_ETA:
        raise UserError(f"eta is {eta:g}; allowed: above 1, up to {LARGEST_ETA:,}")
    strict = validation.flag("strict", options.get("strict", False))
    most = options.get("max_iter")
    most = None if most is None else validation.integer("max_iter", most, 2, LARGEST)
    if options.get("min_iter") is not None:
        if options.get("s") is not None:
            raise UserError("early_terminate has min_iter and s; allowed: min_iter, or max_iter and s")
        least = validation.integer("min_iter", options["min_iter"], 1, LARGEST)
        rungs = [float(int(least * eta**power)) for power in range(RUNGS)]
        rungs = [rung for rung in rungs if most is None or rung < most]
    elif most is not None and options.get("s") is not None:
        count = validation.integer("s", options["s"], 1, RUNGS)
        rungs = [float(int(most / eta**power)) for power in range(count, 0, -1)]
        rungs = [rung for rung in rungs if rung >= 1]
    else:
        raise UserError("early_terminate needs min_iter, or max_iter and s")
    if not rungs:
        raise UserError(f"early_terminate {brief(dict(options))} has no rung before the end of a training")
    return Hyperband(tuple(sorted(set(rungs))), eta, strict, most)


def number(given: Any, rule: str) -> float:
    """The number as a float.

    Args:
        given: Anything.
        rule: What it must be, for the message.

    Raises:
        UserError: it breaks the rule.
    """
    try:
        return float(given)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{rule}; given: {brief(given)}") from None


def _score_at(curve: tuple[tuple[float, float], ...], rung: float) -> float | None:
    """The first score at or after a rung; None for a trial that did not reach it."""
    return next((score for step, score in curve if step >= rung), None)
