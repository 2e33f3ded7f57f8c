"""The journal of a search, a file with a line for each event, from which an interrupted search continues.

Every line is one event as JSON with a checksum, appended before the search acts on it:

    {"event": "search", ...}           what is searched, by whom, with which seed: the first line
    {"event": "ask", "tokens": [...]}  a configuration was proposed
    {"event": "tell", "number": 3, "trial": {...}}   the trial of the ask number 3

A continued search repeats all asks and tells of the journal, which brings the searcher to the same state. A line that
was truncated by a crash, or changed, is reported and skipped: its trial is repeated.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lhy_rl.core.errors import UserError, brief
from lhy_rl.search.trial import Trial

DIGITS = 8  # of a line's checksum


class Journal:
    """The file of one search.

    Args:
        path: Path of the file; it and its folder are made if missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def __len__(self) -> int:
        """The number of lines, damaged ones included."""
        return len(self.path.read_bytes().splitlines()) if self.path.exists() else 0

    def read(self) -> Iterator[dict[str, Any]]:
        """The intact events, in order; a warning names each damaged line."""
        if not self.path.exists():
            return
        for number, line in enumerate(self.path.read_bytes().splitlines(), 1):
            event = _event(line)
            if event is None:
                warnings.warn(f"{self.path}, line {number} is damaged and skipped", RuntimeWarning, stacklevel=2)
            else:
                yield event

    def append(self, event: dict[str, Any]) -> None:
        """Add an event; it is flushed when this returns, so that a process that is killed afterwards loses nothing."""
        text = json.dumps(event, sort_keys=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = f"{_checksum(text)} {text}\n".encode()
        with self.path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    line = b"\n" + line  # after a line that a crash truncated
            file.write(line)


def trial_of(plain: dict[str, Any]) -> Trial:
    """Read a trial from JSON values.

    Raises:
        UserError: something is missing or of another kind.
    """
    try:
        tokens = tuple(int(token) for token in plain["tokens"])
        curve = tuple((float(step), float(score)) for step, score in plain.get("curve", ()))
        trial = Trial(**{**plain, "tokens": tokens, "curve": curve})
        for name in ("score", "epochs", "seconds"):
            value = getattr(trial, name)
            if not (isinstance(value, int | float) and math.isfinite(value)) and (name, value) != ("score", None):
                raise ValueError(f"{name} is {brief(value)}")
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"not a trial: {brief(str(error))}") from error
    return trial


def _event(line: bytes) -> dict[str, Any] | None:
    checksum, _, text = line.partition(b" ")
    if checksum.decode("ascii", "replace") != _checksum(text.decode("utf-8", "replace")):
        return None
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
