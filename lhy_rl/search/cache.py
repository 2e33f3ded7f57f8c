"""Scores that were trained for once, found again by everything that they depend on."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.search.early_stopping import Thresholds
from lhy_rl.search.journal import Journal, trial_of
from lhy_rl.search.objective import Objective
from lhy_rl.search.trial import Trial


class CachedObjective(Objective):
    """An objective whose trials are kept in a file, which several searches may share.

    An entry is found by the content of what was trained: the objective's ``about``, the configuration and the seed. It
    is on the disk before anybody learns of it, so that a crash loses only what was being trained. Failures are kept as
    well: what diverged would diverge again. Trials that were stopped early are not: another search may let them go on.

    Args:
        objective: What is asked where the file knows nothing.
        path: Of the file, made where it is missing.

    Raises:
        UserError: the file holds something else.
    """

    def __init__(self, objective: Objective, path: str | os.PathLike[str]) -> None:
        self.objective = objective
        self.space = objective.space
        self.about, self.reports, self.cost = objective.about, objective.reports, objective.cost
        self._journal = Journal(path)
        try:
            self._trials = {event["key"]: trial_of(event["trial"]) for event in self._journal.read()}
        except KeyError:
            raise UserError(f"{path} is no cache of trials; give another file") from None

    def __len__(self) -> int:
        return len(self._trials)

    def key(self, tokens: np.ndarray, seed: int) -> str:
        """The content address of a trial."""
        what: list[Any] = [self.about, self.space.configuration(tokens), seed]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]

    def known(self, tokens: np.ndarray, seed: int) -> Trial | None:
        """The kept trial of a configuration, marked as repeated; None where there is none."""
        found = self._trials.get(self.key(tokens, seed))
        return None if found is None else replace(found, tokens=tuple(tokens.tolist()), repeated=True)

    def keep(self, tokens: np.ndarray, seed: int, trial: Trial) -> None:
        """Write a trial that somebody else has done."""
        if trial.stopped:
            return
        key = self.key(tokens, seed)
        self._journal.append({"key": key, "trial": trial.plain()})
        self._trials[key] = trial

    def evaluate(self, tokens: np.ndarray, seed: int, thresholds: Thresholds | None = None) -> Trial:
        known = self.known(tokens, seed)
        if known is not None:
            return known
        trial = self.objective.evaluate(tokens, seed, thresholds)
        self.keep(tokens, seed, trial)
        return trial
