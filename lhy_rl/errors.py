"""Errors made for the person who reads them."""

from __future__ import annotations

import difflib
import shutil
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path


class UserError(ValueError):
    """Bad input: one line that says what was given, what is allowed and what to do.

    The command line prints the line alone and exits with status 2.
    """


def suggest(name: str, allowed: Iterable[str], what: str) -> UserError:
    """The error for an unknown name, with the nearest allowed one.

    >>> str(suggest("lstn", ["gru", "lstm"], "core"))
    "unknown core 'lstn'; did you mean 'lstm'? allowed: gru, lstm"
    """
    allowed = sorted(allowed)
    near = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return UserError(f"unknown {what} {name!r}{hint} allowed: {', '.join(allowed)}")


def pip_install(*packages: str) -> str:
    """The command that installs packages into the Python that runs, whichever one is first on the PATH."""
    pip = shutil.which("pip")
    ours = pip is not None and Path(pip).parent == Path(sys.executable).parent
    quoted = (f"'{package}'" if set("<>=[]~!,; ") & set(package) else package for package in packages)
    return " ".join(["pip" if ours else f"{sys.executable} -m pip", "install", *quoted])


def install_extra(extra: str) -> str:
    """The command that installs what an extra of ours needs: from a clone, and beside an installed wheel.

    It names the extra's packages. ``lhy-rl[extra]`` would be looked for in the package index, where we are not.
    """
    try:
        required = metadata.requires("lhy-rl") or []
    except metadata.PackageNotFoundError:  # run from a clone that is not installed
        required = []
    wanted = [line.partition(";")[0].strip() for line in required if f"extra == '{extra}'" in line.replace('"', "'")]
    return pip_install(*wanted or ["-e", f"{Path(__file__).parents[1]}[{extra}]"])
