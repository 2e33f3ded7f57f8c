"""Errors for users, with one-line messages."""

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

LONGEST = 2000  # most characters of a message; the longest intended one lists all options


OTHERS = {"minigrid", "popgym", "gymnasium_robotics"}  # packages of environments that the documentation names


class UserError(ValueError):
    """Bad input: one line that says what was given, what is allowed and what to do.

    The command line prints this line only and exits with status 2. Values that print on several lines, such as spaces
    of arrays, are put on one. A message so long that it must contain data is cut in its middle; :func:`brief`
    keeps the values in a message short.
    """

    def __init__(self, message: str) -> None:
        message = re.sub(r"\s*\n\s*", " ", message)
        half = LONGEST // 2 - 3
        super().__init__(message if len(message) <= LONGEST else f"{message[:half]} ... {message[-half:]}")


class OtherArguments(UserError):
    """A snapshot comes from an environment of the same kind that was made with other arguments."""


def brief(value: Any, limit: int = 100) -> str:
    """A value for a message: its repr on one line, cut if it is longer than ``limit``.

    >>> brief([1] * 1000, 20)
    '[1, 1, 1, 1, 1, 1...'
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def suggest(name: object, allowed: Iterable[str], what: str) -> UserError:
    """The error for an unknown name, with the nearest allowed one, ignoring case.

    >>> str(suggest("lstn", ["gru", "lstm"], "core"))
    "unknown core 'lstn'; did you mean 'lstm'? allowed: gru, lstm"
    """
    allowed = sorted(allowed)
    lowered = {one.lower(): one for one in allowed}
    near = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.5)
    hint = f"; did you mean {lowered[near[0]]!r}?" if near else ";"
    return UserError(f"unknown {what} {brief(name)}{hint} allowed: {', '.join(allowed)}")


def renamed(options: dict[str, Any], former_names: dict[str, str], prefix: str = "") -> dict[str, Any]:
    """Options with former names replaced by the current ones; each is reported by a warning.

    Args:
        options: Names to values.
        former_names: Former names to the current ones.
        prefix: Prefix of the names in messages, such as ``agent.``.

    Raises:
        UserError: An option is given under both names.
    """
    former = {f"{prefix}{old}": f"{prefix}{new}" for old, new in former_names.items() if f"{prefix}{old}" in options}
    for old, new in former.items():
        if new in options:
            raise UserError(f"{old} is the former name of {new}, and both are given; leave {old} out")
        warnings.warn(f"the option {old} is called {new} now", FutureWarning, stacklevel=3)
    return {former.get(name, name): value for name, value in options.items()}


def pip_install(*packages: str) -> str:
    """The command that installs packages into the running Python, which need not be the first on the PATH."""
    pip = shutil.which("pip")
    ours = pip is not None and Path(pip).parent == Path(sys.executable).parent
    quoted = (f"'{package}'" if set("<>=[]~!,; ") & set(package) else package for package in packages)
    return " ".join(["pip" if ours else f"{sys.executable} -m pip", "install", *quoted])


def how_to_find(package: str) -> str:
    """What to do if a package is missing: the pip command for packages that we know, since an unknown name may belong
    to a stranger's package."""
    try:
        required = metadata.requires("lhy-rl") or []
    except metadata.PackageNotFoundError:  # run from a clone that is not installed
        required = []
    known = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower().replace("-", "_") for line in required}
    if package.lower() in known | OTHERS:
        return pip_install(package.replace("_", "-"))
    return "if it is your own, its folder must be the working directory or in PYTHONPATH"


def install_extra(extra: str) -> str:
    """The command that installs the packages of one of our extras, for a clone or for an installed wheel.

    It names the packages, because pip would look for ``lhy-rl[extra]`` in the package index, where lhy-rl is not.
    """
    try:
        required = metadata.requires("lhy-rl") or []
    except metadata.PackageNotFoundError:  # run from a clone that is not installed
        required = []
    wanted = [line.partition(";")[0].strip() for line in required if f"extra == '{extra}'" in line.replace('"', "'")]
    return pip_install(*wanted or ["-e", f"{Path(__file__).parents[2]}[{extra}]"])
