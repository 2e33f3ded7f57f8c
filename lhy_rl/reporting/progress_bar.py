"""A progress bar over pieces of work that report only when they are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[str], None]]:
    """A bar on stderr; the function it gives is called with a few words after each of ``total`` pieces."""
    columns = [TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    columns += [TimeRemainingColumn(), TextColumn("{task.fields[now]}")]
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, now="")

        def advance(now: str = "") -> None:
            bar.update(task, advance=1, now=now)

        yield advance
