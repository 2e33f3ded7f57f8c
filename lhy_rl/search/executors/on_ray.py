"""Trials as tasks of a Ray cluster, on several machines."""

from __future__ import annotations

import logging
import socket
import time
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.core.validation import check, positive
from lhy_rl.search.early_stopping import Thresholds
from lhy_rl.search.executors.base import Executor, failed
from lhy_rl.search.objective import Objective
from lhy_rl.search.trial import Trial

REACHED_WITHIN = 5.0  # seconds to wait for a connection


class OnRay(Executor):
    """Each trial is a task of one CPU; Ray assigns it to a node, and to another one if the node is lost.

    Args:
        objective: The objective, which is put into Ray's object store once.
        address: ``auto`` for the cluster of this machine (``ray start``), ``ray://HOST:10001``, or None: a cluster of
            its own on this machine.
        workers: Trials at once; None: the cluster's CPUs.
        time_limit: Seconds that a trial may take after it was submitted; None: no limit.
        retries: How often a trial is restarted when its node is lost, before it counts as failed.

    Raises:
        UserError: Ray is not installed, or there is no such cluster.
    """

    def __init__(
        self,
        objective: Objective,
        address: str | None = "auto",
        workers: int | None = None,
        time_limit: float | None = None,
        retries: int = 3,
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise UserError(f"executor 'ray' needs Ray: {install_extra('ray')}") from error
        check(retries=(retries, 0), **({} if workers is None else {"workers": (workers, 1)}))
        positive(**({} if time_limit is None else {"time_limit": time_limit}))
        self._ray: Any = ray
        self._own = not ray.is_initialized()
        try:
            if self._own:
                _reach(address)
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(
                f"no Ray cluster at {address!r} ({' '.join(str(error).split())[:200]}); start one: ray start --head"
            ) from error
        super().__init__(objective, workers or max(1, int(self._ray.cluster_resources().get("CPU", 1))))
        self.time_limit = time_limit
        self._objective = ray.put(objective)
        self._task = ray.remote(num_cpus=1, max_retries=retries)(_evaluate)
        self._running: dict[Any, tuple[int, np.ndarray, float]] = {}  # by Ray's reference

    def submit(self, number: int, tokens: np.ndarray, seed: int, thresholds: Thresholds | None = None) -> None:
        reference = self._task.remote(self._objective, tokens, seed, thresholds)
        self._running[reference] = (number, tokens, time.monotonic())

    def wait(self) -> list[tuple[int, Trial]]:
        while True:
            limit = None
            if self.time_limit is not None:
                first = min(begin for _, _, begin in self._running.values())
                limit = max(0.0, first + self.time_limit - time.monotonic())
            ended, others = self._ray.wait(list(self._running), num_returns=1, timeout=limit)
            late = [] if self.time_limit is None else [r for r in others if self._late(r)]
            for reference in late:
                self._ray.cancel(reference, force=True)
            over = [(reference, self._outcome(reference)) for reference in ended]
            over += [(r, self._failed(r, f"it took longer than {self.time_limit:g} seconds")) for r in late]
            if over:
                return [(self._running.pop(reference)[0], trial) for reference, trial in over]

    def _late(self, reference: Any) -> bool:
        return self.time_limit is not None and time.monotonic() - self._running[reference][2] >= self.time_limit

    def _outcome(self, reference: Any) -> Trial:
        try:
            trial: Trial = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return self._failed(reference, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        return trial

    def _failed(self, reference: Any, why: str) -> Trial:
        _, tokens, begin = self._running[reference]
        return failed(tokens, why, time.monotonic() - begin)

    def close(self) -> None:
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        if self._own:
            self._ray.shutdown()


def _reach(address: str | None) -> None:
    """Check that the cluster's address can be reached, since Ray itself would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), REACHED_WITHIN).close()


def _evaluate(objective: Objective, tokens: np.ndarray, seed: int, thresholds: Thresholds | None) -> Trial:
    return objective.evaluate(tokens, seed, thresholds)
