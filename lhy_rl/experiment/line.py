"""A row of a benchmark: from the curves of its seeds to its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import gymnasium

from lhy_rl.experiment.curve import Curve
from lhy_rl.experiment.definition import Definition, Entry
from lhy_rl.experiment.results import SOLVED, Row, summarize
from lhy_rl.experiment.trial import EPISODES, Trial

RETURN, STEPS, SECONDS = "mean return", "steps to threshold", "CPU-seconds to threshold"


@dataclass(frozen=True)
class Line:
    """Who learns what, and when that counts as solved.

    Attributes:
        task, agent, variant, reference: As in :class:`Row`.
        threshold: Mean return; None where the task has none.
        trials: One a seed.
    """

    task: str
    agent: str
    variant: str
    threshold: float | None
    trials: list[Trial]
    reference: str = ""

    def rows(self, curves: list[Curve]) -> list[Row]:
        """The numbers.

        A seed that did not reach the threshold counts with all its steps and seconds, so that the figures are too
        small where not all are solved; where none is, there are no such figures.
        """
        steps = max(curve.steps for curve in curves)
        seconds = round(sum(curve.cpu_seconds for curve in curves) / len(curves), 2)
        parts = [f"threshold {self.threshold:g}" if self.threshold is not None else "", self.reference]
        reference = "; ".join(part for part in parts if part)

        def row(metric: str, values: list[float]) -> Row:
            return summarize(self.task, self.agent, self.variant, metric, values, steps, seconds, reference)

        table = [row(RETURN, [curve.final for curve in curves])]
        if self.threshold is None:
            return table
        reached = [curve.first(self.threshold) for curve in curves]
        solved = sum(point is not None for point in reached) / len(curves)
        count = (solved, solved, solved, len(curves))
        table.append(Row(self.task, self.agent, self.variant, SOLVED, *count, steps, seconds, reference))
        if solved:
            ends = [point or curve.points[-1] for point, curve in zip(reached, curves, strict=True)]
            table.append(row(STEPS, [end.steps for end in ends]))
            table.append(row(SECONDS, [end.cpu_seconds for end in ends]))
        return table


def lines_of(definition: Definition, seeds: int, quick: bool = False, stop: bool = False) -> list[Line]:
    """The rows of a benchmark, checked.

    Args:
        definition: What is to be run.
        seeds: 0, 1, ...
        quick: A fiftieth of the steps, and small evaluations.
        stop: Every seed of every row stops where it has reached the threshold.

    Raises:
        UserError: a configuration, an environment or an agent that cannot be made.
    """
    lines = []
    for entry in definition.entries:
        values = entry.resolved(0, quick).values
        total = values["total_timesteps"] or 1
        every = max(1, total // 4) if quick else entry.every or max(1, total // 25)
        spec = gymnasium.spec(values["env"]["id"])
        threshold = entry.threshold if entry.threshold is not None else spec.reward_threshold
        trials = [
            Trial(
                entry.resolved(seed, quick),
                entry.resolved(seed, quick, test=True),
                every,
                4 if quick else entry.episodes or EPISODES,
                threshold if stop or entry.stop else None,
            )
            for seed in range(seeds)
        ]
        trials[0].check()
        task, agent = spec.id.removeprefix("lhy_rl/"), values["agent"]["name"]
        lines.append(Line(task, agent, variant_of(entry), threshold, trials, entry.reference))
    return lines


def variant_of(entry: Entry) -> str:
    """What a row is called: the configuration and what is changed in it, unless it has a name."""
    changes = [f"{key.split('.')[-1]} {value}" for key, value in entry.overrides.items()]
    changes += [f"test {key.split('.')[-1]} {value}" for key, value in entry.test.items()]
    return entry.variant or ", ".join([entry.config, *changes])
