"""The progress of a training run: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LABELS = {  # metric to label; the metrics that a run has are printed, two of them where there is little room
    "eval/nll_oracle": "oracle",
    "eval/nll_validation": "held-out",
    "rollout/ep_rew_mean": "mean return",
    "train/nll": "nll",
    "train/loss": "loss",
}
WIDE = 120  # columns of a terminal with room for everything
QUIET_SECONDS = 15.0


class ProgressDisplay:
    """Shows the agent's phase, how far it is, and the latest main metrics.

    Args:
        console: Where to show it; by default the terminal. A terminal gets a live bar, anything else a line every 15
            seconds and at each new phase.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console = console or Console()
        self.latest: dict[str, float] = {}
        self.phase = ""
        self.printed = 0.0
        self.unprinted = ""  # the newest line, if it has not been printed yet
        self.task: TaskID | None = None
        self.bar: Progress | None = None
        self.wide = console.width >= WIDE
        if console.is_terminal:
            bar = BarColumn(min(30, console.width - 108) if self.wide else 14)
            columns: list[ProgressColumn] = [TextColumn("[bold]{task.description}"), bar]
            columns += [MofNCompleteColumn(), TimeElapsedColumn()] if self.wide else [TaskProgressColumn()]
            columns += [TimeRemainingColumn(compact=True), TextColumn("[cyan]{task.fields[text]}")]
            self.bar = Progress(*columns, console=console)

    def __enter__(self) -> ProgressDisplay:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar:
            self.bar.stop()
        elif self.unprinted:
            self.note(self.unprinted)

    def update(self, agent: Any, row: dict[str, Any]) -> None:
        """Show the state after an update."""
        self.latest |= {name: row[name] for name in LABELS if name in row}
        done, total = agent.phase_progress
        found = [f"{LABELS[name]} {self.latest[name]:.3f}" for name in LABELS if name in self.latest]
        text = "  ".join(found if self.wide or not self.bar else found[:2])
        new_phase = agent.phase != self.phase
        self.phase = agent.phase
        if self.bar:
            if new_phase or self.task is None:
                if self.task is not None:  # the phase before ended with the update that began this one
                    self.bar.update(self.task, completed=self.bar.tasks[self.task].total)
                self.task = self.bar.add_task(agent.phase, total=total, text="")
            self.bar.update(self.task, completed=min(done, total), total=total, text=text)
            return
        self.unprinted = f"{agent.phase} {min(done, total)}/{total}  {text}".rstrip()
        if new_phase or time.monotonic() - self.printed > QUIET_SECONDS:
            self.printed = time.monotonic()
            self.note(self.unprinted)
            self.unprinted = ""

    def note(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
