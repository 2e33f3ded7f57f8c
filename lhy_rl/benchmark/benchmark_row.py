"""A row of a benchmark: from the curves of its seeds to its numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lhy_rl.benchmark.learning_curve import Curve
from lhy_rl.benchmark.normalized_score import NormalizedScore, normalized_score_of
from lhy_rl.benchmark.results import SOLVED, Row, summarize
from lhy_rl.benchmark.seed_run import EPISODES, SeedRun
from lhy_rl.benchmark.spec import Definition, Entry
from lhy_rl.core.registry import spec_of
from lhy_rl.experiment.config import Config

RETURN, STEPS, SECONDS = "mean return", "steps to threshold", "CPU-seconds to threshold"
NORMALISED, PLAYED, LABELS, COST = "normalised return", "environment steps", "labels", "CPU-seconds"
OFFLINE = ("bc",)  # agents that learn to imitate without a step in the environment


@dataclass(frozen=True)
class BenchmarkRow:
    """An agent on a task, and the return at which the task counts as solved.

    Attributes:
        task, agent, variant, reference: As in :class:`Row`.
        threshold: Mean return; None where the task has none.
        seed_runs: One for each seed.
    """

    task: str
    agent: str
    variant: str
    threshold: float | None
    seed_runs: list[SeedRun]
    reference: str = ""

    def rows(self, curves: list[Curve]) -> list[Row]:
        """Compute the row's metrics.

        A seed that did not reach the threshold counts with all its steps and seconds, so that the figures are too
        small where not all are solved; where none is, there are no such figures.
        """
        table = [self.row(RETURN, [curve.final for curve in curves], curves)]
        if self.threshold is None:
            return table
        reached = [curve.first(self.threshold) for curve in curves]
        solved = sum(point is not None for point in reached) / len(curves)
        table.append(replace(self.row(SOLVED, [solved], curves), seeds=len(curves)))
        if solved:
            ends = [point or curve.points[-1] for point, curve in zip(reached, curves, strict=True)]
            table.append(self.row(STEPS, [end.steps for end in ends], curves))
            table.append(self.row(SECONDS, [end.cpu_seconds for end in ends], curves))
        return table

    def row(self, metric: str, values: list[float], curves: list[Curve]) -> Row:
        """Summarize one metric, of a value from each seed."""
        steps = max(self.environment_steps(curve) for curve in curves)
        seconds = round(sum(curve.cpu_seconds for curve in curves) / len(curves), 2)
        reference = "; ".join(part for part in (self.reference_values, self.reference) if part)
        return summarize(self.task, self.agent, self.variant, metric, values, steps, seconds, reference)

    @property
    def reference_values(self) -> str:
        """The returns that a reader compares with, in words."""
        return f"threshold {self.threshold:g}" if self.threshold is not None else ""

    @property
    def target(self) -> float | None:
        """The return that a picture marks."""
        return self.threshold

    def environment_steps(self, curve: Curve) -> int:
        """The number of environment steps of a training."""
        return curve.steps


@dataclass(frozen=True, kw_only=True)
class ScoredRow(BenchmarkRow):
    """A network on a task of a matrix.

    Attributes:
        score: The returns of chance and of the optimum.
    """

    score: NormalizedScore

    def rows(self, curves: list[Curve]) -> list[Row]:
        """Compute the normalised returns, here and elsewhere, then the return and what they cost."""
        scored = [self.row(f"{NORMALISED}{name}", v, curves) for name, v in self._normalised(curves).items()]
        return [*scored, *super().rows(curves), self.row(COST, [curve.cpu_seconds for curve in curves], curves)]

    def columns(self, curves: list[Curve]) -> dict[str, list[float]]:
        """The normalised returns of the seeds by column of the matrix: the task's, and those elsewhere."""
        return {f"{self.task}{name}": values for name, values in self._normalised(curves).items()}

    def _normalised(self, curves: list[Curve]) -> dict[str, list[float]]:
        found = {"": [self.score.of(curve.final) for curve in curves]}
        for name in curves[0].elsewhere:
            found[f", {name}"] = [self.score.of(curve.elsewhere[name]) for curve in curves]
        return found

    @property
    def reference_values(self) -> str:
        return f"chance {self.score.random:.4g}, optimum {self.score.expert:.4g}"

    @property
    def target(self) -> float:
        return self.score.expert


