"""What a row of the table of environments says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One environment.

    Attributes:
        id: ``lhy_rl/<Name>-v<version>``.
        single, batched: ``"module:class"`` of the two views, or of functions that make them. The docstring of the
            batched one is the documentation page.
        kwargs: Arguments that differ from the class's defaults.
        small: Arguments for a size that runs in milliseconds, for tests and first tries.
        summary: One line for lists.
        held_out: Arguments with which no episode is like one of the training; none where nothing is held out. A dict
            has the argument's value in the training for each of which something is.
    """

    id: str
    single: str
    batched: str
    summary: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    small: dict[str, Any] = field(default_factory=dict)
    held_out: dict[str, Any] = field(default_factory=dict)
