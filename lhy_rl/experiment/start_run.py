"""Start a new run, resume one from its newest checkpoint, or load one without training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from lhy_rl.agents.common import saved
from lhy_rl.core.errors import UserError
from lhy_rl.experiment import build, run_folder, tracking
from lhy_rl.experiment.config import Config
from lhy_rl.experiment.config import load as load_config
from lhy_rl.experiment.load import load as load_agent
from lhy_rl.experiment.run import Report, Run
from lhy_rl.experiment.run_folder import Checkpoints, RunFolder
from lhy_rl.experiment.schema import RunOptions


def train(config: Config, console: Console | None = None, report: Report | None = None) -> Run:
    """Make a new run and train it to its end.

    Args:
        console: For progress and notes; standard error where left out.
        report: Writes the report, if the configuration asks for one; ``lhy-rl report`` can also write it afterwards.

    Raises:
        UserError: bad input; no folder was made.
        Interrupted: Ctrl-C or SIGTERM.
    """
    run = prepare(config, console)
    run.train(make_folder(run, config), report)
    return run


def prepare(config: Config, console: Console | None = None) -> Run:
    """Check and build a new run, without writing anything to disk."""
    options = RunOptions(**config.section("run"))
    tracking.check(options.tracker)
    run_folder.choose_path(str(options.name), options.folder)  # reports a bad folder before anything is built
    run = Run(Config(config.name, config.values | {"run": config.values["run"] | {"folder": None}}), console)
    run.check()
    return run


def make_folder(run: Run, config: Config) -> RunFolder:
    """Make the folder of a new run, with its configuration and its first checkpoint."""

    def fill(temporary: Path) -> None:
        run.begin()
        build.copy_encoder(run.config, temporary)
        checkpoints = Checkpoints(temporary / "checkpoints")
        checkpoints.save(run.state_dict(), 0)
        size = checkpoints.newest()[0].stat().st_size
        run_folder.check_space(temporary, size * (run.options.keep_checkpoints + 2))  # and the best, and a new one

    own = build.with_own_encoder(run.config)
    return run_folder.create(str(run.options.name), config.values["run"]["folder"], own, fill)


def resume(
    path: Path, console: Console | None = None, total_timesteps: int | None = None, report: Report | None = None
) -> Run | None:
    """Continue a run from its newest readable checkpoint; None where it had already finished.

    Args:
        console, total_timesteps: As for :func:`reopen`.
        report: As for :func:`train`.

    Raises:
        UserError: no such run, another process is at it, or it has as many timesteps already.
        Interrupted: Ctrl-C or SIGTERM.
    """
    run = reopen(path, console, total_timesteps)
    if run is not None:
        run.train(RunFolder(path), report)
    return run


def reopen(path: Path, console: Console | None = None, total_timesteps: int | None = None) -> Run | None:
    """Load a run from its newest readable checkpoint, to continue training; None if it had already finished.

    Args:
        console: For progress and notes; standard error where left out.
        total_timesteps: Train to this total, also a finished run, and write it into the configuration. Schedules over
            the training (such as a linear one) are stretched over the new total: a learning rate that had reached 0
            restarts at (new - old) / new of its initial value.

    Raises:
        UserError: no such run, another process is at it, or it has as many timesteps already.
    """
    place = RunFolder(path)
    if place.result() is not None and total_timesteps is None:
        return None
    config = place.config()
    if total_timesteps is not None:
        config = replace(config, values=config.values | {"total_timesteps": total_timesteps})
    run = Run(config, console)
    run.check()
    run.load(place)
    if total_timesteps is not None:
        if total_timesteps <= run.agent.num_timesteps:
            raise UserError(
                f"--total_timesteps is {total_timesteps:,}, but {str(path)!r} already has {run.agent.num_timesteps:,}; "
                "give a larger total"
            )
        place.prolong(config)
    return run


def load(path: Path, which: str = "newest", console: Console | None = None, env_id: str | None = None) -> Run:
    """Load a run, or the agent of a file as a run, from a checkpoint, without training.

    Args:
        path: The run's folder, or a file that ``agent.save`` wrote.
        which: ``newest`` or ``best``.
        env_id: Where the agent of a file acts; None takes the environment that the file names.

    Raises:
        UserError: no such run, or no such checkpoint; a file that names no environment.
    """
    if path.is_file():
        return of_file(path, console, env_id)
    if env_id is not None:
        raise UserError(f"--env is for the file of an agent; the run {str(path)!r} has its own environment")
    place = RunFolder(path)
    if which == "newest" and not Checkpoints(place.checkpoints).newest():
        raise UserError(f"{str(place.checkpoints)!r} has no checkpoints; lhy-rl resume {path} trains the run again")
    run = Run(place.config(), console)
    run.load(place, which, to_train=False)
    return run


def of_file(path: Path, console: Console | None = None, env_id: str | None = None) -> Run:
    """Load the agent of a file that ``agent.save`` wrote as a run without a folder, to evaluate or to show.

    Args:
        env_id: Where it acts; None takes the environment that the file names.

    Raises:
        UserError: no agent there, or the file names no environment.
    """
    found = saved.read(path)
    if found is None:
        raise UserError(f"{str(path)!r} is a checkpoint; give the folder of its run")
    if env_id is None and found.env_id is None:
        raise UserError(f"{str(path)!r} does not name its agent's environment; give --env ID")
    agent = load_agent(path, env_id)
    values = {"env.id": env_id or found.env_id, "run.name": path.stem}
    return Run(load_config(saved.name_of(found.kind), values), console, agent)
