"""Several tables of one space as one array, for searches on many data sets and for learning from some of them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.search.space import Space
from lhy_rl.search.table import load_table

GROUPS: dict[str, tuple[str, ...]] = {
    "hpobench-train": (
        "hpobench-australian",
        "hpobench-blood_transfusion",
        "hpobench-car",
        "hpobench-credit_g",
        "hpobench-kc1",
    ),
    "hpobench-test": ("hpobench-segment", "hpobench-vehicle", "hpobench-phoneme"),
    "nb201-train": ("nb201-cifar100", "nb201-imagenet"),
    "nb201-test": ("nb201-cifar10",),
    "fcnet-train": ("fcnet-naval_propulsion", "fcnet-parkinsons_telemonitoring", "fcnet-protein_structure"),
    "fcnet-test": ("fcnet-slice_localization",),
}
"""Groups of shipped tables of one space, for training and for testing."""

Names = Sequence[str] | str | os.PathLike[str]  # str last: it would read a list as one name
"""One table or several, by their names or paths; or a group of :data:`GROUPS`."""


class StackedTables:
    """The last validation scores of M tables of one space, with S seeds or fewer of each of C configurations.

    Args:
        names: Names of shipped tables, or paths, or the name of a group.

    Attributes:
        tables: M of them.
        names: Names of the tables.
        space: Their common space.
        scores: (M, S, C) float32; -inf where a training failed, and after a configuration's last seed.
        runs: (M, C) how many seeds a configuration was trained with.
        lowest: (M,) the lowest score of each.

    Raises:
        UserError: no table, one that does not exist, or two that do not have the same configurations.
    """

    def __init__(self, names: Names) -> None:
        if isinstance(names, str | os.PathLike):
            chosen: Sequence[str | os.PathLike[str]] = GROUPS.get(str(names), [names])
        elif isinstance(names, Sequence) and not isinstance(names, bytes):
            chosen = list(names)
        else:
            raise UserError(f"tables={brief(names)} is not allowed; must be a name or a path, or a list of them")
        if not chosen:
            raise UserError("no tables are given; allowed: at least one, all of the same space")
        self.tables = [load_table(name) for name in chosen]
        self.names = tuple(str(table.about.get("name", "")) for table in self.tables)
        first = self.tables[0]
        for name, table in zip(chosen, self.tables, strict=True):
            if table.space.choices != first.space.choices or not np.array_equal(table.keys, first.keys):
                raise UserError(f"the tables {brief(str(chosen[0]))} and {brief(str(name))} have different spaces")
        self.space = first.space
        most = max(table.num_seeds for table in self.tables)
        self.scores = np.full((len(chosen), most, len(first.mean)), -np.inf, np.float32)
        for scores, table in zip(self.scores, self.tables, strict=True):
            scores[: table.num_seeds] = np.where(np.isfinite(table.last_scores), table.last_scores, -np.inf)
        self.runs = np.stack([table.runs for table in self.tables])
        self.lowest = np.where(np.isfinite(self.scores), self.scores, np.inf).min((1, 2))

    def __len__(self) -> int:
        return len(self.tables)

    def rows(self, tokens: np.ndarray) -> np.ndarray:
        """(N, D) configurations to their (N,) places, the same in all tables."""
        return self.tables[0].rows(tokens)

    def mean_ranks(self) -> np.ndarray:
        """(C,) the mean over the tables of a configuration's rank, 0 the worst and 1 the best; ties share the mean
        rank.

        Ranks are those of the means over the seeds, since a searcher may read all of a training table.
        """
        ranks = np.stack([share_below(np.nan_to_num(table.mean, nan=-np.inf)) for table in self.tables])
        mean: np.ndarray = ranks.mean(0)
        return mean

    def best(self, n: int | None) -> np.ndarray:
        """(n, D) configurations with the best mean rank, the best first; None: all."""
        order = np.argsort(-self.mean_ranks(), kind="stable")[:n]
        return self.space.tokens_of(self.tables[0].keys[order])


def learned_tables(space: Space, names: Names | None) -> StackedTables:
    """The tables from which a searcher learns before it searches a space.

    Args:
        space: What will be searched.
        names: The tables; None: the shipped group of training tables that has this space.

    Raises:
        UserError: they have another space, or no group has this one.
    """
    if names is None:
        groups = [group for group in GROUPS if group.endswith("-train")]
        names = next((group for group in groups if load_table(GROUPS[group][0]).space.choices == space.choices), None)
        if names is None:
            raise UserError(
                f"no shipped tables have the choices {brief(space.names)}; give the searcher tables of its own: "
                "--tables PATH or [PATH, PATH]"
            )
    learned = StackedTables(names)
    if learned.space.choices != space.choices:
        raise UserError(f"the tables {brief(list(learned.names))} have another space than the one that is searched")
    return learned


def share_below(scores: np.ndarray) -> np.ndarray:
    """(C,) each score's rank among all, from 0 to 1; equal scores share their mean rank."""
    ordered = np.sort(scores)
    lower, upper = (np.searchsorted(ordered, scores, side) for side in ("left", "right"))
    ranks: np.ndarray = (lower + upper - 1) / 2 / max(1, len(scores) - 1)
    return ranks
