"""Others who hear of the metrics: Weights & Biases or TensorBoard, imported only when used."""

from __future__ import annotations

import importlib
import importlib.util
import os
from pathlib import Path
from typing import Any

from lhy_rl.errors import UserError, install_extra
from lhy_rl.experiment.options import RunOptions


class Tracker:
    """Hears nothing: the choice ``none``, and the interface of the others."""

    def log(self, metrics: dict[str, Any], step: int) -> None:
        """Metrics of one update."""

    def finish(self, table: dict[str, dict[str, float]], plots: Path) -> None:
        """The run is complete.

        Args:
            table: What it ended with: row to metric to value.
            plots: The folder of its pictures and its film; it need not be there.
        """

    def close(self) -> None:
        """Nothing more comes from this process."""


class WandbTracker(Tracker):
    """A Weights & Biases run: offline unless the user is logged in or sets WANDB_MODE."""

    def __init__(self, options: RunOptions, folder: Path, config: dict[str, Any], run_id: str) -> None:
        wandb = require("wandb")
        wandb.setup(settings=wandb.Settings(silent=True))
        logged_in = wandb.login(prompt=False, verify=False)
        mode = os.environ.get("WANDB_MODE") or ("online" if logged_in else "offline")
        self.run = wandb.init(
            project=options.project,
            name=folder.name,
            id=run_id,
            resume="allow",
            dir=str(folder),
            config=config,
            mode=mode,
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, metrics: dict[str, Any], step: int) -> None:
        self.run.log(metrics, step=step)

    def finish(self, table: dict[str, dict[str, float]], plots: Path) -> None:
        wandb = require("wandb")
        for name, value in flatten(table).items():
            self.run.summary[name] = value
        metrics = list(dict.fromkeys(metric for row in table.values() for metric in row))
        rows = [[name, *(row.get(metric) for metric in metrics)] for name, row in table.items()]
        media: dict[str, Any] = {"result": wandb.Table(columns=["policy", *metrics], data=rows)}
        media |= {path.stem: wandb.Image(str(path)) for path in sorted(plots.glob("*.png"))}
        media |= {path.stem: wandb.Video(str(path), format="gif") for path in plots.glob("*.gif")}
        self.run.log(media)

    def close(self) -> None:
        self.run.finish()


class TensorBoardTracker(Tracker):
    """Event files in the run's folder ``tensorboard/``; rows past a checkpoint are purged on resume."""

    def __init__(self, folder: Path, step: int) -> None:
        require("tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        make: Any = SummaryWriter
        self.writer = make(str(folder / "tensorboard"), purge_step=step or None)

    def log(self, metrics: dict[str, Any], step: int) -> None:
        for name, value in metrics.items():
            if isinstance(value, int | float):
                self.writer.add_scalar(name, value, step)

    def finish(self, table: dict[str, dict[str, float]], plots: Path) -> None:
        for name, value in flatten(table).items():
            self.writer.add_scalar(f"result/{name}", value, 0)

    def close(self) -> None:
        self.writer.close()


def choose(name: str) -> str:
    """The tracker that a configuration's word means here, checked to be installed.

    Raises:
        UserError: it is asked for and missing.
    """
    if name == "auto":
        return "wandb" if importlib.util.find_spec("wandb") else "none"
    if name != "none" and not importlib.util.find_spec(name):
        raise missing(name)
    return name


def make_tracker(options: RunOptions, folder: Path, config: dict[str, Any], run_id: str, step: int) -> Tracker:
    """The tracker of a run.

    Args:
        folder: The run folder, where it may write.
        config: The run's configuration, nested.
        run_id: Stays the same when the run is resumed.
        step: Updates done so far.
    """
    kind = choose(options.tracker)
    if kind == "wandb":
        return WandbTracker(options, folder, config, run_id)
    if kind == "tensorboard":
        return TensorBoardTracker(folder, step)
    return Tracker()


def require(package: str) -> Any:
    """Import an optional package.

    Raises:
        UserError: it is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise missing(package) from error


def missing(package: str) -> UserError:
    """The error for an optional package that is not there."""
    return UserError(
        f"the tracker {package!r} is not installed: {install_extra(package)}, or choose --run.tracker none"
    )


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Nested numbers under names joined by ``/``."""
    flat: dict[str, float] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}/")
        elif isinstance(value, int | float):
            flat[f"{prefix}{key}"] = value
    return flat
