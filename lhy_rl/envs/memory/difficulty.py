"""Difficulty levels: sizes by name, each of which an argument can replace."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, brief

MOST = 1_000_000  # largest size
Levels = Mapping[str, Mapping[str, int]]
"""Size by name, for each of easy, medium and hard."""


def sizes(levels: Levels, difficulty: str, **given: int | None) -> dict[str, int]:
    """The sizes of a level, overridden by those that are given (not None).

    Raises:
        UserError: unknown level, or a size above a million; the rest of its range is checked by the caller.
    """
    chosen = dict(levels[validation.choice("difficulty", difficulty, levels)])
    for name, value in given.items():
        if isinstance(value, Integral) and value > MOST:
            raise UserError(f"{name}={brief(value)} is not allowed; must be at most {MOST:,}")
    return chosen | {name: value for name, value in given.items() if value is not None}
