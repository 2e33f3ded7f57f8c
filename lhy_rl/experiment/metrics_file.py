"""``metrics.csv``: one row an update, one column a metric, columns added as they appear."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

from lhy_rl.core import archive

Value = float | int | str


class MetricsFile:
    """A table on disk that grows in both directions and can be cut back to a checkpoint.

    A row is appended and flushed at once. A new column rewrites the file atomically.

    Args:
        path: The CSV file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: list[str] = []
        self.rows = 0

    def write(self, row: dict[str, Value]) -> None:
        """Append a row; cells it lacks stay empty."""
        new = [name for name in row if name not in self.columns]
        if new:
            old = read(self.path) if self.rows else []
            self.columns += new
            self._rewrite([*old, {name: cell(value) for name, value in row.items()}])
        else:
            with archive.naming(self.path), open(self.path, "a", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerow([cell(row.get(name)) for name in self.columns])
        self.rows += 1

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the header and how many rows there are; the rows are forced to the disk."""
        if self.path.exists():
            with open(self.path, "rb") as file:
                os.fsync(file.fileno())
        return {"columns": list(self.columns), "rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Cut the file back to what it was at the checkpoint: later rows and columns are dropped."""
        columns = [str(name) for name in state["columns"]]
        rows = read(self.path)[: state["rows"]] if self.path.exists() else []
        self.columns, self.rows = columns, len(rows)
        if self.columns:
            self._rewrite(rows)
        else:
            self.path.unlink(missing_ok=True)

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([row.get(name, "") for name in self.columns] for row in rows)
        archive.write_bytes(self.path, text.getvalue().encode())


def cell(value: Value | None) -> str:
    """A value as text that gives the same number again."""
    return "" if value is None else repr(float(value)) if isinstance(value, float) else str(value)


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a metrics file, cells as text; a last line that is cut off is left out."""
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    return list(csv.DictReader(io.StringIO(whole, newline="")))


def columns(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Metric name to ``(row number, value)`` of its numeric cells."""
    found: dict[str, list[tuple[int, float]]] = {}
    for number, row in enumerate(read(path)):
        for name, text in row.items():
            try:
                found.setdefault(name, []).append((number, float(text)))
            except (TypeError, ValueError):
                continue
    return found
