"""Where the shipped configurations lie, and in a checkout of the repository the documents and the results."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import lhy_rl
from lhy_rl.core.errors import UserError


def find_configs() -> Path:
    """The folder with ``<agent>/<task>.yaml``: inside the installed package, or beside the package in a checkout.

    Raises:
        UserError: neither is there.
    """
    package = Path(lhy_rl.__path__[0])
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise UserError(f"no configurations in {package / 'configs'}: reinstall lhy-rl, or give a path to a YAML file")


def summary(path: Path) -> str:
    """What a YAML file says of itself: its first line, where that is a comment, to the end of the sentence."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = [line.lstrip("# ") for line in itertools.takewhile(lambda line: line.startswith("#"), lines)]
    if not comment:
        return ""
    whole, first = " ".join(comment), len(comment[0])
    end = re.search(r"[.!?](?=\s)|$", whole[first - 1 :])
    return whole[: first - 1 + end.end()] if end else whole


def find_checkout() -> Path | None:
    """The repository's top, where the package is used from a checkout of it."""
    top = Path(lhy_rl.__path__[0]).parent
    return top if (top / "benchmarks" / "results").is_dir() and (top / "docs").is_dir() else None


def documents(checkout: Path) -> list[Path]:
    """The files that may hold tables of results."""
    return [checkout / "README.md", *sorted((checkout / "docs").glob("*.md"))]
