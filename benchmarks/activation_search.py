"""The search for activation functions: 300 evaluations by several searchers; the found functions are trained again.

An evaluation is the validation accuracy of one training on MNIST-1D (the table ``activations-mnist1d``). The result of
a search is the formula with the best single score; its evaluation is the mean over the table's seeds, which no searcher
sees:

    accuracy found       that mean (median over the searches)
    better in the table  the share of the 2,800 formulas that have a better mean
    p against random     Mann-Whitney, of the accuracies found
    different functions  of the 300 that were tried; equal formulas are written differently and are tried again

The accuracies of formulas are from trainings that the searches never saw: the five best that the controller found, by
the table's validation means, and four that are in use, trained again with ten fresh seeds, on MNIST-1D (its test
series), three times as long, and on a task that the search never saw: scikit-learn's digits, 8 x 8 pictures, by a
convolutional network in two dimensions (its test pictures). The task was chosen before any result on it was known. ``p
against relu`` and ``p against swish`` are Mann-Whitney tests over these seeds.

    python -m benchmarks.activation_search [--quick] [--seeds 20]
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.stats import mannwhitneyu

from benchmarks.harness import Row, parser, progress, save
from benchmarks.search import mean
from lhy_rl.data.digits import load_digits
from lhy_rl.data.splits import Splits
from lhy_rl.experiment.search_run import make_searcher
from lhy_rl.search.children.activation_cnn import RECORDED, data_set, function_of, side_by_side, train
from lhy_rl.search.children.activation_formulas import SPACE, activation, formulas, simplest
from lhy_rl.search.objective import TableObjective
from lhy_rl.search.table import Table, load_table

NAME, TRIALS = "activations-mnist1d", 300
SEARCHERS = {
    "controller": "controller",
    "controller_paper": "controller_paper",
    "random": "random",
    "evolution": "evolution",
    "tpe (Optuna)": "tpe",
}
KNOWN = {"relu": "relu(x)", "swish": "x * sigmoid(x)", "tanh": "tanh(x)", "identity": "x"}
FOUND, FRESH, FIRST = 5, 10, 1000  # number of formulas that are trained again, number of seeds, first seed
SHOWN = 20  # number of the table's best formulas in the results
PICTURES = {"kernels": (3, 3, 3), "strides": (1, 2, 2)}  # options of the network for digits


@dataclass(frozen=True)
class Found:
    """What one search found.

    Attributes:
        key: Key of the formula with the best single score, in its shortest notation.
        means: (T,) the table's mean of the best formula so far, after each evaluation.
        different: Number of different functions that were tried.
        seconds: CPU-seconds of the search.
    """

    key: int
    means: np.ndarray
    different: int
    seconds: float


def search(kind: str, table: Table, seed: int, trials: int) -> Found:
    """Run one search."""
    begun, objective, drawn = time.process_time(), TableObjective(table), np.random.default_rng(seed)
    searcher = make_searcher(kind, SPACE, seed, trials, {})
    best, keys, incumbents = -np.inf, [], []
    for _ in range(trials):
        tokens = searcher.ask()
        trial = objective.evaluate(tokens, int(drawn.integers(2**31)))
        searcher.tell(trial)
        keys.append(int(simplest()[SPACE.keys(tokens)]))
        if trial.score is not None and trial.score > best:
            best, incumbent = trial.score, keys[-1]
        incumbents.append(incumbent if np.isfinite(best) else 0)
    return Found(incumbents[-1], table.mean[incumbents], len(set(keys)), time.process_time() - begun)


def median(values: Sequence[float]) -> tuple[float, float, float]:
    """The median and its 95% bootstrap interval."""
    array, drawn = np.asarray(values, float), np.random.default_rng(0)
    low, high = np.quantile(np.median(array[drawn.integers(len(array), size=(2000, len(array)))], 1), (0.025, 0.975))
    return float(np.median(array)), float(low), float(high)


def search_rows(found: dict[str, list[Found]], table: Table, trials: int) -> list[Row]:
    """Return the rows of what each searcher found."""
    rows, known = [], table.mean[np.isfinite(table.mean)]
    for name, runs in found.items():
        ends = [float(run.means[-1]) for run in runs]
        better = [float((known > end).sum() / len(table.mean)) for end in ends]
        values = {
            "accuracy found": median(ends),
            "better in the table": median(better),
            "different functions": mean([run.different for run in runs]),
        }
        if name != "random" and len(runs) > 1:
            p = float(mannwhitneyu(ends, [run.means[-1] for run in found["random"]]).pvalue)
            values["p against random"] = (p, p, p)
        cost = sum(run.seconds for run in runs) / len(runs)
        rows += [Row(NAME, name, f"{trials} trials", m, *v, len(runs), trials, cost) for m, v in values.items()]
    return rows


def table_rows(table: Table) -> list[Row]:
    """Return rows of the best and the known formulas, with their rank among the different functions of the table."""
    means = np.where(np.isnan(table.mean), 0.0, table.mean)
    different = np.unique(simplest())
    order = different[np.argsort(-means[different], kind="stable")]
    rows = []
    in_use = [key_of(text) for text in KNOWN.values()]
    for place, key in enumerate(order.tolist(), 1):
        if place <= SHOWN or key in in_use:
            tokens = SPACE.tokens_of(np.array([key]))
            test = float(table.test_scores(tokens)[0])
            for metric, value in {
                "validation accuracy": float(means[key]),
                "test accuracy": test,
                "place": float(place),
            }.items():
                rows.append(Row(NAME, str(formulas()[key]), "table", metric, value, value, value, table.num_seeds))
    return rows


def key_of(text: str) -> int:
    """Return the key of a formula, given as it is printed."""
    return int(simplest()[int(np.flatnonzero(formulas() == text)[0])])


def best_found(runs: Sequence[Found], table: Table, count: int) -> list[int]:
    """Return the keys of the found formulas that are best by the table's validation means, without the known ones."""
    in_use = {key_of(text) for text in KNOWN.values()}
    keys = sorted({run.key for run in runs} - in_use, key=lambda key: -float(table.mean[key]))
    return keys[:count]


