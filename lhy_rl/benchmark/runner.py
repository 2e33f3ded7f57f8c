"""Run benchmarks: every row over several seeds, finished seeds kept, so that a stopped benchmark goes on."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from lhy_rl.benchmark import results
from lhy_rl.benchmark.benchmark_row import BenchmarkRow, Imitation, ScoredRow, rows_of
from lhy_rl.benchmark.learning_curve import Curve
from lhy_rl.benchmark.results import Row
from lhy_rl.benchmark.seed_run import ResultCache, SeedRun
from lhy_rl.benchmark.spec import Definition
from lhy_rl.benchmark.tables import documents, find_checkout, rewrite
from lhy_rl.reporting.terminal import progress


class Interrupted(Exception):
    """Ctrl-C; the finished seeds are kept.

    Attributes:
        signal: The signal's number.
    """

    signal = signal.SIGINT


def run(
    definition: Definition, folder: Path, seeds: int = 5, jobs: int = 1, quick: bool = False, fresh: bool = False
) -> list[Row]:
    """Run a benchmark and write ``NAME.json`` and ``NAME.png``; of a matrix, and of imitation that is looked at on the
    way, also ``NAME.curves.png``.

    Args:
        definition: What to run.
        folder: Where the results go, and the finished seeds, which are used again.
        seeds: Runs behind each number, seeds 0, 1, ...
        jobs: Processes.
        quick: A fiftieth of the steps, to see that it works.
        fresh: Do not use finished seeds.

    Raises:
        UserError: bad input; then nothing was run.
        Interrupted: Ctrl-C.
    """
    benchmark_rows = rows_of(definition, seeds, quick)
    results.make_folder(folder)
    cache = ResultCache(folder / f"{definition.name}.trials.json", fresh)
    by_key = {seed_run.key: seed_run for benchmark_row in benchmark_rows for seed_run in benchmark_row.seed_runs}
    todo = [seed_run for key, seed_run in by_key.items() if key not in cache.curves]
    try:
        with progress(len(todo), definition.name) as advance, closing(finished(todo, jobs)) as done:
            for seed_run, curve in done:
                cache.add(seed_run.key, curve)
                advance(f"{seed_run.config.name} seed {seed_run.config.values['seed']}: {curve.final:.3g}")
    except KeyboardInterrupt:
        finished_count = sum(key in cache.curves for key in by_key)
        raise Interrupted(
            f"interrupted; {finished_count} of {len(by_key)} seeds of {definition.name} have finished and are kept in "
            f"{folder}; the same command continues"
        ) from None
    found = [
        (benchmark_row, [cache.curves[seed_run.key] for seed_run in benchmark_row.seed_runs])
        for benchmark_row in benchmark_rows
    ]
    rows = [row for benchmark_row, curves in found for row in benchmark_row.rows(curves)]
    results.save(definition.name, rows, folder)
    draw(found, folder / f"{definition.name}.png")
    return rows


def draw(found: list[tuple[BenchmarkRow, list[Curve]]], path: Path) -> None:
    """The picture of a benchmark, or the two of one of imitation or of a matrix."""
    from lhy_rl.benchmark import curve_plots, heat_map, trajectory_plots

    scored = [(benchmark_row, curves) for benchmark_row, curves in found if isinstance(benchmark_row, ScoredRow)]
    if len(scored) == len(found):
        heat_map.draw(scored, path)
        curve_plots.draw(found, path.with_suffix(".curves.png"))
        return
    imitations = [(benchmark_row, curves) for benchmark_row, curves in found if isinstance(benchmark_row, Imitation)]
    if len(imitations) < len(found):
        curve_plots.draw(found, path)
        return
    trajectory_plots.draw(found, path)
    with_curves: list[tuple[BenchmarkRow, list[Curve]]] = [
        (replace(benchmark_row, variant=f"{benchmark_row.agent}, {benchmark_row.variant}"), curves)
        for benchmark_row, curves in imitations
        if benchmark_row.interacts and len(curves[0].points) > 2
    ]
    if with_curves:
        curve_plots.draw(with_curves, path.with_suffix(".curves.png"))


def finished(seed_runs: list[SeedRun], jobs: int) -> Generator[tuple[SeedRun, Curve], None, None]:
    """Yield seed runs with their curves as they end; when the caller stops, so do the processes."""
    if jobs == 1 or len(seed_runs) < 2:
        for seed_run in seed_runs:
            yield seed_run, seed_run.run()
        return
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(seed_runs)), context, _leave_interrupts_to_the_parent)
    try:
        waiting = {pool.submit(seed_run.run): seed_run for seed_run in seed_runs}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def default_folder(definition: Definition, quick: bool) -> Path:
    """Where results go by default: a shipped benchmark's to the repository's own, all others to runs/."""
    checkout = find_checkout()
    if checkout is not None and definition.shipped and not quick:
        return checkout / "benchmarks" / "results"
    return Path("runs") / "benchmarks"


def rewrite_documents(folder: Path) -> list[Path]:
    """Bring the repository's documents up to date, where the folder is that of its results; those that changed."""
    checkout = find_checkout()
    if checkout is None or folder.resolve() != (checkout / "benchmarks" / "results").resolve():
        return []
    return rewrite(documents(checkout), folder)
