"""A trial of a search and its result."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

COMPLETE, STOPPED, FAILED = "complete", "stopped", "failed"


@dataclass(frozen=True)
class Trial:
    """A configuration that was tried.

    Attributes:
        tokens: (D,) its tokens.
        score: Score on validation data, higher is better; None if it failed. If it was stopped early, the score that it
            had reached by then. Never a test score.
        epochs: Its cost, in epochs of training, or in the steps that its training reports.
        seconds: Its cost in seconds; for a table, the time of the training when the table was made.
        repeated: Whether it was known before: it came from a cache or a table, and nothing was trained.
        failure: Why it failed, in one line; "" if it did not.
        diverged: Whether it failed because a score was NaN or infinite, as it would again with the same seed.
        stopped: Whether it was stopped early (:mod:`lhy_rl.search.early_stopping`).
        curve: The (step, score) pairs that it reported during training.
    """

    tokens: tuple[int, ...]
    score: float | None
    epochs: float = 1.0
    seconds: float = 0.0
    repeated: bool = False
    failure: str = ""
    diverged: bool = False
    stopped: bool = False
    curve: tuple[tuple[float, float], ...] = ()

    @property
    def status(self) -> str:
        """``complete``, ``stopped`` or ``failed``."""
        return FAILED if self.score is None else STOPPED if self.stopped else COMPLETE

    @property
    def array(self) -> np.ndarray:
        """(D,) int64 tokens."""
        return np.array(self.tokens, np.int64)

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "tokens": list(self.tokens), "curve": [list(point) for point in self.curve]}
