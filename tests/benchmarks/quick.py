"""The scripts of benchmarks/ in this process, where torch and its like are imported already."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from pathlib import Path
from unittest.mock import patch

from benchmarks.harness import Row, load


def run(script: str, *words: object) -> str:
    """What ``python -m benchmarks.SCRIPT WORDS`` prints."""
    main, printed = importlib.import_module(f"benchmarks.{script}").main, io.StringIO()
    with patch.object(sys, "argv", [script, *map(str, words)]), contextlib.redirect_stdout(printed):
        main()
    return printed.getvalue()


def quick(script: str, folder: Path, *words: object) -> list[Row]:
    """The rows of ``--quick``."""
    run(script, "--quick", "--output", folder, *words)
    return load(script, folder)
