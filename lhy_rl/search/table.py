"""A table of results: the known scores of the configurations of a space, which are looked up instead of trained.

A table is an npz file of plain arrays (nothing is pickled), made by a script in ``benchmarks/``:

    space     JSON text: [{"name", "values", "ordinal", "condition"}, ...]
    about     JSON text: {"source", "licence", "score", "unit", ...}
    keys      (C,) int64: the configurations, in order; missing where the table holds all of a space without conditions
    scores    (E, S, C) validation scores after each recorded epoch, of S seeds; higher is better
    epochs    (E,) the recorded epochs
    runs      (C,) how many of the S seeds a configuration was trained with; missing where that is S for all
    seconds   (C,): how long the whole training took, mean of the seeds
    test      (S, C) test scores at the end; may be missing
    extra.*   (C,) further numbers, for reports (the learning rate that suited an update rule)

Several seeds make a search as noisy as a real one: an evaluation returns one seed's score, and a search is evaluated by
the mean over the seeds, which it never sees. Test scores are read by :meth:`Table.test_scores` only, which no searcher
calls.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.data.npz_members import Members
from lhy_rl.search.space import Choice, Space

FOLDER = Path(__file__).parents[1] / "data" / "search_tables"


class Table:
    """The known results of a space.

    Args:
        space: The space of the configurations.
        scores: (E, S, C) scores after the recorded epochs.
        epochs: (E,) rising.
        seconds: (C,); None: 0.
        keys: (C,) rising keys of the configurations; None: all of them.
        runs: (C,) number of seeds, from 1 to S; None: S. Scores of later seeds are not read.
        test: (S, C) test scores, or None.
        about: Description and source.
        extra: Name to (C,) further numbers, for reports.

    Attributes:
        mean: (C,) mean score over the seeds at the end, NaN where all seeds failed.
        optimum: The best mean.

    Raises:
        UserError: the arrays do not fit each other.
    """

    def __init__(
        self,
        space: Space,
        scores: np.ndarray,
        epochs: np.ndarray,
        seconds: np.ndarray | None = None,
        keys: np.ndarray | None = None,
        runs: np.ndarray | None = None,
        test: np.ndarray | None = None,
        about: dict[str, Any] | None = None,
        extra: dict[str, np.ndarray] | None = None,
    ) -> None:
        if keys is not None and not (keys.ndim == 1 and keys.dtype.kind in "iu" and (np.diff(keys) > 0).all()):
            raise UserError("the keys of a table must be increasing whole numbers")
        count = space.num_configurations if keys is None else len(keys)
        if scores.ndim != 3:
            raise UserError(f"a table of {count} configurations needs scores of shape (E, S, C); given: {scores.shape}")
        if keys is None and count != int(np.prod(space.sizes)):
            raise UserError("a table of a space with conditions needs keys")
        num_epochs, num_seeds, _ = scores.shape
        _check_numbers("scores", scores, (num_epochs, num_seeds, count))
        _check_numbers("epochs", epochs, (num_epochs,))
        for name, numbers in {"seconds": seconds, "runs": runs, **(extra or {})}.items():
            _check_numbers(name, numbers, (count,))
        _check_numbers("test", test, (num_seeds, count))
        if not num_epochs or not (np.diff(epochs) > 0).all() or not np.isfinite(epochs).all():
            raise UserError(f"the epochs of a table are {brief(epochs.tolist())}; allowed: increasing numbers")
        if runs is not None and not ((runs >= 1) & (runs <= num_seeds)).all():
            raise UserError(f"the runs of a table must be from 1 to {num_seeds}, the number of its seeds")
        self.space = space
        self.about = about or {}
        self._extra = extra or {}
        self.epochs = np.asarray(epochs, float)
        self._scores, self._keys, self._test = scores, keys, test
        self._seconds = np.zeros(count) if seconds is None else seconds
        self._runs = np.full(count, scores.shape[1]) if runs is None else runs.astype(np.int64)
        self.mean = self._mean(np.asarray(scores[-1], float))
        if np.isnan(self.mean).all():
            raise UserError("no configuration of the table has a score")
        self.optimum = float(np.nanmax(self.mean))

    def _mean(self, scores: np.ndarray) -> np.ndarray:
        """(S, C) to (C,) mean over the seeds that were trained and did not fail; NaN where there is none."""
        known = np.isfinite(scores) & (np.arange(len(scores))[:, None] < self._runs)
        mean: np.ndarray = np.where(known, scores, 0.0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
        return mean

    @property
    def num_seeds(self) -> int:
        """S, the number of trainings of each configuration."""
        return int(self._scores.shape[1])

    @property
    def score_range(self) -> tuple[float, float]:
        """The lowest and the highest score of any training at any recorded epoch."""
        return float(np.nanmin(self._scores)), float(np.nanmax(self._scores))

    @property
    def first_scores(self) -> np.ndarray:
        """(C,) the scores of the first seed at the end, NaN where that training failed."""
        return np.asarray(self._scores[-1, 0], float)

    @property
    def last_scores(self) -> np.ndarray:
        """(S, C) all scores at the end, NaN where a training failed or was not made."""
        made = np.arange(self.num_seeds)[:, None] < self._runs
        return np.where(made, np.asarray(self._scores[-1], float), np.nan)

    @property
    def runs(self) -> np.ndarray:
        """(C,) how many seeds each configuration was trained with, 1 to S."""
        return self._runs

    @property
    def keys(self) -> np.ndarray:
        """(C,) keys of the configurations, as ``space.tokens_of`` takes them."""
        return np.arange(len(self.mean)) if self._keys is None else self._keys

    def __repr__(self) -> str:
        return f"<Table {self.about.get('name', '')}: {len(self.mean):,} configurations, {self.num_seeds} seeds>"

    def rows(self, tokens: np.ndarray) -> np.ndarray:
        """(N, D) configurations to (N,) indices in the table.

        Raises:
            UserError: one is not in it.
        """
        keys = self.space.keys(tokens)
        if self._keys is None:
            return keys
        rows = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        if (self._keys[rows] != keys).any():
            missing = tokens[np.flatnonzero(self._keys[rows] != keys)[0]]
            raise UserError(f"the table lacks {brief(self.space.configuration(missing))}")
        return rows

    def scores(self, tokens: np.ndarray, seeds: np.ndarray, epoch: int = -1) -> np.ndarray:
        """(N,) validation scores of one seed each, NaN where that training failed.

        Args:
            tokens: (N, D) canonical.
            seeds: (N,) whole numbers, taken modulo the number of seeds of the configuration.
            epoch: Index of the recorded epoch; the last by default.
        """
        rows = self.rows(tokens)
        found: np.ndarray = self._scores[epoch, seeds % self._runs[rows], rows].astype(float)
        return found

    def curves(self, tokens: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """(N,) trainings to their (N, E) validation scores after each recorded epoch; see :meth:`scores`."""
        rows = self.rows(tokens)
        found: np.ndarray = self._scores[:, seeds % self._runs[rows], rows].T.astype(float)
        return found

    def seconds(self, tokens: np.ndarray) -> np.ndarray:
        """(N,) how long these trainings took when the table was made."""
        return np.asarray(self._seconds[self.rows(tokens)], float)

    def regret(self, tokens: np.ndarray, epochs: np.ndarray | None = None) -> np.ndarray:
        """(N,) how far the seeds' mean is below the table's best; the worst mean where all seeds failed.

        Args:
            tokens: (N, D) canonical.
            epochs: (N,) index of the recorded epoch to which each was trained; the last by default. The best mean is
                always that of the last epoch.
        """
        rows = self.rows(tokens)
        if epochs is None:
            means = self.mean[rows]
        else:
            means = np.empty(len(rows))
            for epoch in np.unique(epochs):
                means[epochs == epoch] = self._mean(np.asarray(self._scores[epoch], float))[rows[epochs == epoch]]
        regret: np.ndarray = self.optimum - np.where(np.isnan(means), np.nanmin(self.mean), means)
        return regret

    def test_scores(self, tokens: np.ndarray) -> np.ndarray:
        """(N,) mean test scores over the seeds: for reports, after a search.

        Raises:
            UserError: the table has none.
        """
        if self._test is None:
            raise UserError(f"the table {self.about.get('name', '')} has no test scores")
        means: np.ndarray = self._mean(np.asarray(self._test, float))[self.rows(tokens)]
        return means

    def extra(self, name: str, tokens: np.ndarray) -> np.ndarray:
        """(N,) further numbers of these configurations.

        Raises:
            UserError: the table has none of that name.
        """
        if name not in self._extra:
            raise suggest(name, self._extra, f"extra array of the table {self.about.get('name', '')}:")
        found: np.ndarray = self._extra[name][self.rows(tokens)]
        return found

    # ------------------------------------------------------------------ files
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table as a compressed npz."""
        choices = [
            {"name": c.name, "values": list(c.values), "ordinal": c.ordinal, "condition": c.condition}
            for c in self.space.choices
        ]
        members: dict[str, Any] = {
            "space": np.array(json.dumps(choices)),
            "about": np.array(json.dumps(self.about)),
            "scores": self._scores,
            "epochs": self.epochs,
            "seconds": self._seconds,
            **({} if (self._runs == self.num_seeds).all() else {"runs": self._runs.astype(np.uint8)}),
            **({} if self._keys is None else {"keys": self._keys}),
            **({} if self._test is None else {"test": self._test}),
            **{f"extra.{name}": numbers for name, numbers in self._extra.items()},
        }
        np.savez_compressed(path, **members)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Table:
        """Read a table that :meth:`save` wrote.

        Raises:
            UserError: no such file, or one that is no table.
        """
        try:
            members = dict(Members(Path(path), "table of results"))
            about = json.loads(str(members["about"]))
            if not isinstance(about, dict):
                raise UserError(f"about is {brief(about)}; allowed: a JSON object")
            choices = [
                Choice(
                    entry["name"],
                    tuple(entry["values"]),
                    entry["ordinal"],
                    entry["condition"] and (entry["condition"][0], tuple(entry["condition"][1])),
                )
                for entry in json.loads(str(members["space"]))
            ]
            return cls(
                Space(choices),
                members["scores"],
                members["epochs"],
                members["seconds"],
                members.get("keys"),
                members.get("runs"),
                members.get("test"),
                about,
                {name.removeprefix("extra."): array for name, array in members.items() if name.startswith("extra.")},
            )
        except (ValueError, KeyError, TypeError, IndexError, RecursionError, UserError) as error:
            raise UserError(f"{str(path)!r} is not a table of results ({' '.join(str(error).split())})") from error


def _check_numbers(name: str, numbers: np.ndarray | None, shape: tuple[int, ...]) -> None:
    if numbers is not None and (numbers.shape != shape or numbers.dtype.kind not in "biuf"):
        raise UserError(f"the {name} of a table are {numbers.dtype} {numbers.shape}; allowed: numbers {shape}")


def table_names() -> list[str]:
    """The tables that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def load_table(name: str | os.PathLike[str]) -> Table:
    """A shipped table by its name, or one of the user's own by its path.

    Raises:
        UserError: there is none of that name.
    """
    path = Path(validation.place("table", name))
    if path.suffix == ".npz":
        return Table.load(path)
    if str(name) not in table_names():
        raise suggest(str(name), table_names(), "table")
    return Table.load(FOLDER / f"{name}.npz")
