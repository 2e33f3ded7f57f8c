"""The loop of every search: ask, evaluate, tell, until the budget is spent; journaled so that it can be continued."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.validation import check, integer, is_false
from lhy_rl.search.cache import CachedObjective
from lhy_rl.search.early_stopping import Hyperband, Thresholds
from lhy_rl.search.executors.base import Executor
from lhy_rl.search.journal import Journal, trial_of
from lhy_rl.search.searcher import Exhausted, Searcher
from lhy_rl.search.trial import COMPLETE, Trial


@dataclass
class History:
    """The trials of a search, in the order in which they ended."""

    trials: list[Trial] = field(default_factory=list)

    @property
    def incumbent(self) -> Trial | None:
        """The best trial so far that was not stopped early; the first of equals."""
        scored = [trial for trial in self.trials if trial.status == COMPLETE]
        return max(scored, key=lambda trial: trial.score or 0.0, default=None)

    def incumbents(self, unique: bool = False) -> list[np.ndarray | None]:
        """The (D,) tokens of the best configuration after each trial; None before the first score.

        Args:
            unique: Count only the trials that were not repeated, since cached ones cost nothing.
        """
        best: Trial | None = None
        found = []
        for trial in self.trials:
            if trial.status == COMPLETE and (best is None or (trial.score or 0.0) > (best.score or 0.0)):
                best = trial
            if not (unique and trial.repeated):
                found.append(None if best is None else best.array)
        return found


class Search:
    """Runs a searcher on an objective.

    Args:
        searcher: Proposes the configurations.
        executor: Evaluates them.
        seed: Seed of every training, so that a repeated configuration has the same score; None: the trial's number, so
            that noise is drawn anew each time.
        journal: The file to which the search is written. If it holds a search, that is continued: its trials are not
            repeated, except those that were running when it ended.
        cache: Trials that were done before, here or in other searches; they are not repeated.
        about: JSON values by which a journal recognises its search.
        early_terminate: The rule of early stopping; None: trials are never stopped early.

    Attributes:
        history: The trials so far.

    Raises:
        UserError: the journal is of another search, or trials are to be stopped early that report no intermediate
            scores.
    """

    def __init__(
        self,
        searcher: Searcher,
        executor: Executor,
        seed: int | None = None,
        journal: Journal | None = None,
        cache: CachedObjective | None = None,
        about: dict[str, Any] | None = None,
        early_terminate: Hyperband | None = None,
    ) -> None:
        if early_terminate is not None and not executor.objective.reports:
            raise UserError(
                "early_terminate needs intermediate scores: a function with the argument report, as in "
                "function(values, seed, report), or a table of several epochs"
            )
        self.searcher, self.executor, self.seed = searcher, executor, seed
        self.journal, self.cache = journal, cache
        self.early_terminate = early_terminate
        self.history = History()
        self._asked = 0
        self._pending: dict[int, np.ndarray] = {}  # proposals that have no trial yet
        self._tried: set[tuple[int, ...]] = set()
        about = {**(about or {}), **({} if early_terminate is None else {"early_terminate": early_terminate.about})}
        if journal is not None:
            self._go_on(journal, {"event": "search", "about": about, "seed": seed})

    def run(self, num_trials: int, on_trial: Callable[[Trial], object] | None = None) -> History:
        """Continue until there are ``num_trials`` trials, those of the journal included.

        Args:
            num_trials: The budget. Repeated configurations count.
            on_trial: Called with each trial as it ends; False ends the search.
        """
        check(num_trials=(num_trials, 1))
        begun = deque(self._pending)  # what was being tried when the search was interrupted
        more = True
        while self._pending or (more and self._asked < num_trials):
            while len(self._pending) - len(begun) < self.executor.workers:
                if begun:
                    self._submit(begun.popleft())
                    continue
                if not more or self._asked >= num_trials:
                    break
                try:
                    number, tokens = self._ask()
                except Exhausted:
                    more = False
                    break
                self._write({"event": "ask", "number": number, "tokens": tokens.tolist()})
                known = self.cache.known(tokens, self._seed_of(number)) if self.cache is not None else None
                if known is not None:
                    more &= self._ended(number, known, on_trial)
                else:
                    self._submit(number)
            for number, trial in self.executor.wait() if self._pending else ():
                if self.cache is not None:
                    self.cache.keep(self._pending[number], self._seed_of(number), trial)
                more &= self._ended(number, trial, on_trial)
        return self.history

    def _submit(self, number: int) -> None:
        thresholds: Thresholds | None = None
        if self.early_terminate is not None:
            thresholds = self.early_terminate.thresholds(self.history.trials)
        self.executor.submit(number, self._pending[number], self._seed_of(number), thresholds)

    def _seed_of(self, number: int) -> int:
        return number if self.seed is None else self.seed

    def _ask(self) -> tuple[int, np.ndarray]:
        number = self._asked
        self._pending[number] = self.executor.objective.space.checked(self.searcher.ask())
        self._asked += 1
        return number, self._pending[number]

    def _tell(self, number: int, trial: Trial) -> None:
        del self._pending[number]
        trial = replace(trial, repeated=trial.tokens in self._tried)
        self._tried.add(trial.tokens)
        self.searcher.tell(trial)
        self.history.trials.append(trial)

    def _ended(self, number: int, trial: Trial, on_trial: Callable[[Trial], object] | None) -> bool:
        """Write a trial to the journal and tell the searcher; return whether to continue."""
        self._write({"event": "tell", "number": number, "trial": trial.plain()})
        self._tell(number, trial)
        return on_trial is None or not is_false(on_trial(self.history.trials[-1]))

    def _write(self, event: dict[str, Any]) -> None:
        if self.journal is not None:
            self.journal.append(event)

    def _go_on(self, journal: Journal, header: dict[str, Any]) -> None:
        """Repeat the asks and tells of the journal."""
        events = list(journal.read())
        if not events:
            journal.append(header)
            return
        if events[0] != header:
            raise UserError(f"{journal.path} belongs to another search; give another folder, or the same options")
        lines = len(journal)
        for event in events[1:]:
            try:
                number, kind = integer("number", event["number"], 0, lines), event["event"]
                trial = trial_of(event["trial"]) if kind == "tell" else None
                tokens = self.executor.objective.space.checked(event["tokens"] if trial is None else trial.tokens)
                while self._asked <= number:  # a line in between may be damaged
                    self._ask()
            except (KeyError, UserError, Exhausted) as error:
                raise UserError(f"{journal.path} has a line that does not fit ({brief(event)}): {error}") from error
            if number not in self._pending:
                continue
            if trial is not None:
                self._tell(number, trial)
            elif self._pending[number].tolist() != tokens.tolist():
                self._pending[number] = tokens
                warnings.warn(
                    f"{journal.path}: at trial {number} the searcher proposes another configuration than before; "
                    "the recorded trials are kept, and it learns from them",
                    RuntimeWarning,
                    stacklevel=3,
                )
