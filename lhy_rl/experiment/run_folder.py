"""The folder of a run, made in one step and locked while a process writes in it, and its checkpoints."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lhy_rl.core import archive, checkpoint_files
from lhy_rl.core.errors import UserError
from lhy_rl.core.saved_states import check_like
from lhy_rl.experiment.config import Config, load


class RunFolder:
    """A run folder and the files in it.

    Args:
        path: The folder; it must exist.

    Raises:
        UserError: the folder does not exist or holds no run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_file():
            raise UserError(
                f"{str(path)!r} is a file, not a run folder; lhy-rl evaluate, sample and play take an agent's file"
            )
        if not path.is_dir():
            raise UserError(f"no run folder {str(path)!r}; lhy-rl train CONFIG makes one below runs/")
        if not self.config_file.is_file():
            raise UserError(f"{str(path)!r} is not a run: it has no config.yaml")

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def result_file(self) -> Path:
        return self.path / "result.json"

    @property
    def report_file(self) -> Path:
        return self.path / "report.html"

    @property
    def checkpoints(self) -> Path:
        return self.path / checkpoint_files.FOLDER

    def config(self) -> Config:
        """The run's configuration."""
        return load(str(self.config_file))

    def result(self) -> dict[str, Any] | None:
        """Return the result of the finished run, or None."""
        if not self.result_file.is_file():
            return None
        try:
            found = dict(json.loads(self.result_file.read_text(encoding="utf-8")))
            check_like(found, {"table": {}, "samples": {}})
            return found
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(f"{str(self.result_file)!r} is damaged; delete it and resume the run") from error

    def write_json(self, path: Path, value: Any) -> None:
        """Write a JSON file atomically."""
        archive.write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())

    def prolong(self, config: Config) -> None:
        """Give the run a configuration with more timesteps and mark it as unfinished."""
        with self.locked():
            archive.write_bytes(self.config_file, config.dump().encode())
            self.result_file.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing to this run.

        Raises:
            UserError: another process is writing to it.
        """
        handle = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"another process is training in {str(self.path)!r}; wait for it or stop it") from None
            yield
        finally:
            os.close(handle)


def choose_path(name: str, folder: str | None) -> Path:
    """The folder for a new run: the given one, or the first free runs/<name>, runs/<name>-2, ...

    Raises:
        UserError: the given folder is not empty, or cannot be written.
    """
    if folder is not None:
        if not folder:
            raise UserError("run.folder is empty; give a new folder, or null for runs/<name>")
        path = Path(folder)
        if path.exists() and not path.is_dir():
            raise UserError(f"run.folder {folder!r} is a file; give a new folder")
        if path.is_dir() and any(path.iterdir()):
            resume = f"lhy-rl resume {folder} continues it, or " if (path / "config.yaml").exists() else ""
            raise UserError(f"run.folder {folder!r} is not empty; {resume}give a new folder")
    else:
        path, number = Path("runs") / name, 2
        while path.exists():
            path, number = Path("runs") / f"{name}-{number}", number + 1
    parent = path.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise UserError(f"cannot write to {str(parent)!r}; give another place with --run.folder")
    return path


def check_space(place: Path, needed: int) -> None:
    """Check that the disk has room for this many bytes.

    Raises:
        UserError: it has less.
    """
    free = shutil.disk_usage(place).free
    if free < needed:
        raise UserError(
            f"a run's checkpoints need {needed / 1e6:,.1f} MB and {free / 1e6:,.1f} MB are free at "
            f"{str(place.parent)!r}; make room, or give another place with --run.folder"
        )


def create(name: str, folder: str | None, config: Config, fill: Callable[[Path], None]) -> RunFolder:
    """Make a run folder at :func:`choose_path`, completely or not at all.

    Args:
        fill: Writes into the temporary folder that it is given, before that is renamed.
    """
    path = choose_path(name, folder)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"cannot make the run folder {str(path)!r}: {error.strerror}; give another one") from error
    try:
        fill(temporary)
        archive.write_bytes(temporary / "config.yaml", config.dump().encode())
        while not _renamed(temporary, path):
            path = choose_path(name, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return RunFolder(path)


def _renamed(temporary: Path, path: Path) -> bool:
    """Rename, and return whether the name was still free; another run may have begun meanwhile."""
    try:
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


class Checkpoints:
    """The folder ``checkpoints/`` with ``update-<number>.zip`` and ``best.zip``.

    Args:
        folder: Where they are stored; made when the first one is saved.
        keep: How many of the newest are kept.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self.keep = keep

    @property
    def best(self) -> Path:
        """The path of the best checkpoint."""
        return self.folder / "best.zip"

    def newest(self) -> list[Path]:
        """The numbered checkpoints, newest first."""
        return checkpoint_files.newest(self.folder)

    def save(self, tree: Any, update: int, best: bool = False) -> None:
        """Write a checkpoint, atomically, and drop those that are too old.

        Args:
            tree: A tree as :func:`lhy_rl.core.archive.write` takes it.
            update: Number of updates so far, which is the checkpoint's number.
            best: Write ``best.zip`` in place of a numbered one.
        """
        self.folder.mkdir(exist_ok=True)
        archive.write(self.best if best else self.folder / f"update-{update:08d}.zip", tree)
        for old in self.newest()[self.keep :]:
            old.unlink(missing_ok=True)

    def load(
        self, which: str = "newest", warn: Callable[[str], None] = print, set_aside: bool = False
    ) -> dict[str, Any] | None:
        """Load a checkpoint's tree; None if none was ever written.

        Args:
            which: ``newest`` (a damaged one is reported and the next older one taken) or ``best``.
            warn: Called with one line for each damaged checkpoint.
            set_aside: Rename damaged ones, so that they are not read again.

        Raises:
            UserError: there are checkpoints and none can be read.
        """
        if which == "best":
            if not self.best.exists():
                raise UserError(
                    f"{str(self.folder)!r} has no best checkpoint yet (run.evaluation_interval); use newest"
                )
            return _read(self.best)
        candidates = self.newest()
        for path in candidates:
            try:
                return _read(path)
            except UserError as error:
                warn(f"warning: {error}")
                if set_aside:
                    path.replace(path.with_name(path.name + ".damaged"))
        if candidates:
            raise UserError(f"none of the {len(candidates)} checkpoints in {str(self.folder)!r} can be read")
        return None

    def clean(self) -> None:
        """Remove half-written files that a killed run left behind."""
        for path in self.folder.glob(".*.tmp"):
            path.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    tree = archive.read(path)
    if not isinstance(tree, dict):
        raise UserError(f"{str(path)!r} is intact, but does not hold a checkpoint")
    return tree
