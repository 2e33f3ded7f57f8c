"""A row of the table of environments."""

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
        held_out: Arguments that give episodes held out from training; empty where nothing is held out. If the value is
            a dict, its keys are the training values of the argument for which something is held out.
    """

    id: str
    single: str
    batched: str
    summary: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    small: dict[str, Any] = field(default_factory=dict)
    held_out: dict[str, Any] = field(default_factory=dict)
