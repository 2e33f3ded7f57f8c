"""Sweeps with and without early termination: the cost until both have found equally good hyperparameters.

| task | what a trial trains | rungs | cost |
|------|---------------------|-------|------|
| CartPole-v1 | `ppo/cartpole` with other hyperparameters, 6,000 steps | 3 and 9 of 27 parts | environment steps |
| digits-cnn | a CNN on 8 x 8 digits, 9 epochs | 1 and 3 epochs | epochs |

Random search, once without and once with `early_terminate: {type: hyperband, ...}`, has the same configurations in the
same order and the same seeds. The sweep without early termination has 30 trials. The one with it continues until it has
the same cost. A score is that of the whole training: the mean return of the deterministic policy in 20 episodes, or the
validation accuracy. Environment steps of evaluations are counted in neither.

`cost of the best score without` is the cost of a sweep until it had found the best score of the sweep without early
termination; where a sweep does not reach that score, it is the whole cost, which is less than it would need, and
`reached` counts such a seed as 0.

    python -m benchmarks.early_stopping [--quick] [--seeds 5]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.harness import Row, parser, progress, save
from benchmarks.harness import load as load_rows
from lhy_rl.benchmark import sweep
from lhy_rl.experiment.config import load
from lhy_rl.search.children.digits_cnn import digits_cnn
from lhy_rl.search.early_stopping import Hyperband, Reports, Thresholds, read_hyperband
from lhy_rl.search.executors.base import InProcess
from lhy_rl.search.objective import Objective
from lhy_rl.search.run import Search
from lhy_rl.search.searchers.simple import Random
from lhy_rl.search.trial import Trial

CONFIG = "ppo/cartpole"
TASKS = ("CartPole-v1", "digits-cnn")
WITHOUT, WITH = "without", "early_terminate"
MOST = 400  # most trials of the sweep with early termination, if it stops nearly all


def task_of(name: str, quick: bool) -> tuple[str, Callable[[], Objective], Hyperband]:
    """Return the agent, the objective, and the rungs at which its trials are compared."""
    if name == "digits-cnn":
        epochs = 3 if quick else 9
        early = read_hyperband({"type": "hyperband", "min_iter": 1, "max_iter": epochs})
        return "cnn", lambda: digits_cnn(epochs), early
    overrides = {"total_timesteps": 2_000 if quick else 6_000}
    config = load(CONFIG, overrides)
    early = sweep.in_environment_steps(read_hyperband({"type": "hyperband", "max_iter": 27, "s": 2}), config)
    space = sweep.usual_space(config)
    return "ppo", lambda: sweep.training_objective(CONFIG, overrides, space, early.rungs), early


class Recorded(Objective):
    """Caches trainings, and replays them up to the epoch at which they would have been stopped."""

    def __init__(self, objective: Objective) -> None:
        self.objective, self.space, self.about = objective, objective.space, objective.about
        self.reports = objective.reports
        self._whole: dict[tuple[tuple[int, ...], int], Trial] = {}

    def evaluate(self, tokens: np.ndarray, seed: int, thresholds: Thresholds | None = None) -> Trial:
        key = tuple(tokens.tolist()), seed
        known = self._whole.get(key)
        if known is None:
            trial = self.objective.evaluate(tokens, seed, thresholds)
            if trial.status == "complete":
                self._whole[key] = trial
            return trial
        report = Reports(thresholds)
        for step, score in known.curve:
            if not report(step, score):
                break
        step, score = report.curve[-1]
        seconds = known.seconds * step / known.epochs
        return Trial(key[0], score, step, seconds, stopped=report.stopped, curve=tuple(report.curve))


class Found:
    """The progress of a sweep after each trial.

    Attributes:
        steps: (T,) cost of training so far, in steps or epochs.
        best: (T,) best score of a whole training so far.
        stopped: Number of trials that were stopped.
    """

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.steps = np.cumsum([trial.epochs for trial in trials])
        scores = [-np.inf if trial.score is None or trial.stopped else trial.score for trial in trials]
        self.best = np.maximum.accumulate(scores)
        self.stopped = sum(trial.stopped for trial in trials)

    def steps_to(self, score: float) -> float:
        """Return the cost until the score was reached, or the whole cost if it was not."""
        reached = np.flatnonzero(self.best >= score)
        return float(self.steps[reached[0] if len(reached) else -1])

    def at(self, steps: np.ndarray) -> np.ndarray:
        """Return the best score at these costs; before the end of the first trial, its score."""
        places = np.searchsorted(self.steps, steps, side="right") - 1
        found: np.ndarray = self.best[np.maximum(places, 0)]
        return found


def sweeps(objective: Recorded, early: Hyperband, seed: int, trials: int) -> dict[str, Found]:
    """Run both sweeps of one seed."""
    without = Search(Random(objective.space, seed), InProcess(objective)).run(trials).trials
    left = sum(trial.epochs for trial in without)

    def within(trial: Trial) -> bool:
        nonlocal left
        left -= trial.epochs
        return left > 0

    stopping = Search(Random(objective.space, seed), InProcess(objective), early_terminate=early)
    return {WITHOUT: Found(without), WITH: Found(stopping.run(MOST, within).trials)}


def rows_of(task: str, agent: str, found: Sequence[dict[str, Found]], trials: int) -> list[Row]:
    """Return the rows of a task."""
    rows = []
    wanted = [pair[WITHOUT].best[-1] for pair in found]
    for name in (WITHOUT, WITH):
        runs = [pair[name] for pair in found]
        steps = int(np.mean([run.steps[-1] for run in runs]))
        measured = {
            "trials": [float(len(run.steps)) for run in runs],
            "stopped": [float(run.stopped) for run in runs],
            "best score": [float(run.best[-1]) for run in runs],
            f"best score of {trials} trials": [float(run.best[:trials][-1]) for run in runs],
            f"cost of {trials} trials": [float(run.steps[:trials][-1]) for run in runs],
            "cost of the best score without": [run.steps_to(score) for run, score in zip(runs, wanted, strict=True)],
            "reached": [float(run.best[-1] >= score) for run, score in zip(runs, wanted, strict=True)],
        }
        for metric, values in measured.items():
            rows.append(Row(task, agent, name, metric, *mean(values), len(runs), steps))
    return rows


def mean(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean, the minimum and the maximum over the few seeds."""
    return float(np.mean(values)), float(np.min(values)), float(np.max(values))


