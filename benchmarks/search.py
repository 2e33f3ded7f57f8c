"""Searchers on tables of real trainings: their distance from the best after 10, 25, 50, 100 and 200 trials.

Every searcher has the same tables and seeds; an evaluation is the score of one training (one seed of the table's), with
its real noise. Two regrets are given, both in the table's score and by its means over the seeds, which no searcher
sees: that of the incumbent, the configuration with the best single score, which a user would take; and that of the best
configuration that was tried at all, which excludes the luck of a single score. Repeated trials are charged in one
accounting and free, as with a cache, in the other: then a searcher continues until it has tried 200 different
configurations, or has proposed 1,000.

`ratio` is the geometric mean over the four tables of a searcher's mean regret by TPE's (its best tried, after 200).
The Mann-Whitney test is of the searcher's regrets against those of random search on the same table.

The controller's options were chosen on hpobench-phoneme, nb201-cifar100 and fcnet-protein_structure, seeds 100 to 109,
which are not among these tables.

`digits-cnn`, the table of our own trainings, is measured in the same way and is not part of that mean.

    python -m benchmarks.search [--quick] [--seeds 20] [--only 'controller*'] [--tables 'digits*']
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.harness import Row, chosen, load, parser, progress, save
from lhy_rl.experiment.search_run import make_searcher
from lhy_rl.search.objective import TableObjective
from lhy_rl.search.searcher import Exhausted, Searcher
from lhy_rl.search.table import load_table

TABLES = ("nb201-cifar10", "hpobench-segment", "hpobench-vehicle", "fcnet-slice_localization")
OWN = "digits-cnn"
BUDGETS = (10, 25, 50, 100, 200)
ASKED = 1000  # most proposals until 200 different ones have been made
SEARCHERS: dict[str, tuple[str, dict[str, object]]] = {
    "grid": ("grid", {}),
    "random": ("random", {}),
    "local": ("local", {}),
    "evolution": ("evolution", {}),
    "surrogate, forest": ("surrogate", {"refit": 5}),
    "surrogate, ridge": ("surrogate", {"model": "ridge"}),
    "tpe (Optuna)": ("tpe", {}),
    "cma (Optuna)": ("cma", {}),
    "controller": ("controller", {}),
    "controller_ppo": ("controller_ppo", {}),
    "controller_paper": ("controller_paper", {}),
    "sb3_ppo (SB3)": ("sb3_ppo", {}),
    "sb3_a2c (SB3)": ("sb3_a2c", {}),
    "sb3_dqn (SB3)": ("sb3_dqn", {}),
    "controller, no rank": ("controller", {"advantage": "baseline"}),
    "controller, no elite": ("controller", {"elite": 0}),
    "controller, repeats": ("controller", {"unique": False}),
    "controller, not smooth": ("controller", {"smoothing": 0.0}),
}
TPE, RANDOM = "tpe (Optuna)", "random"
DRAWN = ("random", "tpe (Optuna)", "evolution", "local", "controller", "controller_paper")
KINDS = ("incumbent", "best tried")


class Regrets:
    """The regrets of one searcher with one seed, after each trial and after each different one.

    Attributes:
        charged, free: Kind to (T,) regrets; all trials count, or only different ones.
        repeated: The share of the first 200 trials that were repeated.
        seconds: CPU-seconds of ``ask`` and ``tell`` per trial.
    """

    def __init__(self, searcher: Searcher, objective: TableObjective, trials: int, seed: int) -> None:
        table, drawn = objective.table, np.random.default_rng(seed)
        best_score, incumbent, best = -np.inf, np.nan, np.inf
        rows: list[tuple[float, float, bool]] = []
        tried: set[tuple[int, ...]] = set()
        spent = 0.0
        while len(tried) < trials and len(rows) < ASKED:
            begun = time.process_time()
            try:
                tokens = searcher.ask()
            except Exhausted:
                break
            spent += time.process_time() - begun
            trial = objective.evaluate(tokens, int(drawn.integers(2**31)))
            begun = time.process_time()
            searcher.tell(trial)
            spent += time.process_time() - begun
            regret = float(table.regret(tokens[None])[0])
            best = min(best, regret)
            if trial.score is not None and trial.score > best_score:
                best_score, incumbent = trial.score, regret
            rows.append((incumbent, best, trial.tokens in tried))
            tried.add(trial.tokens)
        everything = np.array([row[:2] for row in rows])
        different = everything[[not repeated for *_, repeated in rows]]
        self.charged = dict(zip(KINDS, filled(everything, trials).T, strict=True))
        self.free = dict(zip(KINDS, filled(different, trials).T, strict=True))
        self.repeated = float(np.mean([repeated for *_, repeated in rows[:trials]]))
        self.seconds = spent / len(rows)


def filled(regrets: np.ndarray, trials: int) -> np.ndarray:
    """Return (T, 2) regrets of exactly so many trials; if a search ended early, its last ones are repeated."""
    return np.concatenate([regrets, np.repeat(regrets[-1:], max(0, trials - len(regrets)), 0)])[:trials]


def measured(
    names: Sequence[str], seeds: int, tables: Sequence[str], trials: int
) -> dict[tuple[str, str], list[Regrets]]:
    """Return (table, searcher) to the regrets of its seeds."""
    found: dict[tuple[str, str], list[Regrets]] = {}
    with progress(len(names) * len(tables) * seeds, "search") as advance:
        for table in tables:
            objective = TableObjective(load_table(table))
            for name in names:
                kind, options = SEARCHERS[name]
                for seed in range(seeds):
                    searcher = make_searcher(kind, objective.space, seed, trials, dict(options))
                    found.setdefault((table, name), []).append(Regrets(searcher, objective, trials, seed))
                    advance(f"{name} on {table}")
    return found


def mean(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean, to which a bad search contributes fully, and its 95% bootstrap interval."""
    array, drawn = np.asarray(values, float), np.random.default_rng(0)
    low, high = np.quantile(array[drawn.integers(len(array), size=(2000, len(array)))].mean(1), (0.025, 0.975))
    return float(array.mean()), float(low), float(high)


