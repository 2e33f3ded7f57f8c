"""Shared code of the scripts: a command line, the folder of the results, fair timing, a progress bar."""

from __future__ import annotations

import argparse
import inspect
import math
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from lhy_rl.benchmark import results
from lhy_rl.benchmark.results import Row, interval, summarize
from lhy_rl.reporting.terminal import progress

__all__ = [
    "RESULTS",
    "Row",
    "alternate",
    "arguments",
    "interval",
    "learned_for",
    "load",
    "parser",
    "progress",
    "run_cases",
    "run_jobs",
    "save",
    "summarize",
]

Job, Result = TypeVar("Job"), TypeVar("Result")
RESULTS = Path(__file__).parent / "results"
QUICK_RESULTS = RESULTS.parents[1] / "runs" / "quick-benchmarks"  # results of small sizes do not overwrite others


class _Parser(argparse.ArgumentParser):
    """Sets the default of ``--output``, which depends on ``--quick``."""

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        found, rest = super().parse_known_args(*args, **kwargs)
        found.output = found.output or (QUICK_RESULTS if found.quick else RESULTS)
        return found, rest


def arguments(doc: str | None, seeds: int = 5) -> argparse.Namespace:
    """Parse the command line that every benchmark has: ``quick``, ``output``, ``seeds``."""
    return parser(doc, seeds).parse_args()


def parser(doc: str | None, seeds: int = 5) -> argparse.ArgumentParser:
    """Return the parser of that command line, to which a script can add options."""
    made = _Parser(description=inspect.cleandoc(doc or ""), formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help="small sizes, under a minute; the tests run this")
    made.add_argument("--output", type=Path, metavar="FOLDER", help=f"default: {RESULTS}, with --quick {QUICK_RESULTS}")
    made.add_argument("--seeds", type=int, default=seeds, metavar="N", help=f"runs behind each number ({seeds})")
    return made


def save(name: str, rows: Sequence[Row], folder: Path = RESULTS) -> Path:
    """Write ``folder/name.json``, completely or not at all."""
    return results.save(name, rows, folder)


def load(name: str, folder: Path = RESULTS) -> list[Row]:
    """Return the rows that :func:`save` wrote to the folder, or an empty list."""
    return results.load(name, folder) if (folder / f"{name}.json").exists() else []


def chosen(script: str, names: Collection[str], patterns: str, separator: str = ";") -> list[str]:
    """Return the names that match one of the patterns, in the order of the names.

    Raises:
        SystemExit: a pattern matches no name; an error message lists the names, and the status is 2.
    """
    wanted = [pattern.strip() for pattern in patterns.split(separator)]
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in names):
            print(f"{script}: error: nothing matches {pattern!r}; there are {'; '.join(names)}", file=sys.stderr)
            raise SystemExit(2)
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in wanted)]


def run_jobs(run: Callable[[Job], Result], jobs: Sequence[Job], processes: int) -> Iterator[Result]:
    """Yield a module-level function's result of each job, in order, from so many processes (1: this process)."""
    if processes == 1:
        yield from map(run, jobs)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield from pool.map(run, jobs)


def run_cases(
    script: str,
    cases: Mapping[str, Callable[[int], dict[str, float]]],
    rows_of: Callable[[str, Sequence[dict[str, float]]], list[Row]],
    options: argparse.Namespace,
) -> None:
    """Run the cases that match ``--only``, seed by seed, and save the rows of each case when it has finished.

    Rows of other cases are kept as an earlier call saved them.

    Args:
        script: Name of the benchmark.
        cases: Name to a function of a seed that returns metric to value; ``seconds``, if missing, are its CPU-seconds.
        rows_of: Function of a case's name and the results of its seeds that returns its rows.
        options: The command line, with ``only``, and with ``first_seed`` if it is not 0.

    Raises:
        SystemExit: ``--only`` matches no case; an error message lists the cases, and the status is 2.
    """
    names = chosen(script, cases, options.only)
    first = getattr(options, "first_seed", 0)
    rows = [] if options.quick else load(script, options.output)
    with progress(len(names), script) as advance:
        for name in names:
            results = []
            for seed in range(first, first + (1 if options.quick else options.seeds)):
                begun = time.process_time()
                found = cases[name](seed)
                results.append({**found, "seconds": found.get("seconds", time.process_time() - begun)})
                numbers = ", ".join(f"{metric} {value:.4g}" for metric, value in results[-1].items())
                print(f"{name}, seed {seed}: {numbers}", flush=True)
            made = rows_of(name, results)
            places = {(row.task, row.agent, row.variant) for row in made}
            rows = [row for row in rows if (row.task, row.agent, row.variant) not in places] + made
            save(script, rows, options.output)
            advance(name)


def alternate(candidates: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Measure the CPU-seconds of each candidate in each repeat; they take turns, so that noise affects all alike.

    If ``repeats`` is above 1, each first runs once without being measured.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(repeats + (repeats > 1)):
        for name, candidate in candidates.items():
            begun = time.process_time()
            candidate()
            if turn or repeats == 1:
                seconds[name].append(time.process_time() - begun)
    return seconds


def learned_for(seconds: float, make: Callable[[], Any]) -> tuple[Any, float]:
    """Train an agent for so many CPU-seconds; return it and the CPU-seconds that it took.

    Another agent is trained for two seconds and discarded, to estimate the number of timesteps, so that schedules end
    when the training does.
    """
    agent, begun = make(), time.process_time()
    agent.learn(10**9, callback=lambda agent, metrics: time.process_time() - begun < min(2.0, seconds))
    rate = agent.num_timesteps / (time.process_time() - begun)
    agent, begun = make(), time.process_time()
    return agent.learn(math.ceil(rate * seconds)), time.process_time() - begun
