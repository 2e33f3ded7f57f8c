"""Update rules: what searchers find in 300 evaluations, and whether it is better than Adam when it is trained again.

1. **The search.** Every searcher has 20 seeds on the table `rules-digits`; an evaluation is the validation accuracy of
   one training. What a search has found is the rule with the best single score; it is judged by its mean over the
   table's five seeds, which no searcher sees. Wanted: a median of at least RMSProp's.
2. **Trained again.** The best of a hundred lucky scores is a lucky one. The five best rules (by the table's means) of
   those that the controller's searches found are trained again on the digits with ten fresh seeds, beside SGD,
   momentum, RMSProp, Adam and PowerSign. Each has the learning rate, of four a decade, that is best on the validation
   pictures with ten other seeds. Accuracies are those on the test pictures; p is of the Mann-Whitney test of the ten
   against Adam's ten. A rule is better than Adam where p < 0.01; it is then trained with thirty further seeds, as Adam
   is.
3. **A task that the search never saw.** The same on MNIST-1D with perceptrons 40-64-64-10, 10 epochs. It was chosen
   before anything was trained on it.

    python -m benchmarks.update_rules [--quick] [--seeds 20]
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.harness import Row, parser, progress, save
from benchmarks.search import mean
from lhy_rl.data.digits import load_digits
from lhy_rl.data.splits import LabelledData, Splits
from lhy_rl.experiment.search_run import make_searcher
from lhy_rl.functional.update_rules import parse
from lhy_rl.search.children.rule_mlp import RATES, Learned, learn, tuned
from lhy_rl.search.executors.base import InProcess
from lhy_rl.search.objective import TableObjective
from lhy_rl.search.run import Search
from lhy_rl.search.table import Table, load_table
from lhy_rl.search.update_rules import printed, tokens_of

SEARCHERS = ("random", "evolution", "tpe", "controller")
TRIALS, FOUND = 300, 5
KNOWN = {
    "SGD": "g",
    "momentum": "m",
    "signSGD": "sign(g)",
    "RMSProp": "rmsprop",
    "Adam": "adam",
    "PowerSign": "g * exp(sign(g) * sign(m))",
}
AGAIN = ("SGD", "momentum", "RMSProp", "Adam", "PowerSign")
TUNING, FRESH, FURTHER = range(100, 110), range(200, 210), range(300, 330)  # seeds: rates, comparison, confirmation
BETTER = 0.01


@dataclass(frozen=True)
class Found:
    """The results of one search.

    Attributes:
        incumbents: (T,) the table's mean of the incumbent after each trial.
        best_tried: The best table mean of all rules that were tried.
        formula: Formula of the last incumbent.
        repeated: The share of repeated trials.
        seconds: CPU-seconds of the whole search.
    """

    incumbents: np.ndarray
    best_tried: float
    formula: str
    repeated: float
    seconds: float


def search(objective: TableObjective, name: str, seed: int, trials: int) -> Found:
    """Run one search."""
    table, begun = objective.table, time.process_time()
    searcher = make_searcher(name, objective.space, seed, trials, {})
    history = Search(searcher, InProcess(objective)).run(trials)
    seconds = time.process_time() - begun
    best = np.array([tokens for tokens in history.incumbents() if tokens is not None])
    tried = np.array([trial.tokens for trial in history.trials])
    return Found(
        table.optimum - table.regret(best),
        table.optimum - float(table.regret(tried).min()),
        str(printed(best[-1:])[0]),
        float(np.mean([trial.repeated for trial in history.trials])),
        seconds,
    )


def median(values: Sequence[float]) -> tuple[float, float, float]:
    """The median and its 95% bootstrap interval."""
    array, drawn = np.asarray(values, float), np.random.default_rng(0)
    low, high = np.quantile(np.median(array[drawn.integers(len(array), size=(2000, len(array)))], 1), (0.025, 0.975))
    return float(np.median(array)), float(low), float(high)


def flat(metrics: dict[str, tuple[float, float, float]]) -> list[tuple[str, float, float, float]]:
    """Return the name, value and interval of each metric, in the order of a row."""
    return [(metric, *value) for metric, value in metrics.items()]


def table_mean(table: Table, text: str) -> float:
    """Return a rule's mean over the table's seeds."""
    return table.optimum - float(table.regret(tokens_of(parse(text))[None])[0])


def search_rows(table: Table, found: dict[str, list[Found]], trials: int) -> list[Row]:
    """Return the rows of the searches and of the known rules."""
    from scipy.stats import mannwhitneyu

    rows, task, variant = [], "rules-digits", f"{trials} trials"
    rmsprop, adam = table_mean(table, KNOWN["RMSProp"]), table_mean(table, KNOWN["Adam"])
    theirs = [(run.incumbents[-1], run.best_tried) for run in found["random"]]
    for name, runs in found.items():
        scores = [float(run.incumbents[-1]) for run in runs]

        share = float(np.mean([score >= rmsprop for score in scores]))
        ours = [(run.incumbents[-1], run.best_tried) for run in runs]
        p, p_tried = mannwhitneyu(ours, theirs).pvalue.tolist() if name != "random" else (1.0, 1.0)
        metrics = {
            "score found": median(scores),
            "best score tried": median([run.best_tried for run in runs]),
            "as good as RMSProp": (share, share, share),
            "above Adam": median([score - adam for score in scores]),
            "p against random": (p, p, p),
            "p of the best tried": (p_tried, p_tried, p_tried),
            "repeated": mean([run.repeated for run in runs]),
            "ms a trial": mean([1000 * run.seconds / trials for run in runs]),
        }
        wanted = f"wanted: RMSProp's {rmsprop:.4f}"
        rows += [Row(task, name, variant, *pair, len(runs), trials, reference=wanted) for pair in flat(metrics)]
    means, seeds = np.sort(table.mean), table.num_seeds
    for name, text in KNOWN.items():
        score, tokens = table_mean(table, text), tokens_of(parse(text))[None]
        share = float(1 - np.searchsorted(means, score - 1e-9) / len(means))
        metrics = {
            "score": (score, score, score),
            "test": 3 * (float(table.test_scores(tokens)[0]),),
            "learning rate": 3 * (float(table.extra("learning_rate", tokens)[0]),),
            "share as good": (share, share, share),
        }
        rows += [Row(task, name, text, *pair, seeds) for pair in flat(metrics)]
    return rows


@dataclass(frozen=True)
class Task:
    """A task on which rules are trained again."""

    name: str
    data: Splits
    epochs: int
    hidden: tuple[int, ...]


def mnist1d_task(epochs: int) -> Task:
    """Return MNIST-1D, which no search saw."""
    from lhy_rl.data.mnist1d import mnist1d

    return Task("mnist1d", Splits(*(LabelledData(*part) for part in mnist1d())), epochs, (64, 64))


def retrained(task: Task, text: str, tuning: Sequence[int], fresh: Sequence[int]) -> tuple[float, Learned]:
    """Tune a rule's learning rate; return it, and the results with fresh seeds."""
    rule = parse(text)
    coarse = tuned(task.data, [rule], tuning[:2], task.epochs, task.hidden, RATES).learning_rates[0]
    grid = coarse * 10 ** np.linspace(-0.75, 0.75, 7)  # four per decade
    rates, seeds = np.repeat(grid, len(tuning)), np.tile(tuning, len(grid))
    learned = learn(task.data, [rule] * len(rates), rates, seeds, task.epochs, task.hidden)
    best = grid[learned.validation[-1].reshape(len(grid), -1).mean(1).argmax()]
    return float(best), with_seeds(task, text, float(best), fresh)


