"""Difficulty levels: sizes by name, each of which an argument can replace."""

from __future__ import annotations

from collections.abc import Mapping

from lhy_rl.core import validation

Levels = Mapping[str, Mapping[str, int]]
"""Size by name, for each of easy, medium and hard."""


def sizes(levels: Levels, difficulty: str, **given: int | None) -> dict[str, int]:
    """The sizes of a level; those that are given (not None) win.

    Raises:
        UserError: unknown level.
    """
    chosen = dict(levels[validation.choice("difficulty", difficulty, levels)])
    return chosen | {name: value for name, value in given.items() if value is not None}
