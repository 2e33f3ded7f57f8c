"""What a command shows while torch is imported and a run is built, a few seconds in which nothing else can be seen."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def starting(what: str) -> Iterator[None]:
    """A line on the terminal that is gone afterwards, also where an error's line follows; elsewhere nothing.

    Args:
        what: Who is being started: ``ppo/cartpole``.
    """
    line = f"{what}: starting ..."
    shown = sys.stderr.isatty()
    if shown:
        print(line, end="\r", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        if shown:
            print(" " * len(line), end="\r", file=sys.stderr, flush=True)