@dataclass(frozen=True, kw_only=True)
class Imitation(BenchmarkRow):
    """An agent that imitates an expert from a number of trajectories.

    Attributes:
        trajectories: How many.
        score: The returns of a random policy and of the expert.
        series: What its rows with other numbers of trajectories have in common with it: a line of the picture.
        interacts: The agent steps in the environment while it learns; one that does not counts examples as its steps.
    """

    trajectories: int
    score: NormalizedScore
    series: str
    interacts: bool

    def rows(self, curves: list[Curve]) -> list[Row]:
        """Compute the normalised return first, then the return, and what they cost."""
        return [
            self.row(NORMALISED, self.normalised(curves), curves),
            *super().rows(curves),
            self.row(PLAYED, [self.environment_steps(curve) for curve in curves], curves),
            self.row(LABELS, [curve.labels for curve in curves], curves),
            self.row(COST, [curve.cpu_seconds for curve in curves], curves),
        ]

    def normalised(self, curves: list[Curve]) -> list[float]:
        """The normalised return of each seed at the end of its training."""
        return [self.score.of(curve.final) for curve in curves]

    @property
    def reference_values(self) -> str:
        return "; ".join(part for part in (str(self.score), super().reference_values) if part)

    @property
    def target(self) -> float:
        return self.score.expert

    def environment_steps(self, curve: Curve) -> int:
        return curve.steps if self.interacts else 0


def rows_of(definition: Definition, seeds: int, quick: bool = False, stop: bool = False) -> list[BenchmarkRow]:
    """Make the rows of a benchmark and check them.

    Args:
        definition: What is to be run.
        seeds: 0, 1, ...
        quick: A fiftieth of the steps, small evaluations, and of the numbers of trajectories the greatest only.
        stop: Every seed of every row stops where it has reached the threshold.

    Raises:
        UserError: a configuration, an environment or an agent that cannot be made.
    """
    rows: list[BenchmarkRow] = []
    for entry in definition.entries:
        most = entry.with_trajectories(max(entry.trajectories)) if entry.trajectories else entry
        counts: list[int | None] = [*(most if quick else entry).trajectories] or [None]
        train = most.resolved(0, quick)
        test = most.resolved(0, quick, entry.test) if entry.test else train
        elsewhere = {name: most.resolved(0, quick, changes) for name, changes in entry.elsewhere.items()}
        total = train.values["total_timesteps"] or 1
        threshold = entry.threshold
        if threshold is None and entry.expert is None and not entry.score:
            threshold = spec_of(train.values["env"]["id"]).reward_threshold
        parts = 1 if entry.expert is not None else 4 if quick else 25  # an imitation is looked at when it is done
        interval = max(1, total // parts) if quick or entry.evaluation_interval is None else entry.evaluation_interval
        episodes = 4 if quick else entry.episodes or EPISODES
        until = threshold if stop or entry.stop else None
        SeedRun(train, test, interval, episodes, until, elsewhere).check()  # if the most demonstrations fit, fewer do
        for count in counts:
            seed_runs = [
                SeedRun(_changed(train, seed, count), _changed(test, seed, count), interval, episodes, until, elsewhere)
                for seed in range(seeds)
            ]
            rows.append(_row(entry, count, threshold, seed_runs))
    return rows


def _changed(config: Config, seed: int, trajectories: int | None) -> Config:
    """The same with another seed, and another number of trajectories where there is one."""
    values = config.values | {"seed": seed}
    if trajectories is not None:
        values["agent"] = values["agent"] | {"trajectories": trajectories}
    return Config(config.name, values)


def _row(entry: Entry, trajectories: int | None, threshold: float | None, seed_runs: list[SeedRun]) -> BenchmarkRow:
    """A row for one number of trajectories, or without one."""
    values = seed_runs[0].config.values
    task = entry.task or spec_of(values["env"]["id"]).id.removeprefix("lhy_rl/")
    agent = values["agent"]["name"]
    if entry.score:
        score = NormalizedScore(expert=entry.score[1], random=entry.score[0])
        return ScoredRow(task, agent, variant_name(entry), threshold, seed_runs, entry.reference, score=score)
    if entry.expert is None or trajectories is None:
        return BenchmarkRow(task, agent, variant_name(entry), threshold, seed_runs, entry.reference)
    count = f"{trajectories} trajector{'y' if trajectories == 1 else 'ies'}"
    return Imitation(
        task,
        agent,
        f"{entry.variant}, {count}" if entry.variant else count,
        threshold,
        seed_runs,
        entry.reference,
        trajectories=trajectories,
        score=normalized_score_of(entry.expert, seed_runs[0].test.values["env"]),
        series=f"{agent}, {entry.variant}" if entry.variant else agent,
        interacts=agent not in OFFLINE,
    )


def variant_name(entry: Entry) -> str:
    """What a row is called: the configuration and what is changed in it, unless it has a name."""
    changes = [f"{key.split('.')[-1]} {value}" for key, value in entry.overrides.items()]
    changes += [f"test {key.split('.')[-1]} {value}" for key, value in entry.test.items()]
    return entry.variant or ", ".join([entry.config, *changes])
