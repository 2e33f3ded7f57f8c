"""One try of a search, and what came of it."""

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
        score: On validation data, higher is better; None where it failed, and where it was stopped early what it had
            reached by then. Never a test score.
        epochs: What it cost, in epochs of training, or in whatever steps its training reports.
        seconds: What it cost, in seconds; of a table those that its training took when the table was made.
        repeated: It was known before: a cache or a table answered, and nothing was trained.
        failure: Why it failed, in one line; "" where it did not.
        diverged: It failed because a score was no finite number, as it would be again with the same seed.
        stopped: It was stopped early (:mod:`lhy_rl.search.early_stopping`).
        curve: The (step, score) pairs that it reported on the way.
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