def rows_of(found: dict[tuple[str, str], list[Regrets]], trials: int) -> list[Row]:
    """Return the rows of the results."""
    from scipy.stats import mannwhitneyu

    rows = []
    for (table, name), runs in found.items():
        cost = sum(run.seconds for run in runs) / len(runs)
        for budget in (budget for budget in BUDGETS if budget <= trials):
            for kind in KINDS:
                for accounting in ("charged", "free"):
                    values = [float(getattr(run, accounting)[kind][budget - 1]) for run in runs]
                    metric = f"regret, {kind}" + (", repeats free" if accounting == "free" else "")
                    rows.append(Row(table, name, f"{budget} trials", metric, *mean(values), len(runs), budget))
        repeated = [run.repeated for run in runs]
        rows.append(Row(table, name, f"{trials} trials", "repeated", *mean(repeated), len(runs), trials))
        seconds = [1000 * run.seconds for run in runs]
        rows.append(Row(table, name, f"{trials} trials", "ms a trial", *mean(seconds), len(runs), trials, cost))
        if name != RANDOM and (table, RANDOM) in found:
            mine, theirs = ([r.charged["best tried"][-1] for r in group] for group in (runs, found[table, RANDOM]))
            p = float(mannwhitneyu(mine, theirs).pvalue)
            rows.append(Row(table, name, f"{trials} trials", "p against random", p, p, p, len(runs), trials))
            by = float(np.mean(mine) / np.mean(theirs))
            rows.append(Row(table, name, f"{trials} trials", "by random's", by, by, by, len(runs), trials))
    return rows + ratios(found, trials)


