"""A sweep with and without early termination: the environment steps until both have found equally good hyperparameters.

`ppo` on CartPole-v1 is tuned over its usual hyperparameters by random search, once without and once with
`early_terminate: {type: hyperband, max_iter: 27, s: 2}`, with the same configurations in the same order and the same
seeds. A score is the mean return of the deterministic policy after 6,000 environment steps, in 20 episodes; at the
rungs, after 3 and 9 of 27 parts of the training, too. The sweep without has 30 trials. The one with goes on until it
has taken as many environment steps. Steps of evaluations are counted in neither; the CPU-seconds hold them.

`steps to the score without` are those after which a sweep has found the best score of the sweep without; where it does
not come there, all that it took, which is less than it would need, and `reached` counts such a seed as 0.

    python -m benchmarks.early_stopping [--quick] [--seeds 5]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.harness import Row, arguments, progress, save
from lhy_rl.benchmark import sweep
from lhy_rl.experiment.config import load
from lhy_rl.search.early_stopping import Hyperband, Reports, Thresholds, read_hyperband
from lhy_rl.search.executors.base import InProcess
from lhy_rl.search.objective import Objective
from lhy_rl.search.run import Search
from lhy_rl.search.searchers.simple import Random
from lhy_rl.search.trial import Trial

CONFIG = "ppo/cartpole"
EARLY = {"type": "hyperband", "max_iter": 27, "s": 2}
WITHOUT, WITH = "without", "early_terminate"
MOST = 200  # trials of the sweep with early termination, should it stop nearly all


class Recorded(Objective):
    """Trainings that were done once are read again, and stopped where they would have been."""

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
    """What a sweep had found after each trial.

    Attributes:
        steps: (T,) environment steps of training so far.
        best: (T,) best score of a whole training so far.
        stopped: How many trials were stopped.
    """

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.steps = np.cumsum([trial.epochs for trial in trials])
        scores = [-np.inf if trial.score is None or trial.stopped else trial.score for trial in trials]
        self.best = np.maximum.accumulate(scores)
        self.stopped = sum(trial.stopped for trial in trials)
        self.seconds = sum(trial.seconds for trial in trials)

    def steps_to(self, score: float) -> float:
        """The steps after which the score was reached; all where it was not."""
        reached = np.flatnonzero(self.best >= score)
        return float(self.steps[reached[0] if len(reached) else -1])

    def at(self, steps: np.ndarray) -> np.ndarray:
        """The best score after so many steps; the first score before it."""
        places = np.searchsorted(self.steps, steps, side="right") - 1
        found: np.ndarray = self.best[np.maximum(places, 0)]
        return found


def sweeps(objective: Recorded, early: Hyperband, seed: int, trials: int) -> dict[str, Found]:
    """Both sweeps of one seed."""
    without = Search(Random(objective.space, seed), InProcess(objective)).run(trials).trials
    left = sum(trial.epochs for trial in without)

    def within(trial: Trial) -> bool:
        nonlocal left
        left -= trial.epochs
        return left > 0

    stopping = Search(Random(objective.space, seed), InProcess(objective), early_terminate=early)
    return {WITHOUT: Found(without), WITH: Found(stopping.run(MOST, within).trials)}


def rows_of(found: Sequence[dict[str, Found]], trials: int) -> list[Row]:
    """The rows of the results."""
    rows = []
    wanted = [pair[WITHOUT].best[-1] for pair in found]
    for name in (WITHOUT, WITH):
        runs = [pair[name] for pair in found]
        steps = int(np.mean([run.steps[-1] for run in runs]))
        seconds = float(np.mean([run.seconds for run in runs]))
        measured = {
            "trials": [float(len(run.steps)) for run in runs],
            "stopped": [float(run.stopped) for run in runs],
            "best score": [float(run.best[-1]) for run in runs],
            f"best score of {trials} trials": [float(run.best[:trials][-1]) for run in runs],
            f"steps of {trials} trials": [float(run.steps[:trials][-1]) for run in runs],
            "reached": [float(run.best[-1] >= score) for run, score in zip(runs, wanted, strict=True)],
            "steps to the score without": [run.steps_to(score) for run, score in zip(runs, wanted, strict=True)],
        }
        for metric, values in measured.items():
            rows.append(Row("CartPole-v1", "ppo", name, metric, *mean(values), len(runs), steps, seconds))
    return rows


def mean(values: Sequence[float]) -> tuple[float, float, float]:
    """The mean with the extremes of the few seeds."""
    return float(np.mean(values)), float(np.min(values)), float(np.max(values))


def draw(found: Sequence[dict[str, Found]], path: Path) -> None:
    """The best score over the environment steps, each seed and the mean."""
    import matplotlib
    from matplotlib.figure import Figure

    from lhy_rl.reporting.plots import COLOURS, DPI, STYLE

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.0))
        axes = figure.subplots()
        steps = np.linspace(0, max(pair[WITHOUT].steps[-1] for pair in found), 400)[1:]
        for name, colour in zip((WITHOUT, WITH), COLOURS, strict=False):
            curves = np.array([np.where(steps >= pair[name].steps[0], pair[name].at(steps), np.nan) for pair in found])
            axes.plot(steps, curves.T, color=colour, alpha=0.25, linewidth=1)
            axes.plot(steps, curves.mean(0), color=colour, linewidth=2.2, label=name)
        axes.set(xlabel="environment steps of training", ylabel="best mean return", title="A sweep of PPO on CartPole")
        axes.legend()
        figure.savefig(path, dpi=DPI)


def main() -> None:
    """Measure and save."""
    options = arguments(__doc__, seeds=5)
    trials, seeds, total = (6, 1, 2_000) if options.quick else (30, options.seeds, 6_000)
    overrides = {"total_timesteps": total}
    config = load(CONFIG, overrides)
    early = sweep.in_environment_steps(read_hyperband(EARLY), config)
    found = []
    with progress(seeds, "sweeps") as advance:
        for seed in range(seeds):
            objective = sweep.training_objective(CONFIG, overrides, sweep.usual_space(config), early.rungs)
            found.append(sweeps(Recorded(objective), early, seed, trials))
            advance(f"seed {seed}")
    rows = rows_of(found, trials)
    save("early_stopping", rows, options.output)
    draw(found, options.output / "early_stopping.png")
    for row in rows:
        print(f"{row.variant:16} {row.metric:28} {row.value:12,.1f} [{row.low:,.1f}, {row.high:,.1f}]")


if __name__ == "__main__":
    main()