def trained_again(keys: Sequence[int], data: Splits, seeds: int, epochs: int, two: bool) -> dict[int, list[float]]:
    """Return the test accuracies of formulas with fresh seeds; 0.1, that of guessing, where a training diverged."""
    torch.set_num_threads(1)
    options = PICTURES if two else {}
    fresh, found = list(range(FIRST, FIRST + seeds)), {}
    with progress(len(keys), "again") as advance:
        for key in keys:
            outcomes = train(side_by_side([function_of(key)], [seeds]), data, fresh, (epochs,), **options)
            found[key] = [0.1 if np.isnan(outcome.test) else outcome.test for outcome in outcomes]
            advance(str(formulas()[key]))
    return found


def again_rows(task: str, variant: str, found: dict[int, list[float]], cost: float) -> list[Row]:
    """Return the accuracies, and the p values against ReLU and swish."""
    rows = []
    for key, values in found.items():
        text, seeds = str(formulas()[key]), len(values)
        rows.append(Row(task, text, variant, "accuracy again", *mean(values), seeds, cpu_seconds=cost))
        for name in ("relu", "swish"):
            other = key_of(KNOWN[name])
            if key != other:
                p = float(mannwhitneyu(values, found[other]).pvalue)
                rows.append(Row(task, text, variant, f"p against {name}", p, p, p, seeds))
    return rows


def draw(found: dict[str, list[Found]], keys: Sequence[int], table: Table, path: Path) -> None:
    """Plot the functions that were found beside the known ones, and the accuracy over the evaluations."""
    import matplotlib
    from matplotlib.figure import Figure

    from lhy_rl.reporting.plots import COLOURS, DPI, GREY, STYLE

    x = torch.linspace(-4, 4, 401, dtype=torch.float64)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.4))
        curves, search_axes = figure.subplots(1, 2)
        for key, colour in zip(keys, COLOURS, strict=False):
            y = activation(SPACE.configuration(SPACE.tokens_of(np.array(key))))(x)
            curves.plot(x, y, color=colour, label=f"{formulas()[key]}  ({table.mean[key]:.3f})")
        for name, style in (("relu", "--"), ("swish", ":"), ("tanh", "-.")):
            key = key_of(KNOWN[name])
            y = activation(SPACE.configuration(SPACE.tokens_of(np.array(key))))(x)
            curves.plot(x, y, color=GREY, linestyle=style, label=f"{name}  ({table.mean[key]:.3f})")
        curves.set(ylim=(-3, 4.5), xlabel="x", title="What the controller found, and what is in use")
        curves.legend(fontsize=8)
        for (name, runs), colour in zip(found.items(), COLOURS, strict=False):
            means = np.array([run.means for run in runs])
            trials = np.arange(1, means.shape[1] + 1)
            search_axes.plot(trials, np.median(means, 0), color=colour, label=name)
            search_axes.fill_between(trials, *np.quantile(means, (0.25, 0.75), axis=0), color=colour, alpha=0.12, lw=0)
        for name in ("relu", "swish"):
            search_axes.axhline(table.mean[key_of(KNOWN[name])], color=GREY, linewidth=0.8)
            search_axes.text(1.1, table.mean[key_of(KNOWN[name])], name, fontsize=8, va="bottom", color=GREY)
        best = float(np.nanmax(table.mean))
        search_axes.set(xscale="log", ylim=(0.45, best + 0.01), xlabel="evaluations", ylabel="validation accuracy")
        search_axes.set_title("The best so far: median and quartiles")
        search_axes.legend(fontsize=8, loc="lower right")
        figure.savefig(path, dpi=DPI)


def main() -> None:
    """Measure and save."""
    options = parser(__doc__, seeds=20).parse_args()
    table, quick = load_table(NAME), options.quick
    seeds, trials, fresh = (2, 40, 2) if quick else (options.seeds, TRIALS, FRESH)
    found: dict[str, list[Found]] = {}
    with progress(len(SEARCHERS) * seeds, "search") as advance:
        for name, kind in SEARCHERS.items():
            for seed in range(seeds):
                found.setdefault(name, []).append(search(kind, table, seed, trials))
                advance(name)
    rows = search_rows(found, table, trials) + table_rows(table)
    keys = best_found(found["controller"], table, 1 if quick else FOUND)
    draw(found, keys, table, options.output / "activation_search.png")
    again = [*keys, *(key_of(text) for text in KNOWN.values())]
    epochs = 1 if quick else RECORDED[-1]
    settings = [("mnist1d", data_set(), epochs, False), ("digits", load_digits(), 3 * epochs, True)]
    settings += [] if quick else [("mnist1d", data_set(), 3 * epochs, False)]
    for task, data, lasting, two in settings:
        begun = time.process_time()
        outcomes = trained_again(again, data, fresh, lasting, two)
        rows += again_rows(task, f"{lasting} epochs", outcomes, time.process_time() - begun)
        save("activation_search", rows, options.output)
    for row in rows:
        if row.metric in ("accuracy found", "better in the table", "validation accuracy", "accuracy again"):
            print(f"{row.task:20} {row.agent:40} {row.variant:11} {row.metric:26} {row.value:8.4f}")


if __name__ == "__main__":
    main()
