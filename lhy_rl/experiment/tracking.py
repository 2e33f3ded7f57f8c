"""Logging of a run's metrics: always to metrics.csv, optionally to Weights & Biases or TensorBoard.

``metrics.csv`` has one row per update and one column per metric; columns are added as they appear.
"""

from __future__ import annotations

import contextlib
import csv
import importlib
import importlib.util
import io
import os
import warnings
from pathlib import Path
from typing import Any

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, install_extra, suggest
from lhy_rl.experiment.schema import RunOptions

ONLINE = ("online", "run", "shared")  # modes of wandb that need a login and a network
MODES = (*ONLINE, "offline", "dryrun", "disabled")
LATER = "the run is kept offline in its folder; wandb sync uploads it"
PATIENCE = 5.0  # seconds to wait for wandb's server before a run begins
Value = float | int | str


class MetricsFile:
    """A table on disk that grows in both directions and can be truncated to a checkpoint.

    A row is appended and flushed at once. A new column rewrites the file atomically.

    Args:
        path: The CSV file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: list[str] = []
        self.rows = 0

    def write(self, row: dict[str, Value]) -> None:
        """Append a row; missing cells stay empty."""
        new = [name for name in row if name not in self.columns]
        if new:
            old = read_metrics(self.path) if self.rows else []
            self.columns += new
            self._rewrite([*old, {name: cell(value) for name, value in row.items()}])
        else:
            with archive.naming(self.path), open(self.path, "a", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerow([cell(row.get(name)) for name in self.columns])
        self.rows += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the header and the number of rows, for a checkpoint; the rows are flushed to disk."""
        if self.path.exists():
            with open(self.path, "rb") as file:
                os.fsync(file.fileno())
        return {"columns": list(self.columns), "rows": self.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Truncate the file to what it was at the checkpoint: later rows and columns are dropped."""
        columns = [str(name) for name in state["columns"]]
        rows = read_metrics(self.path)[: state["rows"]] if self.path.exists() else []
        self.columns, self.rows = columns, len(rows)
        if self.columns:
            self._rewrite(rows)
        else:
            self.path.unlink(missing_ok=True)

    def _rewrite(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([row.get(name, "") for name in self.columns] for row in rows)
        archive.write_bytes(self.path, text.getvalue().encode())


def cell(value: Value | None) -> str:
    """A value as text from which the same number is read again."""
    return "" if value is None else repr(float(value)) if isinstance(value, float) else str(value)


def read_metrics(path: Path) -> list[dict[str, str]]:
    """The rows of a metrics file, cells as text; an incomplete last line is left out."""
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    rows = list(csv.DictReader(io.StringIO(whole, newline="")))
    return [{name: text for name, text in row.items() if name is not None} for row in rows]  # cells beyond the head


def metric_columns(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Metric name to ``(row number, value)`` of its numeric cells."""
    found: dict[str, list[tuple[int, float]]] = {}
    for number, row in enumerate(read_metrics(path)):
        for name, text in row.items():
            try:
                found.setdefault(name, []).append((number, float(text)))
            except (TypeError, ValueError):
                continue
    return found


class Tracker:
    """Does nothing: the choice ``none``, and the interface of the others."""

    def log(self, metrics: dict[str, Any], step: int) -> None:
        """Log the metrics of one update."""

    def finish(self, table: dict[str, dict[str, float]], plots: Path) -> None:
        """Log the result of the complete run.

        Args:
            table: The final evaluation: row to metric to value.
            plots: The folder of its pictures and its film; it need not be there.
        """

    def close(self) -> None:
        """Close the tracker; this process logs nothing more."""


class WandbTracker(Tracker):
    """A Weights & Biases run: offline unless the user is logged in or sets WANDB_MODE (:func:`wandb_mode`)."""

    def __init__(self, options: RunOptions, folder: Path, config: dict[str, Any], run_id: str) -> None:
        wandb = require("wandb")

        def begin(mode: str) -> Any:
            return wandb.init(
                project=options.project,
                name=folder.name,
                id=run_id,
                resume="allow",
                dir=str(folder.resolve()),  # wandb's service may have been started in another folder
                config=config,
                mode=mode,
                settings=wandb.Settings(silent=True, console="off"),
            )

        mode = wandb_mode()
        try:
            self.run = begin(mode)
        except Exception as error:  # such as a refused key, or a network that was lost meanwhile
            if mode not in ONLINE:
                raise UserError(
                    f"wandb cannot write its run: {_line(error)}; --run.tracker none trains without it"
                ) from error
            warnings.warn(f"wandb: {_line(error)}; {LATER}", stacklevel=2)
            self.run = begin("offline")

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


def wandb_mode() -> str:
    """Return WANDB_MODE where it is set, else online for users who are logged in and have a network, else offline.

    Raises:
        UserError: WANDB_MODE is no mode, or it asks for an online run, which is impossible.
    """
    asked = os.environ.get("WANDB_MODE", "")
    if asked and asked not in MODES:
        raise suggest(asked, MODES, "WANDB_MODE")
    if asked and asked not in ONLINE:
        return asked
    wandb, reason = require("wandb"), ""
    try:
        wandb.setup(settings=wandb.Settings(silent=True))
        with contextlib.redirect_stderr(io.StringIO()):  # wandb warns after any other run, also a disabled one
            logged_in = wandb.login(prompt=False, verify=False)
        if logged_in:
            _reach(wandb.setup().settings.base_url)
        elif asked:
            reason = "you are not logged in (wandb login)"
        else:
            return "offline"
    except Exception as error:  # a key or a setting that wandb refuses, or no way to its server
        reason = _line(error)
    if asked and reason:
        instead = "set WANDB_MODE=offline to keep the run on disk, or --run.tracker none to do without"
        raise UserError(f"WANDB_MODE is {asked}, but {reason}; {instead}")
    if reason:
        warnings.warn(f"wandb: {reason}; {LATER}", stacklevel=2)
    return "offline" if reason else asked or "online"


def _reach(url: str) -> None:
    """Raise a ConnectionError if no server answers; any answer will do."""
    import requests  # a dependency of wandb; it handles proxies

    try:
        requests.head(url, timeout=PATIENCE)
    except requests.RequestException as error:
        raise ConnectionError(f"{url} does not answer") from error


def _line(error: Exception) -> str:
    """Return the first line of an error of wandb."""
    return str(error).strip().split("\n")[0] or type(error).__name__


def choose(name: str) -> str:
    """Resolve a configuration's tracker name, and check that the tracker is installed.

    Raises:
        UserError: the named tracker is not installed.
    """
    if name == "auto":
        return "wandb" if importlib.util.find_spec("wandb") else "none"
    if name != "none" and not importlib.util.find_spec(name):
        raise missing(name)
    return name


def check(name: str) -> None:
    """Check that a tracker can work, before the run begins.

    Raises:
        UserError: it is not installed, or cannot do what its environment variables require.
    """
    if choose(name) == "wandb":
        wandb_mode()


def make_tracker(options: RunOptions, folder: Path, config: dict[str, Any], run_id: str, step: int) -> Tracker:
    """The tracker of a run.

    Args:
        folder: The run folder, where it may write.
        config: The run's configuration, nested.
        run_id: Id of the run, the same after resuming.
        step: Number of updates so far.
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
    """The error for an optional package that is not installed."""
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
