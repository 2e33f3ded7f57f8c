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
from lhy_rl.benchmark.benchmark_row import BenchmarkRow, Imitation, lines_of
from lhy_rl.benchmark.learning_curve import Curve
from lhy_rl.benchmark.results import Row
from lhy_rl.benchmark.seed_run import Kept, SeedRun
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
    """Run a benchmark and write ``NAME.json`` and ``NAME.png``; of imitation also ``NAME.curves.png``, if it is looked
    at on the way.

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
    lines = lines_of(definition, seeds, quick)
    results.make_folder(folder)
    kept = Kept(folder / f"{definition.name}.trials.json", fresh)
    every_trial = {trial.key: trial for line in lines for trial in line.trials}
    todo = [trial for key, trial in every_trial.items() if key not in kept.curves]
    try:
        with progress(len(todo), definition.name) as advance, closing(finished(todo, jobs)) as done:
            for trial, curve in done:
                kept.add(trial.key, curve)
                advance(f"{trial.config.name} seed {trial.config.values['seed']}: {curve.final:.3g}")
    except KeyboardInterrupt:
        there = sum(key in kept.curves for key in every_trial)
        raise Interrupted(
            f"interrupted; {there} of {len(every_trial)} seeds of {definition.name} have finished and are kept in "
            f"{folder}; the same command goes on"
        ) from None
    found = [(line, [kept.curves[trial.key] for trial in line.trials]) for line in lines]
    rows = [row for line, curves in found for row in line.rows(curves)]
    results.save(definition.name, rows, folder)
    draw(found, folder / f"{definition.name}.png")
    return rows


def draw(found: list[tuple[BenchmarkRow, list[Curve]]], path: Path) -> None:
    """The picture of a benchmark, or the two of one of imitation."""
    from lhy_rl.benchmark import curve_plots, trajectory_plots

    imitations = [(line, curves) for line, curves in found if isinstance(line, Imitation)]
    if len(imitations) < len(found):
        curve_plots.draw(found, path)
        return
    trajectory_plots.draw(found, path)
    watched: list[tuple[BenchmarkRow, list[Curve]]] = [
        (replace(line, variant=f"{line.agent}, {line.variant}"), curves)
        for line, curves in imitations
        if line.plays and len(curves[0].points) > 2
    ]
    if watched:
        curve_plots.draw(watched, path.with_suffix(".curves.png"))


def finished(trials: list[SeedRun], jobs: int) -> Generator[tuple[SeedRun, Curve], None, None]:
    """Trials with their curves, as they end; when the caller stops, so do the processes."""
    if jobs == 1 or len(trials) < 2:
        for trial in trials:
            yield trial, trial.run()
        return
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(jobs, len(trials)), context, _leave_interrupts_to_the_parent)
    try:
        waiting = {pool.submit(trial.run): trial for trial in trials}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def default_folder(definition: Definition, quick: bool) -> Path:
    """Where results go unless told: a shipped benchmark's to the repository's own, all others to runs/."""
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
