"""A run's checkpoints: the newest few and the best one; a damaged one is stepped over."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError

NAME = re.compile(r"update-(\d+)\.zip")


class Checkpoints:
    """The folder ``checkpoints/`` with ``update-<number>.zip`` and ``best.zip``.

    Args:
        folder: Where they lie; made when the first one is saved.
        keep: How many of the newest stay.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self.keep = keep

    @property
    def best(self) -> Path:
        """The place of the best checkpoint."""
        return self.folder / "best.zip"

    def newest(self) -> list[Path]:
        """The numbered checkpoints, newest first."""
        found = [(int(m[1]), path) for path in self.folder.glob("update-*.zip") if (m := NAME.fullmatch(path.name))]
        return [path for _, path in sorted(found, reverse=True)]

    def save(self, tree: Any, update: int, best: bool = False) -> None:
        """Write a checkpoint, atomically, and drop those that are too old.

        Args:
            tree: What :func:`lhy_rl.core.archive.write` takes.
            update: Updates done so far: its number.
            best: Write ``best.zip`` in place of a numbered one.
        """
        self.folder.mkdir(exist_ok=True)
        archive.write(self.best if best else self.folder / f"update-{update:08d}.zip", tree)
        for old in self.newest()[self.keep :]:
            old.unlink(missing_ok=True)

    def load(
        self, which: str = "newest", warn: Callable[[str], None] = print, set_aside: bool = False
    ) -> dict[str, Any] | None:
        """A checkpoint's tree, or None where none was ever written.

        Args:
            which: ``newest`` (a damaged one is reported and the next older one taken) or ``best``.
            warn: Takes one line for each damaged checkpoint.
            set_aside: Rename damaged ones, so that the next who asks need not read them again.

        Raises:
            UserError: there are checkpoints and none can be read.
        """
        if which == "best":
            if not self.best.exists():
                raise UserError(
                    f"{str(self.folder)!r} has no best checkpoint yet (run.evaluation_interval); use newest"
                )
            return _read(self.best)
        candidates = self.newest()
        for path in candidates:
            try:
                return _read(path)
            except UserError as error:
                warn(f"warning: {error}")
                if set_aside:
                    path.replace(path.with_name(path.name + ".damaged"))
        if candidates:
            raise UserError(f"none of the {len(candidates)} checkpoints in {str(self.folder)!r} can be read")
        return None

    def clean(self) -> None:
        """Remove half-written files that a killed run left behind."""
        for path in self.folder.glob(".*.tmp"):
            path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    tree = archive.read(path)
    if not isinstance(tree, dict):
        raise UserError(f"{str(path)!r} is whole, but holds no checkpoint")
    return tree
