"""The options of a run that belong to neither the environment nor the agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lhy_rl.core.errors import UserError, brief


@dataclass
class RunOptions:
    """Where a run writes, how often, and what follows it.

    Args:
        name: Name of the run: of its folder below runs/ and in the tracker. None takes the configuration's name.
        folder: The run folder; it must be new or empty. None takes runs/<name>, with -2, -3, ... where that exists.
        checkpoint_seconds: A checkpoint at the first update this many seconds after the last one. Smaller loses
            less work when the run is killed.
        checkpoint_updates: A checkpoint every so many updates, too. None leaves it to the seconds.
        keep_checkpoints: How many of the newest checkpoints are kept (the best one is kept besides).
        evaluation_interval: Updates between two evaluations, which give the eval/ columns and choose the best
            checkpoint. 0 leaves it to the one at the end.
        evaluation_sentences: Sentences that an evaluation draws from each policy and takes from each split.
        evaluation_episodes: Episodes of an evaluation, where the task is not text.
        samples: Sentences shown for each policy.
        plots: Draw plots and write report.html at the end.
        tracker: Who else hears of the metrics: wandb (offline unless you are logged in or set WANDB_MODE),
            tensorboard, none; auto is wandb where it is installed.
        project: The tracker's project.
    """

    name: str | None = None
    folder: str | None = None
    checkpoint_seconds: float = 30.0
    checkpoint_updates: int | None = None
    keep_checkpoints: int = 2
    evaluation_interval: int = 10
    evaluation_sentences: int = 1000
    evaluation_episodes: int = 20
    samples: int = 10
    plots: bool = True
    tracker: Literal["auto", "wandb", "tensorboard", "none"] = "auto"
    project: str = "lhy_rl"

    def __post_init__(self) -> None:
        least = {
            "checkpoint_seconds": 0,
            "checkpoint_updates": 1,
            "keep_checkpoints": 1,
            "evaluation_interval": 0,
            "evaluation_sentences": 2,
            "evaluation_episodes": 1,
            "samples": 0,
        }
        for name, least_value in least.items():
            value = getattr(self, name)
            if value is not None and not value >= least_value:
                raise UserError(f"run.{name} is {value}; it must be at least {least_value}")
        if self.name is not None and (self.name in ("", ".", "..") or "/" in self.name or not self.name.isprintable()):
            raise UserError(f"run.name is {brief(self.name)}; it must be a plain name, without '/', nor '.' or '..'")
