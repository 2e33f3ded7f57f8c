"""Errors made for the person who reads them."""

from __future__ import annotations

import difflib
import re
import shutil
import sys
import warnings
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

LONGEST = 2000  # characters of a message; the longest that is meant is a list of all options


OTHERS = {"minigrid", "popgym", "gymnasium_robotics"}  # packages of environments that the documents name


class UserError(ValueError):
    """Bad input: one line that says what was given, what is allowed and what to do.

    The command line prints the line alone and exits with status 2. Values whose text has several lines, spaces of
    arrays say, are put on one. A message so long that somebody's data must be in it is cut in its middle;
    :func:`brief` keeps values short where a message is written.
    """

    def __init__(self, message: str) -> None:
        message = re.sub(r"\s*\n\s*", " ", message)
        half = LONGEST // 2 - 3
        super().__init__(message if len(message) <= LONGEST else f"{message[:half]} ... {message[-half:]}")


class OtherArguments(UserError):
    """A snapshot is of the same kind of environment, made with other arguments."""


def brief(value: Any, limit: int = 100) -> str:
    """A value as a message names it: its repr on one line, cut where it is longer than ``limit``.

    >>> brief([1] * 1000, 20)
    '[1, 1, 1, 1, 1, 1...'
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def suggest(name: object, allowed: Iterable[str], what: str) -> UserError:
    """The error for an unknown name, with the nearest allowed one, whatever their letters' case.

    >>> str(suggest("lstn", ["gru", "lstm"], "core"))
    "unknown core 'lstn'; did you mean 'lstm'? allowed: gru, lstm"
    """
    allowed = sorted(allowed)
    lowered = {one.lower(): one for one in allowed}
    near = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.5)
    hint = f"; did you mean {lowered[near[0]]!r}?" if near else ";"
    return UserError(f"unknown {what} {brief(name)}{hint} allowed: {', '.join(allowed)}")


def renamed(options: dict[str, Any], former_names: dict[str, str], prefix: str = "") -> dict[str, Any]:
    """Options under the names that they have now; where a former name is given, a line says so.

    Args:
        options: Names to values.
        former_names: Former names to the present ones.
        prefix: What stands before a name, ``agent.`` say.

    Raises:
        UserError: an option is given under both names.
    """
    former = {f"{prefix}{old}": f"{prefix}{new}" for old, new in former_names.items() if f"{prefix}{old}" in options}
    for old, new in former.items():
        if new in options:
            raise UserError(f"{old} is the former name of {new}, and both are given; leave {old} out")
        warnings.warn(f"the option {old} is called {new} now", FutureWarning, stacklevel=3)
    return {former.get(name, name): value for name, value in options.items()}


def pip_install(*packages: str) -> str:
    """The command that installs packages into the Python that runs, whichever one is first on the PATH."""
    pip = shutil.which("pip")
    ours = pip is not None and Path(pip).parent == Path(sys.executable).parent
    quoted = (f"'{package}'" if set("<>=[]~!,; ") & set(package) else package for package in packages)
    return " ".join(["pip" if ours else f"{sys.executable} -m pip", "install", *quoted])


def how_to_find(package: str) -> str:
    """What to do where a package is missing: the command, if we know it by that name; a stranger's may have yours."""
    try:
        required = metadata.requires("lhy-rl") or []
    except metadata.PackageNotFoundError:  # run from a clone that is not installed
        required = []
    known = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower().replace("-", "_") for line in required}
    if package.lower() in known | OTHERS:
        return pip_install(package.replace("_", "-"))
    return "if it is your own, its folder must be the working directory or in PYTHONPATH"


def install_extra(extra: str) -> str:
    """The command that installs what an extra of ours needs: from a clone, and beside an installed wheel.

    It names the extra's packages. ``lhy-rl[extra]`` would be looked for in the package index, where we are not.
    """
    try:
        required = metadata.requires("lhy-rl") or []
    except metadata.PackageNotFoundError:  # run from a clone that is not installed
        required = []
    wanted = [line.partition(";")[0].strip() for line in required if f"extra == '{extra}'" in line.replace('"', "'")]
    return pip_install(*wanted or ["-e", f"{Path(__file__).parents[2]}[{extra}]"])
