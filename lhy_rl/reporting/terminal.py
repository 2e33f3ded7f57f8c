"""Terminal output: the result of a run, and a progress bar for long work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from lhy_rl.experiment.evaluation import AS_TEXT, GLOSSARY
from lhy_rl.experiment.run_folder import RunFolder
from lhy_rl.experiment.text_evaluation import REAL
from lhy_rl.reporting.report import best_row, number

COLUMNS = [name for name in GLOSSARY if name != "distinct3"]  # the columns that fit a terminal
ARROWS = {"lower": " ↓", "higher": " ↑", AS_TEXT: " ≈"}


def print_result(console: Console, result: dict[str, Any]) -> None:
    """Print the metrics of every policy, and sentences of each side by side."""
    policies: dict[str, dict[str, float]] = result["table"]
    references = result.get("references", {})
    table = policies | references
    aside = (REAL, *references)
    metrics = [name for name in COLUMNS if any(name in row for row in table.values())]
    best = {name: best_row(policies, name) for name in metrics}

    def cell(policy: str, name: str) -> str:
        text = number(table[policy].get(name))
        return f"[bold]{text}[/]" if best[name] == policy else text

    title = f"{result['agent']} on {result['environment']}"
    headings = [name + ARROWS.get(GLOSSARY[name][0], "") for name in metrics]
    drawn = Table("policy", title=title, title_justify="left")
    for heading in headings:
        drawn.add_column(heading, justify="right", no_wrap=True)
    for policy in table:
        cells = (cell(policy, name) for name in metrics)
        drawn.add_row(escape(policy), *cells, style="dim" if policy in aside else None)
    if Measurement.get(console, console.options.update(width=10_000), drawn).maximum > console.width:
        drawn = Table("metric", title=title, title_justify="left")  # too wide: one row per metric
        for policy in table:
            drawn.add_column(escape(policy), justify="right", style="dim" if policy in aside else None)
        for heading, name in zip(headings, metrics, strict=True):
            drawn.add_row(heading, *(cell(policy, name) for policy in table))
    console.print(drawn)
    width = console.width // 2 - 1 if console.width >= 100 else console.width
    panels = [
        Panel(sentences_text(sentences), title=escape(name), title_align="left", width=width)
        for name, sentences in result["samples"].items()
    ]
    if panels:
        console.print(Columns(panels))


def sentences_text(sentences: list[str]) -> Table:
    """List the sentences below each other, each with a mark at its beginning."""
    grid = Table.grid(padding=(0, 1))
    for sentence in sentences:
        grid.add_row("[dim]·[/]", escape(sentence) or "[dim](empty)[/]")
    return grid


def print_next(console: Console, place: RunFolder, text: bool, game: bool = False) -> None:
    """Print where everything is and what to try next."""
    if place.report_file.is_file():
        console.print(f"report    {place.report_file}", highlight=False, soft_wrap=True)
    film = (place.path / "plots" / "film.gif").is_file()  # not every environment draws pictures
    look = "sample {} -n 5 --temperature 0.7" if text else "play {} --output film.gif" if film else None
    look = "play {}" if game else look
    best = " --checkpoint best" if (place.checkpoints / "best.zip").is_file() else ""
    lines = [f"lhy-rl {look.format(place.path)}"] if look else []
    lines += [f"lhy-rl evaluate {place.path}{best}", f"lhy-rl train {place.config_file} --seed 1"]
    console.print("try next  " + "\n          ".join(lines), highlight=False, markup=False, soft_wrap=True)


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[str], None]]:
    """A progress bar on stderr; call the function that it yields with a short text after each of ``total`` steps."""
    columns = [TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    columns += [TimeRemainingColumn(), TextColumn("{task.fields[now]}")]
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, now="")

        def advance(now: str = "") -> None:
            bar.update(task, advance=1, now=now)

        yield advance
