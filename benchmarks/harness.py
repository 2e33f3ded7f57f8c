"""What every benchmark shares: rows of results, intervals, fair timing, a progress bar."""

from __future__ import annotations

import argparse
import inspect
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

RESULTS = Path(__file__).parent / "results"
RESAMPLES = 10_000


@dataclass(frozen=True)
class Row:
    """One number of a benchmark.

    Attributes:
        value: Interquartile mean (or mean, see :func:`interval`) over the seeds; for times the least of the repeats.
        low, high: Its interval.
        seeds: How many runs (for times: repeats) stand behind it.
        steps: Environment or gradient steps of one run, where that means something.
        cpu_seconds: Of one run, or of all that the row took.
        reference: The peer's or paper's figure and where it is from; what the number must reach.
    """

    task: str
    agent: str
    variant: str
    metric: str
    value: float
    low: float
    high: float
    seeds: int
    steps: int | None = None
    cpu_seconds: float | None = None
    reference: str = ""


def arguments(doc: str | None, seeds: int = 5) -> argparse.Namespace:
    """The command line of every benchmark: ``quick``, ``output``, ``seeds``."""
    parser = argparse.ArgumentParser(
        description=inspect.cleandoc(doc or ""), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute; the tests run this")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FOLDER", help=f"default: {RESULTS}")
    parser.add_argument("--seeds", type=int, default=seeds, metavar="N", help=f"runs behind each number ({seeds})")
    return parser.parse_args()


def save(name: str, rows: Sequence[Row], folder: Path = RESULTS) -> Path:
    """Write ``folder/name.json``, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    unfinished = path.with_suffix(".json.unfinished")
    unfinished.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n", "utf-8")
    os.replace(unfinished, path)
    return path


def load(name: str, folder: Path = RESULTS) -> list[Row]:
    """The rows that :func:`save` wrote."""
    return [Row(**row) for row in json.loads((folder / f"{name}.json").read_text("utf-8"))]


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Interquartile mean and its 95% bootstrap interval (Agarwal et al. 2021), with fixed resamples.

    Fewer than 4 values have no quartiles: then it is the mean, the least and the greatest.
    """
    array = np.asarray(values, np.float64)
    if len(array) < 4:
        return float(array.mean()), float(array.min()), float(array.max())
    picks = np.random.default_rng(0).integers(len(array), size=(RESAMPLES, len(array)))
    low, high = np.quantile(_interquartile_mean(array[picks]), [0.025, 0.975])
    return float(_interquartile_mean(array[None])[0]), float(low), float(high)


def _interquartile_mean(samples: np.ndarray) -> np.ndarray:
    """(R, N) to (R,): the mean of the middle half; values on its edge count in part."""
    n = samples.shape[1]
    weights = np.clip(np.minimum(np.arange(1, n + 1) - n / 4, 3 * n / 4 - np.arange(n)), 0, 1)
    return np.sort(samples, 1) @ weights / weights.sum()


def summarize(
    task: str,
    agent: str,
    variant: str,
    metric: str,
    values: Sequence[float],
    steps: int | None = None,
    cpu_seconds: float | None = None,
    reference: str = "",
) -> Row:
    """One row of the values of several seeds."""
    return Row(task, agent, variant, metric, *interval(values), len(values), steps, cpu_seconds, reference)


def alternate(candidates: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """CPU-seconds of each candidate in each repeat; they take turns, so that noise hits all alike.

    Each runs once before, unmeasured, where ``repeats`` is above 1.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(repeats + (repeats > 1)):
        for name, candidate in candidates.items():
            begun = time.process_time()
            candidate()
            if turn or repeats == 1:
                seconds[name].append(time.process_time() - begun)
    return seconds


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
