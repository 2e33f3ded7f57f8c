"""A search in a folder: its journal, from which it continues, and its results.

journal.jsonl   asks and tells (:mod:`lhy_rl.search.journal`)
result.json     the trials' scores, the best configuration, and on a table its regret
best.yaml       the best configuration
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lhy_rl.core import archive, validation
from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.experiment import yaml_files
from lhy_rl.experiment.schema import options_of
from lhy_rl.experiment.searchers import searchers
from lhy_rl.search.children import children
from lhy_rl.search.early_stopping import Hyperband
from lhy_rl.search.executors.base import Executor, InProcess
from lhy_rl.search.journal import Journal
from lhy_rl.search.objective import Objective, TableObjective
from lhy_rl.search.printers import formulas_of
from lhy_rl.search.run import History, Search
from lhy_rl.search.searcher import Searcher
from lhy_rl.search.space import Space
from lhy_rl.search.table import load_table, table_names
from lhy_rl.search.trial import FAILED, Trial

EXECUTORS = ("in_process", "processes", "ray")
BUDGETED = ("grid", "policy")  # searchers that must know how many trials there are
JOURNAL, RESULT, BEST, REPORT = "journal.jsonl", "result.json", "best.yaml", "report.html"


def find_table(name: str) -> str:
    """The name of a shipped table, from its beginning: ``nb201`` is ``nb201-cifar10``, the first of its kind.

    Raises:
        UserError: no table's name begins so.
    """
    found = [table for table in table_names() if table.startswith(name)]
    if not found and not name.endswith(".npz"):
        raise suggest(name, table_names(), "table")
    return found[0] if found else name


def live_objective(name: str) -> Objective:
    """The objective that trains as for a table, by the table's name or its beginning.

    Raises:
        UserError: no table's name begins so.
    """
    found = [child for child in children.names() if child.startswith(name)]
    objective: Objective = children.get(found[0] if found else name)()
    return objective


def make_searcher(name: str, space: Space, seed: int, num_trials: int, options: dict[str, Any]) -> Searcher:
    """Make a searcher by name, with options of its constructor.

    Raises:
        UserError: an unknown name or option.
    """
    maker = searchers.get(name)
    if name in BUDGETED:
        options = {"num_trials": num_trials, **options}
    known = [option.name for option in options_of(maker) if option.name != "space"]
    for option in options:
        if option not in known:
            raise suggest(option, known, f"option of searcher {name!r}:")
    try:
        made: Searcher = maker(space, seed=seed, **options)
    except TypeError as error:  # such as text for a number
        raise UserError(f"searcher {name!r} does not accept the options {brief(options)} ({error})") from error
    return made


def make_executor(
    name: str, objective: Objective, workers: int | None, time_limit: float | None, address: str | None
) -> Executor:
    """An executor by name: ``in_process``, ``processes`` or ``ray``.

    Raises:
        UserError: an unknown name, or an option that the executor does not support.
    """
    validation.choice("executor", name, EXECUTORS)
    if name == "in_process":
        if workers not in (None, 1) or time_limit is not None:
            raise UserError("the executor in_process has one worker and no time limit; allowed: processes, ray")
        return InProcess(objective)
    if name == "processes":
        from lhy_rl.search.executors.processes import Processes

        return Processes(objective, workers, time_limit)
    from lhy_rl.search.executors.on_ray import OnRay

    return OnRay(objective, address, workers, time_limit)


class SearchRun:
    """A search, new or continued.

    Args:
        folder: Folder of the search, made if missing. If it holds a search of the same kind, that is continued.
        name: Name of the searcher.
        objective: The objective to maximise.
        num_trials: The budget.
        seed: Seed of the searcher.
        options: Options of the searcher.
        trial_seed: Seed of every training; None: the seed of a trial is its number.
        early_terminate: The rule of early stopping; None: trials are never stopped early.

    Raises:
        UserError: an unknown name, a folder of another search, or a searcher that has seen the table before.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        objective: Objective,
        num_trials: int = 200,
        seed: int = 0,
        options: dict[str, Any] | None = None,
        trial_seed: int | None = None,
        early_terminate: Hyperband | None = None,
    ) -> None:
        self.early_terminate = early_terminate
        self.folder, self.name, self.objective = folder, name, objective
        self.num_trials, self.seed, self.trial_seed = num_trials, seed, trial_seed
        self.options = options or {}
        self.searcher = make_searcher(name, objective.space, seed, num_trials, self.options)
        searched = objective.about.get("table")
        if searched in self.searcher.learned_from:
            others = ", ".join(table for table in self.searcher.learned_from if table != searched)
            raise UserError(
                f"searcher {name!r} has learned from {searched}, the table that is to be searched; "
                + ("search another table" if name == "policy" else f"give it others: --tables '[{others}]'")
            )
        self.journal = Journal(folder / JOURNAL)

    def run(self, executor: Executor, on_trial: Callable[[Trial], object] | None = None) -> dict[str, Any]:
        """Run the search; return the content of ``result.json``."""
        about = {"searcher": self.name, "seed": self.seed, "options": self.options, **self.objective.about}
        about |= {"num_trials": self.num_trials} if self.name in BUDGETED else {}
        search = Search(
            self.searcher, executor, self.trial_seed, self.journal, about=about, early_terminate=self.early_terminate
        )
        for trial in search.history.trials:
            if on_trial is not None:
                on_trial(trial)
        result = self.result(search.run(self.num_trials, on_trial))
        self.save(result)
        if result["best"] is not None:
            archive.write_bytes(self.folder / BEST, yaml_files.dump(result["best"]).encode())
        return result

    def save(self, result: dict[str, Any]) -> None:
        """Write ``result.json``."""
        archive.write_bytes(self.folder / RESULT, (json.dumps(result, indent=1) + "\n").encode())

    def result(self, history: History) -> dict[str, Any]:
        """The result as JSON values."""
        space, best = self.objective.space, history.incumbent
        result: dict[str, Any] = {
            "searcher": self.name,
            "options": self.options,
            "seed": self.seed,
            "objective": self.objective.about,
            "trials": [
                {"configuration": space.configuration(trial.array), **trial.plain()} for trial in history.trials
            ],
            "best": None if best is None else space.configuration(best.array),
            "score": None if best is None else best.score,
            "formula": None,  # of the best configuration, if configurations are formulas
            "failed": sum(trial.status == FAILED for trial in history.trials),
            "stopped": sum(trial.stopped for trial in history.trials),
            "cost": self.objective.cost,
            "repeated": sum(trial.repeated for trial in history.trials),
        }
        if isinstance(self.objective, TableObjective):
            result["regret"] = regrets(self.objective, history)
            result["optimum"] = self.objective.table.optimum
            tokens = np.array([trial.tokens for trial in history.trials])
            if (formulas := formulas_of(self.objective.table, tokens)) is not None:
                for trial, formula in zip(result["trials"], formulas.tolist(), strict=True):
                    trial["formula"] = formula
                if best is not None:
                    result["formula"] = str(formulas[history.trials.index(best)])
        return result


def regrets(objective: TableObjective, history: History, unique: bool = False) -> list[float]:
    """After each trial, how far the best configuration so far is below the table's best, by means over the seeds.

    Args:
        unique: Count only trials that were not repeated.
    """
    found = history.incumbents(unique)
    worst = float(objective.table.optimum - np.nanmin(objective.table.mean))
    known = [tokens for tokens in found if tokens is not None]
    values = objective.table.regret(np.array(known)) if known else np.empty(0)
    return [worst] * (len(found) - len(known)) + [float(value) for value in values]


def regret_curves(table: str, name: str, num_trials: int, seeds: int) -> np.ndarray:
    """(S, T) regrets of a searcher on a table, for comparison. If a searcher ends early, its last regret is
    repeated."""
    objective = TableObjective(load_table(table))
    curves = []
    for seed in range(seeds):
        searcher = make_searcher(name, objective.space, seed, num_trials, {})
        curve = regrets(objective, Search(searcher, InProcess(objective)).run(num_trials))
        curves.append(curve + curve[-1:] * (num_trials - len(curve)))
    return np.array(curves)