def with_seeds(task: Task, text: str, rate: float, seeds: Sequence[int]) -> Learned:
    """Train with a rule and these seeds."""
    count = len(seeds)
    return learn(task.data, [parse(text)] * count, np.full(count, rate), np.array(seeds), task.epochs, task.hidden)


def p_value(ours: Learned, theirs: Learned) -> float:
    """Return the p value of the Mann-Whitney test on the test accuracies."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(ours.test, theirs.test).pvalue)


def again_rows(task: Task, results: dict[str, tuple[float, Learned]], variant: str) -> list[Row]:
    """Return rows of the accuracies with fresh seeds, and the rank test against Adam."""
    rows = []
    for name, (rate, learned) in results.items():
        metrics = {
            "test accuracy": mean(learned.test.tolist()),
            "validation accuracy": mean(learned.validation[-1].tolist()),
            "learning rate": (rate, rate, rate),
        }
        if name != "Adam":
            metrics["p against Adam"] = 3 * (p_value(learned, results["Adam"][1]),)
        rows += [Row(task.name, name, variant, *pair, len(learned.test), task.epochs) for pair in flat(metrics)]
    return rows


def confirmed_rows(task: Task, chosen: dict[str, str], results: dict[str, tuple[float, Learned]]) -> list[Row]:
    """Return rows of the rules that were better than Adam, trained with further seeds, and of Adam."""
    adam = results["Adam"][1]
    better = [
        name
        for name, (_, learned) in results.items()
        if learned.test.mean() > adam.test.mean() and p_value(learned, adam) < BETTER
    ]
    if not better:
        return []
    further = {
        name: (results[name][0], with_seeds(task, chosen[name], results[name][0], FURTHER))
        for name in ("Adam", *better)
    }
    return again_rows(task, further, "with further seeds")


def draw(
    found: dict[str, list[Found]], table: Table, curves: dict[str, dict[str, tuple[float, Learned]]], path: Path
) -> None:
    """Plot the searches, and the learning curves of the rules."""
    import matplotlib
    from matplotlib.figure import Figure

    from lhy_rl.reporting.plots import COLOURS, DPI, GREY, STYLE

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, 4.4))
        panels = figure.subplots(1, 1 + len(curves), squeeze=False)[0]
        axes = panels[0]
        for (name, runs), colour in zip(found.items(), [GREY, *COLOURS], strict=False):
            scores = np.array([run.incumbents for run in runs])
            low, middle, high = np.quantile(scores, (0.25, 0.5, 0.75), axis=0)
            trials = np.arange(1, scores.shape[1] + 1)
            axes.plot(trials, middle, color=colour, label=name)
            axes.fill_between(trials, low, high, color=colour, alpha=0.12, lw=0)
        for name, style in (("RMSProp", ":"), ("Adam", "--")):
            axes.axhline(table_mean(table, KNOWN[name]), color="black", lw=1, ls=style, label=name)
        axes.set(title="rules found, median of the seeds", xlabel="trials", ylabel="mean validation accuracy")
        axes.set(ylim=(0.84, 0.96))
        axes.legend(fontsize=7, loc="lower right")
        for axes, (task, results) in zip(panels[1:], curves.items(), strict=True):
            for style in ("--", "-"):  # the known rules, and the found ones
                names = [name for name in results if (name in KNOWN) == (style == "--")]
                for name, colour in zip(names, COLOURS, strict=False):
                    loss = results[name][1].loss.mean(1)
                    axes.plot(np.arange(1, len(loss) + 1), loss, color=colour, ls=style, label=name)
            axes.set(title=f"{task}, fresh seeds", xlabel="epochs", ylabel="training loss, nats")
            axes.legend(fontsize=7)
        figure.savefig(path, dpi=DPI)


def main() -> None:
    """Measure and save."""
    options = parser(__doc__, seeds=20).parse_args()
    quick = options.quick
    trials, seeds, count = (30, 2, 1) if quick else (TRIALS, options.seeds, FOUND)
    tuning, fresh, again = (TUNING[:2], FRESH[:2], ("SGD", "Adam")) if quick else (TUNING, FRESH, AGAIN)
    table = load_table("rules-digits")
    objective = TableObjective(table)
    found: dict[str, list[Found]] = {}
    with progress(len(SEARCHERS) * seeds, "searches") as advance:
        for name in SEARCHERS:
            for seed in range(seeds):
                found.setdefault(name, []).append(search(objective, name, seed, trials))
                advance(name)
    rows = search_rows(table, found, trials)
    texts = sorted({run.formula for run in found["controller"]}, key=lambda text: -table_mean(table, text))[:count]
    chosen = {name: KNOWN[name] for name in again} | {text: text for text in texts if text not in KNOWN.values()}
    tasks = [Task("digits", load_digits(), 3, (32, 32)), mnist1d_task(1 if quick else 10)]
    curves: dict[str, dict[str, tuple[float, Learned]]] = {}
    with progress(len(tasks) * len(chosen), "trained again") as advance:
        for task in tasks:
            for name, text in chosen.items():
                curves.setdefault(task.name, {})[name] = retrained(task, text, tuning, fresh)
                advance(f"{name} on {task.name}")
            rows += again_rows(task, curves[task.name], "trained again")
            rows += confirmed_rows(task, chosen, curves[task.name])
    save("update_rules", rows, options.output)
    draw(found, table, curves, options.output / "update_rules.png")
    for row in rows:
        if row.metric in ("score found", "score", "test accuracy", "p against Adam"):
            print(f"{row.task:14} {row.agent:36} {row.metric:18} {row.value:.4g} [{row.low:.4g}, {row.high:.4g}]")


if __name__ == "__main__":
    main()
