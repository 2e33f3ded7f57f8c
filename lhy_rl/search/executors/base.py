"""The contract of executors, and the simplest: one trial after the other in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from types import TracebackType
from typing import Self

import numpy as np

from lhy_rl.search.early_stopping import Thresholds
from lhy_rl.search.objective import Objective
from lhy_rl.search.trial import Trial


class Executor(ABC):
    """Runs trials of an objective. A trial that raises, hangs or loses its process is a failed trial.

    Args:
        objective: The objective to evaluate.
        workers: Number of trials at once.
    """

    def __init__(self, objective: Objective, workers: int = 1) -> None:
        self.objective = objective
        self.workers = workers

    @abstractmethod
    def submit(self, number: int, tokens: np.ndarray, seed: int, thresholds: Thresholds | None = None) -> None:
        """Begin a trial; at most ``workers`` may be running.

        Args:
            number: The number by which :meth:`wait` refers to it.
            tokens: (D,) canonical.
            seed: Seed of the training.
            thresholds: Intermediate scores that it must reach to continue; None: it is never stopped early.
        """

    @abstractmethod
    def wait(self) -> list[tuple[int, Trial]]:
        """The trials that have ended since the last call, with their numbers; at least one."""

    def close(self) -> None:  # noqa: B027  (nothing runs here in between)
        """Stop the trials that are still running."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class InProcess(Executor):
    """One trial after the other, in this process; no trial can be killed, so there is no time limit."""

    def __init__(self, objective: Objective) -> None:
        super().__init__(objective)
        self._ended: deque[tuple[int, Trial]] = deque()

    def submit(self, number: int, tokens: np.ndarray, seed: int, thresholds: Thresholds | None = None) -> None:
        self._ended.append((number, self.objective.evaluate(tokens, seed, thresholds)))

    def wait(self) -> list[tuple[int, Trial]]:
        return [self._ended.popleft()]


def failed(tokens: np.ndarray, failure: str, seconds: float = 0.0) -> Trial:
    """The trial of a training that could not report its failure itself."""
    return Trial(tuple(tokens.tolist()), None, 0.0, seconds, failure=failure)
