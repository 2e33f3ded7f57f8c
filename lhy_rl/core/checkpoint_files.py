"""Where the checkpoints of a run lie, for whoever looks for them without knowing what a run is."""

from __future__ import annotations

import re
from pathlib import Path

CHECKPOINT = re.compile(r"update-(\d+)\.zip")
FOLDER = "checkpoints"
"""Below a run's folder."""


def newest(folder: Path) -> list[Path]:
    """The numbered checkpoints in a folder, the newest first."""
    found = [(int(m[1]), path) for path in folder.glob("update-*.zip") if (m := CHECKPOINT.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]