def ratios(found: dict[tuple[str, str], list[Regrets]], trials: int) -> list[Row]:
    """Return each searcher's mean regret over TPE's, a geometric mean over the tables, bootstrapped over the seeds."""
    tables = [table for table in dict.fromkeys(table for table, _ in found) if table != OWN]
    names = list(dict.fromkeys(name for _, name in found))
    rows, drawn = [], np.random.default_rng(0)
    for name in [name for name in names if name != TPE] if TPE in names and tables else ():
        for accounting in ("charged", "free"):
            pairs = [
                [
                    np.array([getattr(run, accounting)["best tried"][-1] for run in found[table, who]])
                    for who in (name, TPE)
                ]
                for table in tables
            ]

            def ratio(resample: bool, pairs: list[list[np.ndarray]] = pairs) -> float:
                logs = []
                for mine, theirs in pairs:
                    rows = [drawn.integers(len(x), size=len(x)) if resample else slice(None) for x in (mine, theirs)]
                    logs.append(np.log(mine[rows[0]].mean() + 1e-9) - np.log(theirs[rows[1]].mean() + 1e-9))
                return float(np.exp(np.mean(logs)))

            low, high = np.quantile([ratio(True) for _ in range(1000)], (0.025, 0.975))
            seeds = len(found[tables[0], name])
            metric = "regret by TPE's" + (", repeats free" if accounting == "free" else "")
            rows.append(Row("all tables", name, f"{trials} trials", metric, ratio(False), low, high, seeds, trials))
    return rows


def draw(rows: Sequence[Row], path: Path) -> None:
    """Plot the regret of the best tried configuration over the trials, with a panel for each table."""
    import matplotlib
    from matplotlib.figure import Figure

    from lhy_rl.reporting.plots import COLOURS, DPI, GREY, STYLE

    chosen = [row for row in rows if row.metric == "regret, best tried" and row.agent in DRAWN]
    tables = list(dict.fromkeys(row.task for row in chosen))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 3.2 * -(-len(tables) // 2)))
        panels = figure.subplots(-(-len(tables) // 2), 2, squeeze=False).ravel()
        for axes, table in zip(panels, tables, strict=False):
            for name, colour in zip(DRAWN, [GREY, *COLOURS], strict=False):
                points = [row for row in chosen if row.task == table and row.agent == name]
                budgets = [row.steps for row in points]
                axes.plot(budgets, [max(row.value, 1e-4) for row in points], marker="o", ms=3, color=colour, label=name)
                axes.fill_between(
                    budgets,
                    [max(row.low, 1e-4) for row in points],
                    [row.high for row in points],
                    color=colour,
                    alpha=0.1,
                )
            axes.set(title=table, xscale="log", yscale="log", xlabel="trials", ylabel="regret, best tried")
        panels[0].legend(fontsize=8)
        for axes in panels[len(tables) :]:
            axes.set_visible(False)
        figure.savefig(path, dpi=DPI)


def main() -> None:
    """Measure and save."""
    command = parser(__doc__, seeds=20)
    command.add_argument("--only", default="*", metavar="PATTERN", help="searchers to run, beside random and TPE")
    command.add_argument("--tables", default="*", metavar="PATTERN", help="tables to search")
    options = command.parse_args()
    names = list(dict.fromkeys([RANDOM, TPE, *chosen("search", SEARCHERS, options.only)]))
    tables = chosen("search", (*TABLES, OWN), options.tables)
    tables, trials, seeds = (tables[:1], 25, 2) if options.quick else (tables, BUDGETS[-1], options.seeds)
    rows = rows_of(measured(names, seeds, tables, trials), trials)
    if (options.only, options.tables) != ("*", "*"):
        new = {(row.task, row.agent) for row in rows}
        rows = [row for row in load("search", options.output) if (row.task, row.agent) not in new] + rows
    save("search", rows, options.output)
    draw(rows, options.output / "search.png")
    for row in rows:
        if row.variant == f"{trials} trials" and row.metric in ("regret, best tried", "regret by TPE's"):
            print(f"{row.task:26} {row.agent:22} {row.metric:20} {row.value:8.4f} [{row.low:.4f}, {row.high:.4f}]")


if __name__ == "__main__":
    main()