def draw(task: str, found: Sequence[dict[str, Found]], folder: Path) -> None:
    """Plot the best score over the cost, for each seed and on average."""
    import matplotlib
    from matplotlib.figure import Figure

    from lhy_rl.reporting.plots import COLOURS, DPI, STYLE

    steps = np.linspace(0, max(pair[WITHOUT].steps[-1] for pair in found), 400)[1:]
    cost, score = ("epochs", "validation accuracy") if task == "digits-cnn" else ("environment steps", "mean return")
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.6))
        axes = figure.subplots()
        for name, colour in zip((WITHOUT, WITH), COLOURS, strict=False):
            curves = np.array([np.where(steps >= pair[name].steps[0], pair[name].at(steps), np.nan) for pair in found])
            axes.plot(steps, curves.T, color=colour, alpha=0.25, linewidth=1)
            axes.plot(steps, curves.mean(0), color=colour, linewidth=2.2, label=name)
        axes.set(xlabel=f"{cost} of training", ylabel=f"best {score}", title=task)
        axes.legend()
        figure.savefig(folder / f"early_stopping-{task}.png", dpi=DPI)


def main() -> None:
    """Measure and save."""
    command = parser(__doc__, seeds=5)
    command.add_argument("--only", choices=TASKS, help="task to run; the stored rows of the other are kept")
    options = command.parse_args()
    trials, seeds = (6, 1) if options.quick else (30, options.seeds)
    tasks = [options.only] if options.only else list(TASKS)
    rows: list[Row] = []
    if options.only:
        rows = [row for row in load_rows("early_stopping", options.output) if row.task != options.only]
    for name in tasks:
        agent, make, early = task_of(name, options.quick)
        found = []
        with progress(seeds, name) as advance:
            for seed in range(seeds):
                found.append(sweeps(Recorded(make()), early, seed, trials))
                advance(f"seed {seed}")
        rows += rows_of(name, agent, found, trials)
        draw(name, found, options.output)
    save("early_stopping", rows, options.output)
    for row in rows:
        print(f"{row.task:12} {row.variant:16} {row.metric:32} {row.value:12,.3f} [{row.low:,.3f}, {row.high:,.3f}]")


if __name__ == "__main__":
    main()
