"""Search with prior learning on other data sets: 50 trials on tables from which nothing was learned before.

Searchers without prior learning (random, Optuna's TPE, the controller) beside those that have seen the tables of other
data sets (`lhy_rl.search.stacked.GROUPS`: five of HPOBench for three others, two of NAS-Bench-201 for the third, three
of FCNet for the fourth):

- `portfolio`: the configurations with the best mean rank over those tables, tried in order: no learning;
- `tpe_transfer`: TPE that begins with ten of them, by Optuna's `enqueue_trial`;
- `controller_transfer`: the controller whose policy imitated the best hundred before it searches, each seed with a
  training of its own; `frozen`: the same, and nothing is learned in the search;
- `ppo, HPOTrial-v0`: a policy with an LSTM that learned by PPO in `HPOTrial-v0` (`configs/ppo/hpo_trial`), three
  trainings, 20 searches each, actions drawn; only for HPOBench.

Regrets and both accountings are those of `benchmarks.search`. The policy's episode ends after 50 trials even if some of
them were repeated, so that with repeats free it has tried fewer configurations than the others. The options were chosen
on the tables used for learning, each left out in turn, with seeds from 100.

    python -m benchmarks.hpo_trial [--quick] [--seeds 20]
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Row, parser, progress, save
from benchmarks.search import KINDS, RANDOM, TPE, Regrets, filled, mean, ratios
from lhy_rl.experiment import build, config
from lhy_rl.experiment.search_run import make_searcher
from lhy_rl.search.objective import TableObjective
from lhy_rl.search.table import Table, load_table

LEARNED_FOR = "hpobench"
TABLES = ("hpobench-segment", "hpobench-vehicle", "hpobench-phoneme", "nb201-cifar10", "fcnet-slice_localization")
BUDGETS = (10, 25, 50)
SEARCHERS: dict[str, tuple[str, dict[str, Any]]] = {
    RANDOM: ("random", {}),
    TPE: ("tpe", {}),
    "controller": ("controller", {}),
    "portfolio": ("portfolio", {}),
    "tpe_transfer": ("tpe_transfer", {}),
    "controller_transfer": ("controller_transfer", {}),
    "controller_transfer, frozen": ("controller_transfer", {"learning_rate": 1e-9}),
}
POLICY, CONFIG, TRAININGS, EPISODES = "ppo, HPOTrial-v0", "ppo/hpo_trial", 3, 20
DRAWN = (RANDOM, TPE, "controller", "portfolio", "tpe_transfer", "controller_transfer", POLICY)
Found = dict[tuple[str, str], list[Any]]


class PolicyRegrets:
    """The regrets of one search by a policy, like :class:`benchmarks.search.Regrets` of a searcher."""

    def __init__(self, regrets: np.ndarray, different: np.ndarray, seconds: float) -> None:
        trials = len(regrets)
        self.charged = dict(zip(KINDS, regrets.T, strict=True))
        self.free = dict(zip(KINDS, filled(regrets[different], trials).T, strict=True))
        self.repeated = float(1 - different.mean())
        self.seconds = seconds


def trained(seed: int, quick: bool) -> Any:
    """Train an agent to search."""
    options: dict[str, Any] = {"seed": seed} | ({"total_timesteps": 6_400} if quick else {})
    chosen = config.load(CONFIG, options)
    agent = build.make_agent(chosen, build.make_environment(chosen))
    agent.learn(chosen.values["total_timesteps"])
    return agent


def searches(agent: Any, name: str, episodes: int, trials: int, seed: int) -> list[PolicyRegrets]:
    """Search a table with a policy in parallel episodes, and compute the regrets from the table's means afterwards."""
    env = build.make_environment(config.load(CONFIG), episodes, tables=name, num_trials=trials)
    table: Table = load_table(name)
    begun = time.process_time()
    obs, _ = env.reset(seed=seed)
    state, start = None, np.ones(episodes, bool)
    incumbents = np.full(episodes, np.nan)
    tried, regrets = [], []
    for _ in range(trials):
        actions, state = agent.predict(obs, state, start, deterministic=False)
        start[:] = False
        obs, gains, *_ = env.step(actions)
        regret = table.regret(actions)
        incumbents = np.where((gains > 0) | np.isnan(incumbents), regret, incumbents)
        tried.append(table.rows(actions))
        regrets.append(np.stack([incumbents, regret], 1))
    seconds = (time.process_time() - begun) / episodes / trials
    every = np.array(regrets)  # (T, B, 2)
    every[..., 1] = np.minimum.accumulate(every[..., 1])
    rows = np.array(tried)  # (T, B)
    different = np.array([[row not in rows[:t, b] for b, row in enumerate(at)] for t, at in enumerate(rows)])
    return [PolicyRegrets(every[:, b], different[:, b], seconds) for b in range(episodes)]


