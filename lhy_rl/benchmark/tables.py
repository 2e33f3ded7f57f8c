"""Tables of a benchmark's rows: on the terminal, and in Markdown documents, where they are written from the results.

Between the markers

    <!-- table: NAME [FILTER ...] -->
    <!-- end -->

stand the rows of NAME.json. A filter is FIELD=PATTERN with the wildcards of the shell, quoted where it holds a space:
metric="times faster" task="*H=64*". Fields that are the same filter's exact words, or empty in all rows, have no
column.

With `wide="METRIC, METRIC, ..."` the table has a row for each task, agent and variant and a column for each metric;
references that differ between these metrics stand with their names.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import lhy_rl
from lhy_rl.benchmark.results import SOLVED, Row, load
from lhy_rl.core.errors import suggest

if TYPE_CHECKING:
    from rich.console import Console

MARKED = re.compile(r"(<!-- table: ([\w-]+)([^\n]*?) ?-->\n)(.*?)(<!-- end -->)", re.DOTALL)
COLUMNS = ("task", "agent", "variant", "metric", "value", "seeds", "steps", "cpu_seconds", "reference")
HEADINGS = {"seeds": "runs", "cpu_seconds": "CPU-seconds"}


def number(x: float | None) -> str:
    """Four digits at most, without an exponent where it can be."""
    if x is None:
        return ""
    if abs(x) < 1e-12:  # what is left of sums that cancel
        return "0"
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.3g}" if abs(x) < 1 else f"{x:.4g}"


def cell(row: Row, column: str) -> str:
    """A field as a table shows it; the value with its interval."""
    if column == "value":
        same = row.low == row.high == row.value
        if row.metric == SOLVED:
            return f"{round(row.value * row.seeds)} of {row.seeds}"
        return number(row.value) if same else f"{number(row.value)} [{number(row.low)}, {number(row.high)}]"
    content = getattr(row, column)
    return str(content).replace("|", "\\|") if isinstance(content, str) else number(content)


def table(rows: list[Row], filters: dict[str, str]) -> str:
    """The rows that fit as a Markdown table.

    Raises:
        UserError: a filter on a field that rows do not have.
        ValueError: no row fits.
    """
    names = [field.name for field in fields(Row)]
    for name in filters:
        if name not in names:
            raise suggest(name, names, "field")
    chosen = [row for row in rows if all(fnmatchcase(str(getattr(row, k)), v) for k, v in filters.items())]
    if not chosen:
        raise ValueError(f"no row fits {filters}")
    # a column says something, and not only what the filter said; CPU-seconds are not shown twice
    columns = [
        c
        for c in COLUMNS
        if any(cell(row, c) for row in chosen) and len({getattr(r, c) for r in chosen} - {filters.get(c)})
    ]
    if all(row.metric == "CPU-seconds" or row.cpu_seconds is None for row in chosen) and "cpu_seconds" in columns:
        columns.remove("cpu_seconds")
    lines = [
        [HEADINGS.get(c, c) for c in columns],
        ["---"] * len(columns),
        *([cell(r, c) for c in columns] for r in chosen),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def wide_table(rows: list[Row], metrics: list[str], filters: dict[str, str]) -> str:
    """The rows that fit as a Markdown table with the metrics side by side.

    Raises:
        ValueError: no row fits.
    """
    cells: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        if row.metric in metrics and all(fnmatchcase(str(getattr(row, k)), v) for k, v in filters.items()):
            cells.setdefault((row.task, row.agent, row.variant), {})[row.metric] = row
    if not cells:
        raise ValueError(f"no row has one of {metrics} and fits {filters}")
    # a task or an agent that all rows share has no column
    key_columns = [i for i in (0, 1) if len({key[i] for key in cells}) > 1] + [2]
    heading = [*(("task", "agent", "variant")[i] for i in key_columns), *metrics, "runs", "reference"]
    lines = [heading, ["---"] * len(heading)]
    for found in cells.values():
        some = next(iter(found.values()))
        values = [cell(found[metric], "value") if metric in found else "" for metric in metrics]
        names = [cell(some, ("task", "agent", "variant")[i]) for i in key_columns]
        references = {m: text for m in metrics if m in found and (text := cell(found[m], "reference"))}
        alike = len(set(references.values())) == 1
        reference = next(iter(references.values())) if alike else "; ".join(f"{m} {r}" for m, r in references.items())
        lines.append([*names, *values, str(some.seeds), reference])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def rewritten(text: str, folder: Path) -> str:
    """A document with its tables made anew; a marker without results must hold no table.

    Raises:
        FileNotFoundError: a table stands in the document whose results are not there.
    """

    def replace(match: re.Match[str]) -> str:
        begin, name, filters, old, end = match.groups()
        if not (folder / f"{name}.json").exists():
            if old.strip():
                raise FileNotFoundError(f"the table {name!r} has no results; run python -m benchmarks.{name}")
            return match[0]
        pairs = dict(part.split("=", 1) for part in shlex.split(filters))
        wide = pairs.pop("wide", None)
        rows = load(name, folder)
        return begin + (wide_table(rows, wide.split(", "), pairs) if wide else table(rows, pairs)) + end

    return MARKED.sub(replace, text)


def rewrite(documents: list[Path], folder: Path) -> list[Path]:
    """Rewrite the tables of the documents from the results in a folder; gives those that changed."""
    changed = []
    for path in documents:
        text = path.read_text("utf-8")
        new = rewritten(text, folder)
        if new != text:
            path.write_text(new, "utf-8")
            changed.append(path)
    return changed


def find_checkout() -> Path | None:
    """The repository's top, where the package is used from a checkout of it."""
    top = Path(lhy_rl.__path__[0]).parent
    return top if (top / "benchmarks" / "results").is_dir() and (top / "docs").is_dir() else None


def documents(checkout: Path) -> list[Path]:
    """The files that may hold tables of results."""
    docs = checkout / "docs"
    return [checkout / "README.md", *sorted(docs.glob("*.md")), *sorted(docs.glob("benchmarks/*.md"))]


def print_rows(console: Console, name: str, rows: list[Row]) -> None:
    """A benchmark: a line for each of its rows, the metrics side by side."""
    from rich.markup import escape
    from rich.table import Table

    metrics = list(dict.fromkeys(row.metric for row in rows))
    drawn = Table("task", "agent", "variant", title=name, title_justify="left")
    fields = {"seeds": "seeds", "steps": "steps", "cpu_seconds": "CPU-seconds"}
    # what is a metric of its own is not shown twice
    fields = {field: name for field, name in fields.items() if not any(metric.endswith(name) for metric in metrics)}
    for heading in [*metrics, *fields.values()]:
        drawn.add_column(heading, justify="right")
    drawn.add_column("reference")
    lines: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows:
        lines.setdefault((row.task, row.agent, row.variant), {})[row.metric] = row
    for key, found in lines.items():
        some = list(found.values())[-1]
        values = [cell(found[metric], "value") if metric in found else "-" for metric in metrics]
        numbers = [cell(some, field) for field in fields]
        drawn.add_row(*map(escape, key), *map(escape, values), *numbers, escape(some.reference))
    console.print(drawn)
