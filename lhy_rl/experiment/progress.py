"""How a training run shows itself: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn

MAIN = ("eval/nll_oracle", "eval/nll_validation", "rollout/ep_rew_mean", "train/loss")  # the first two found are shown
QUIET_SECONDS = 15.0


class ProgressDisplay:
    """Shows the agent's phase, how far it is, and the latest main metrics.

    Args:
        console: Where; on a terminal a live bar, else a line every 15 seconds and at each new phase.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.latest: dict[str, float] = {}
        self.phase = ""
        self.printed = 0.0
        self.task: TaskID | None = None
        self.bar: Progress | None = None
        if console.is_terminal:
            self.bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=32),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                TextColumn("[cyan]{task.fields[text]}"),
                console=console,
            )

    def __enter__(self) -> ProgressDisplay:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar:
            self.bar.stop()

    def update(self, agent: Any, row: dict[str, Any]) -> None:
        """Show the state after an update."""
        self.latest |= {name: row[name] for name in MAIN if name in row}
        done, total = agent.phase_progress
        text = "  ".join(f"{name.split('/')[1]} {self.latest[name]:.3f}" for name in MAIN if name in self.latest)
        new_phase = agent.phase != self.phase
        self.phase = agent.phase
        if self.bar:
            if new_phase or self.task is None:
                self.task = self.bar.add_task(agent.phase, total=total, text="")
            self.bar.update(self.task, completed=min(done, total), total=total, text=text)
        elif new_phase or time.monotonic() - self.printed > QUIET_SECONDS:
            self.printed = time.monotonic()
            self.console.print(f"{agent.phase} {done}/{total}  {text}", highlight=False)

    def note(self, line: str) -> None:
        """A line for the reader, above the bar."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