def measured(seeds: int, tables: Sequence[str], trials: int, quick: bool) -> tuple[Found, dict[tuple[str, str], float]]:
    """Return (table, searcher) to its searches, and to the mean CPU-seconds before the first trial."""
    found: Found = {}
    before: dict[tuple[str, str], float] = {}
    agents = 1 if quick else TRAININGS
    with progress(len(SEARCHERS) * len(tables) * seeds + agents, "transfer") as advance:
        for number in range(agents):
            begun = time.process_time()
            agent = trained(number, quick)
            spent = (time.process_time() - begun) / agents
            for table in [table for table in tables if table.startswith(LEARNED_FOR)]:
                before[table, POLICY] = before.get((table, POLICY), 0.0) + spent
                made = searches(agent, table, min(seeds, EPISODES), trials, number)
                found.setdefault((table, POLICY), []).extend(made)
            advance(POLICY)
        for table in tables:
            objective = TableObjective(load_table(table))
            for name, (kind, options) in SEARCHERS.items():
                short = {"pretraining_steps": 10} if quick and kind == "controller_transfer" else {}
                for seed in range(seeds):
                    begun = time.process_time()
                    searcher = make_searcher(kind, objective.space, seed, trials, options | short)
                    assert table not in searcher.learned_from
                    spent = (time.process_time() - begun) / seeds
                    before[table, name] = before.get((table, name), 0.0) + spent
                    found.setdefault((table, name), []).append(Regrets(searcher, objective, trials, seed))
                    advance(f"{name} on {table}")
    return found, before


def rows_of(found: Found, before: dict[tuple[str, str], float], trials: int) -> list[Row]:
    """Return the rows of the results."""
    from scipy.stats import mannwhitneyu

    rows = []
    for (table, name), runs in found.items():
        variant, seeds = f"{trials} trials", len(runs)
        for budget in sorted({min(budget, trials) for budget in BUDGETS}):
            for kind in KINDS:
                for accounting in ("charged", "free"):
                    values = [float(getattr(run, accounting)[kind][budget - 1]) for run in runs]
                    metric = f"regret, {kind}" + (", repeats free" if accounting == "free" else "")
                    rows.append(Row(table, name, f"{budget} trials", metric, *mean(values), seeds, budget))
        rows.append(Row(table, name, variant, "repeated", *mean([run.repeated for run in runs]), seeds, trials))
        cost = [1000 * run.seconds for run in runs]
        rows.append(Row(table, name, variant, "ms a trial", *mean(cost), seeds, trials))
        spent = before[table, name]
        rows.append(Row(table, name, variant, "seconds before", spent, spent, spent, seeds, trials, spent))
        for other, of in ((RANDOM, "random"), (TPE, "TPE")):
            if name == other:
                continue
            for accounting, suffix in (("charged", ""), ("free", " (repeats free)")):
                mine, theirs = (
                    [float(getattr(run, accounting)["best tried"][-1]) for run in group]
                    for group in (runs, found[table, other])
                )
                by = float(np.mean(mine) / np.mean(theirs))
                p = float(mannwhitneyu(mine, theirs).pvalue)
                rows.append(Row(table, name, variant, f"by {of}'s{suffix}", by, by, by, seeds, trials))
                rows.append(Row(table, name, variant, f"p against {of}{suffix}", p, p, p, seeds, trials))
    three = {key: runs for key, runs in found.items() if key[0].startswith(LEARNED_FOR)}
    return rows + [replace(row, task="all of hpobench") for row in ratios(three, trials)]


def draw(found: Found, trials: int, path: Path) -> None:
    """Plot the mean regret of the best tried configuration over the trials, with its interval, for each table."""
    import matplotlib
    from matplotlib.figure import Figure

    from lhy_rl.reporting.plots import COLOURS, DPI, GREY, STYLE

    tables = list(dict.fromkeys(table for table, _ in found))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 6.4 if len(tables) > 3 else 3.4))
        panels = figure.subplots(-(-len(tables) // 3), min(3, len(tables)), squeeze=False).ravel()
        trial = np.arange(1, trials + 1)
        for axes, table in zip(panels, tables, strict=False):
            for name, colour in zip(DRAWN, [GREY, *COLOURS], strict=True):
                if (table, name) not in found:
                    continue
                curves = np.array([run.charged["best tried"] for run in found[table, name]])  # (S, T)
                low, high = np.array([mean(column)[1:] for column in curves.T]).T
                least = load_table(table).optimum * 1e-4  # since a regret of 0 has no logarithm
                line = "--" if name == POLICY else "-"
                axes.plot(trial, np.maximum(curves.mean(0), least), line, color=colour, label=name, lw=1.4)
                axes.fill_between(trial, np.maximum(low, least), np.maximum(high, least), color=colour, alpha=0.12)
            axes.set(title=table, yscale="log", xlabel="trials", ylabel="regret, best tried")
        for axes in panels[len(tables) :]:
            axes.set_axis_off()
        corner = "center" if len(panels) > len(tables) else "best"
        panels[-1].legend(*panels[0].get_legend_handles_labels(), fontsize=8, loc=corner)
        figure.savefig(path, dpi=DPI)


def main() -> None:
    """Measure and save."""
    options = parser(__doc__, seeds=20).parse_args()
    torch.set_num_threads(1)
    tables, trials, seeds = (TABLES[:1], 12, 2) if options.quick else (TABLES, BUDGETS[-1], options.seeds)
    found, before = measured(seeds, tables, trials, options.quick)
    rows = rows_of(found, before, trials)
    save("hpo_trial", rows, options.output)
    draw(found, trials, options.output / "hpo_trial.png")
    for row in rows:
        if row.variant == f"{trials} trials" and row.metric in ("by random's", "by TPE's", "p against TPE"):
            print(f"{row.task:26} {row.agent:28} {row.metric:16} {row.value:8.4f}")


if __name__ == "__main__":
    main()
