"""One try of a search, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

COMPLETE, FAILED = "complete", "failed"


@dataclass(frozen=True)
class Trial:
    """A configuration that was tried.

    Attributes:
        tokens: (D,) its tokens.
        score: On validation data, higher is better; None where it failed. Never a test score.
        epochs: What it cost, in epochs of training.
        seconds: What it cost, in seconds; of a table those that its training took when the table was made.
        repeated: It was known before: a cache or a table answered, and nothing was trained.
        failure: Why it failed, in one line; "" where it did not.
    """

    tokens: tuple[int, ...]
    score: float | None
    epochs: float = 1.0
    seconds: float = 0.0
    repeated: bool = False
    failure: str = ""

    @property
    def status(self) -> str:
        """``complete`` or ``failed``."""
        return FAILED if self.score is None else COMPLETE

    @property
    def array(self) -> np.ndarray:
        """(D,) int64 tokens."""
        return np.array(self.tokens, np.int64)

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "tokens": list(self.tokens)}
