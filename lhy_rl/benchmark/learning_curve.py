"""A learning curve: what the policy of one seed is worth after so many steps and CPU-seconds of training.

The protocol is the same for our agents and for others: every so many steps, after an update, the deterministic policy
plays episodes in an environment of the evaluation's own, which begin in the same way each time. Evaluations are not
counted into the seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Point(NamedTuple):
    """An evaluation: steps, CPU-seconds and labels of training before it, and the mean return.

    Steps are as the agent counts them: of the environment, unless it says otherwise. Labels are the actions of the
    expert that were learned from: demonstrated steps, and answers to questions.
    """

    steps: int
    cpu_seconds: float
    value: float
    labels: int = 0


@dataclass
class Curve:
    """The evaluations of one seed, the untrained policy first.

    Attributes:
        points: In the order of steps; the last one after the last update.
        elsewhere: The mean returns at the end in other environments, by name.
    """

    points: list[Point] = field(default_factory=list)
    elsewhere: dict[str, float] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """The steps of the whole training, as the agent counts them."""
        return self.points[-1].steps

    @property
    def labels(self) -> int:
        """The labels of the whole training."""
        return self.points[-1].labels

    @property
    def cpu_seconds(self) -> float:
        """The CPU-seconds of the whole training."""
        return self.points[-1].cpu_seconds

    @property
    def final(self) -> float:
        """The return of the last evaluation."""
        return self.points[-1].value

    def first(self, threshold: float) -> Point | None:
        """The first evaluation that reaches the threshold, if one does; the untrained policy's luck does not count."""
        return next((point for point in self.points if point.steps and point.value >= threshold), None)


class Recorder:
    """Records a learning curve during a training.

    Args:
        evaluate: Gives the mean return of the policy as it is.
        interval: Steps between two evaluations; one takes place after the update that passes them.
        until: Stop at the first evaluation that reaches this; None trains on.
        at: Evaluate after these steps instead, rising, and at the end.
        on_point: Called with every evaluation but the untrained policy's; False stops.

    Attributes:
        labels: So far; whoever uses it keeps it up to date.
    """

    def __init__(
        self,
        evaluate: Callable[[], float],
        interval: int,
        until: float | None = None,
        at: Sequence[float] | None = None,
        on_point: Callable[[Point], bool] | None = None,
    ) -> None:
        self.evaluate, self.interval, self.until = evaluate, interval, until
        self.at, self.on_point = at, on_point
        self.curve = Curve()
        self.due: float = 0
        self.seconds = 0.0
        self.since = 0.0
        self.labels = 0

    def begin(self) -> None:
        """Evaluate the untrained policy, right before the training."""
        self.since = time.process_time()
        self.after_update(0)

    def after_update(self, steps: int) -> bool:
        """Evaluate where it is due, ``steps`` after the beginning; return whether the training goes on."""
        if steps < self.due:
            return True
        if self.at is None:
            self.due = steps - steps % self.interval + self.interval
        else:
            self.due = next((step for step in self.at if step > steps), math.inf)
        return self._evaluate(steps)

    def end(self, steps: int) -> Curve:
        """Return the curve, after the training."""
        if not self.curve.points or self.curve.points[-1].steps != steps:
            self._evaluate(steps)
        return self.curve

    def _evaluate(self, steps: int) -> bool:
        self.seconds += time.process_time() - self.since
        point = Point(steps, round(self.seconds, 3), round(self.evaluate(), 6), self.labels)
        self.curve.points.append(point)
        go_on = not steps or self.on_point is None or self.on_point(point)
        self.since = time.process_time()
        return go_on and (self.until is None or self.curve.first(self.until) is None)
