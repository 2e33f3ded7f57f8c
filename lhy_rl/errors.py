"""Errors made for the person who reads them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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
