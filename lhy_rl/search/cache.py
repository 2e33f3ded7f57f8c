"""A cache of scores, keyed by everything that they depend on."""

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
    """An objective whose trials are cached in a file, which several searches may share.

    The key of an entry is the content of its training: the objective's ``about``, the configuration and the seed. An
        entry is written before the trial is returned, so that a crash loses only the trials that were running. Diverged
        trials are cached as well, since they would diverge again. Other failures are not, since a trial that was
        killed, took too long or raised may succeed the next time; neither are trials that were stopped early, which
        another search may continue.

    Args:
        objective: Evaluates the trials that are not in the file.
        path: Path of the file, which is made if it is missing.

    Raises:
        UserError: the file is no cache.
    """

    def __init__(self, objective: Objective, path: str | os.PathLike[str]) -> None:
        self.objective = objective
        self.space = objective.space
        self.about, self.reports, self.cost = objective.about, objective.reports, objective.cost
        self._journal = Journal(path)
        try:
            found = {str(event["key"]): trial_of(event["trial"]) for event in self._journal.read()}
        except KeyError:
            raise UserError(f"{path} is not a cache of trials; give another file") from None
        self._trials = {key: trial for key, trial in found.items() if _lasts(trial)}

    def __len__(self) -> int:
        return len(self._trials)

    def key(self, tokens: np.ndarray, seed: int) -> str:
        """The content address of a trial."""
        what: list[Any] = [self.about, self.space.configuration(tokens), seed]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]

    def known(self, tokens: np.ndarray, seed: int) -> Trial | None:
        """The cached trial of a configuration, marked as repeated; None where there is none."""
        found = self._trials.get(self.key(tokens, seed))
        return None if found is None else replace(found, tokens=tuple(tokens.tolist()), repeated=True)

    def keep(self, tokens: np.ndarray, seed: int, trial: Trial) -> None:
        """Write a trial that was evaluated elsewhere."""
        if not _lasts(trial):
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


def _lasts(trial: Trial) -> bool:
    """Whether the same trial would have the same result again."""
    return trial.diverged or (trial.score is not None and not trial.stopped)
