"""The progress bar of :meth:`Agent.learn`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lhy_rl.agents.base import Agent

SHOWN = ("train/nll", "rollout/ep_rew_mean", "train/discriminator_accuracy", "train/loss")


@contextmanager
def progress(agent: Agent, enabled: bool) -> Iterator[Callable[[dict[str, float]], None]]:
    """A bar for each phase of the agent, with its latest metrics; give them to the function that comes back."""
    if not enabled:
        yield lambda metrics: None
        return
    from rich import progress as rich

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeElapsedColumn(),
        rich.TimeRemainingColumn(),
        rich.TextColumn("{task.fields[latest]}"),
    )
    with rich.Progress(*columns) as bars:
        tasks: dict[str, object] = {}

        def show(metrics: dict[str, float]) -> None:
            done, total = agent.phase_progress
            if agent.phase not in tasks:
                for task in bars.tasks:
                    bars.update(task.id, completed=task.total)
                tasks[agent.phase] = bars.add_task(agent.phase, latest="")
            latest = "  ".join(f"{key.split('/')[1]} {metrics[key]:.3f}" for key in SHOWN if key in metrics)
            bars.update(tasks[agent.phase], completed=done, total=total, latest=latest)  # type: ignore[arg-type]

        yield show
