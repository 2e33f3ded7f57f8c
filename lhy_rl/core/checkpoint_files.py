"""The place of a run's checkpoints, for modules that do not know about runs."""

from __future__ import annotations

import re
from pathlib import Path

CHECKPOINT = re.compile(r"update-(\d+)\.zip")
FOLDER = "checkpoints"
"""Name of the folder in a run folder."""


def newest(folder: Path) -> list[Path]:
    """The numbered checkpoints in a folder, the newest first."""
    found = [(int(m[1]), path) for path in folder.glob("update-*.zip") if (m := CHECKPOINT.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]
