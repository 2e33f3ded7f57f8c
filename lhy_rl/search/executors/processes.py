"""Trials in processes of this machine, each of which may die or hang without taking others with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler

import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.validation import check, positive
from lhy_rl.search.early_stopping import Thresholds
from lhy_rl.search.executors.base import Executor, failed
from lhy_rl.search.objective import Objective
from lhy_rl.search.trial import Trial

_objective: Objective | None = None  # in a worker's process, to which it is sent once


@dataclass
class _Running:
    number: int
    tokens: np.ndarray
    begin: float
    future: Future[Trial]


class Processes(Executor):
    """Workers that live for the whole search, each a pool of one process.

    If a process dies, or is killed here because its trial took too long, only its own trial fails; another process
    replaces it.

    Args:
        objective: The objective, which is sent to each process once and so must be picklable: functions of a module, no
            lambdas.
        workers: Processes; None: as many as there are cores.
        time_limit: Seconds that a trial may take, without the start of its process; None: no limit.

    Raises:
        UserError: a number out of range, or the objective cannot be pickled.
    """

    def __init__(self, objective: Objective, workers: int | None = None, time_limit: float | None = None) -> None:
        workers = (os.cpu_count() or 1) if workers is None else workers
        check(workers=(workers, 1))
        positive(**({} if time_limit is None else {"time_limit": time_limit}))
        super().__init__(objective, workers)
        try:
            ForkingPickler.dumps(objective)
        except Exception as error:  # pickling can raise anything
            raise UserError(
                f"the objective cannot be sent to another process ({brief(str(error))}); "
                "allowed: functions of a module, no lambdas"
            ) from error
        self.time_limit = time_limit
        self._started: dict[ProcessPoolExecutor, float] = {}  # when its process was ready
        self._pools = [self._pool() for _ in range(workers)]
        self._running: dict[int, _Running] = {}  # by worker

    def _pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(1, context, _begin, (self.objective,))
        pool.submit(os.getpid).add_done_callback(lambda _: self._started.setdefault(pool, time.monotonic()))
        return pool

    def _seconds(self, worker: int) -> float:
        """How long a worker's trial has been running."""
        begin, now = self._running[worker].begin, time.monotonic()
        return now - min(max(begin, self._started.get(self._pools[worker], now)), begin + STARTED_WITHIN)

    def submit(self, number: int, tokens: np.ndarray, seed: int, thresholds: Thresholds | None = None) -> None:
        worker = next(worker for worker in range(self.workers) if worker not in self._running)
        try:
            future = self._pools[worker].submit(_evaluate, tokens, seed, thresholds)
        except BrokenProcessPool:  # the process died while it was idle
            self._replace(worker)
            future = self._pools[worker].submit(_evaluate, tokens, seed, thresholds)
        self._running[worker] = _Running(number, tokens, time.monotonic(), future)

    def wait(self) -> list[tuple[int, Trial]]:
        while True:
            limit = None
            if self.time_limit is not None:
                limit = max(0.0, self.time_limit - max(map(self._seconds, self._running)))
            wait([running.future for running in self._running.values()], limit, FIRST_COMPLETED)
            ended = {worker: self._outcome(worker, running) for worker, running in self._running.items()}
            over = []
            for worker, trial in ended.items():
                if trial is not None:
                    running = self._running.pop(worker)
                    over.append((running.number, trial))
                    if not running.future.done() or trial.failure == DIED:
                        self._replace(worker)
            if over:
                return over

    def _outcome(self, worker: int, running: _Running) -> Trial | None:
        """The trial if it has ended or exceeded the time limit, otherwise None."""
        seconds = self._seconds(worker)
        if running.future.done():
            error = running.future.exception()
            if error is None:
                return running.future.result()
            why = DIED if isinstance(error, BrokenProcessPool) else f"{type(error).__name__}: {error}"
            return failed(running.tokens, why, seconds)
        if self.time_limit is not None and seconds >= self.time_limit:
            return failed(running.tokens, f"it took longer than {self.time_limit:g} seconds", seconds)
        return None

    def _replace(self, worker: int) -> None:
        self._kill(worker)
        self._pools[worker] = self._pool()

    def _kill(self, worker: int) -> None:
        pool = self._pools[worker]
        self._started.pop(pool, None)
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()

    def close(self) -> None:
        for worker in range(self.workers):
            self._kill(worker)


DIED = "its process died"
STARTED_WITHIN = 60.0  # seconds after which the time limit starts in any case


def _begin(objective: Objective) -> None:
    """Initialise a new worker: set its objective, and leave Ctrl-C to the parent."""
    global _objective
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _objective = objective


def _evaluate(tokens: np.ndarray, seed: int, thresholds: Thresholds | None) -> Trial:
    assert _objective is not None
    return _objective.evaluate(tokens, seed, thresholds)
