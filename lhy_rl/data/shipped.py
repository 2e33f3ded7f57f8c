"""The demonstrations that come with the package; ``python -m benchmarks.experts`` makes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lhy_rl.core.errors import UserError

FOLDER = Path(__file__).parent / "expert"


def scores() -> dict[str, dict[str, Any]]:
    """Name to its entry in ``expert/scores.json``: ``env_id``, ``expert``, ``episodes``, ``steps``, ``mean``,
    ``std``, ``random_mean``, ``random_std``, ``seed``."""
    return dict(json.loads((FOLDER / "scores.json").read_text(encoding="utf-8")))


def names() -> list[str]:
    """The names of the shipped demonstrations, such as ``cartpole-expert``."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def path_of(name: str) -> Path:
    """The file of a shipped name.

    Raises:
        UserError: The file is missing.
    """
    path = FOLDER / f"{name}.npz"
    if not path.is_file():
        raise UserError(f"{str(path)!r} is missing: reinstall lhy-rl")
    return path


def summary(name: str) -> str:
    """One line for a list."""
    entry = scores().get(name)
    if entry is None:
        return ""
    return (
        f"{entry['env_id']}, {entry['episodes']} episodes of {entry['expert']}: mean return {entry['mean']:,.1f} "
        f"(random policy {entry['random_mean']:,.1f})"
    )
