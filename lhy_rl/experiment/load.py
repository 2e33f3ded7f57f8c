"""``lhy_rl.load``: an agent from whatever holds one, a run's folder, one of its checkpoints or a saved file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lhy_rl.agents.common import saved
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.registry import names_from_a_file
from lhy_rl.experiment import build
from lhy_rl.experiment.config import Config
from lhy_rl.experiment.run_folder import Checkpoints, RunFolder
from lhy_rl.rollouts.vector_envs import Environment

if TYPE_CHECKING:
    from lhy_rl.agents.common.agent import Agent

WHICH = ("best", "newest")


def load(
    path: str | os.PathLike[str],
    env: Environment | None = None,
    device: str = "auto",
    checkpoint: str = "newest",
    **options: Any,
) -> Agent:
    """The agent that was trained, to predict or to learn on: ``agent = lhy_rl.load("runs/ppo-cartpole")``.

    Args:
        path: A run's folder, a checkpoint in it, or a file that ``agent.save`` wrote.
        env: Like the one it learned in; None makes that which the run or the file names.
        device: ``auto`` (a GPU where there is one and the networks are large), ``cpu``, ``cuda``, ...
        checkpoint: Of a run's folder: ``newest`` or ``best``.
        **options: Of the agent's constructor, those that change.

    Raises:
        UserError: no agent there, damaged, or of other spaces.
    """
    place = Path(path)
    if place.is_dir():
        run = RunFolder(place)
        if checkpoint not in WHICH:
            raise suggest(checkpoint, WHICH, "checkpoint")
        tree = Checkpoints(run.checkpoints).load(checkpoint)
        if tree is None:
            raise UserError(f"{str(place)!r} has no checkpoints; lhy-rl resume {place} trains the run anew")
        return _of_run(run, tree, env, device, options)
    place = archive.zipped(place)
    found = saved.read(place)
    if found is not None:
        agent: Agent = saved.class_of(found.kind).load(place, env, device, **options)
        return agent
    folder = place.absolute().parent.parent
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{str(place)!r} is a checkpoint of a run, whose config.yaml is not beside its folder")
    return _of_run(RunFolder(folder), archive.read(place), env, device, options)


def _of_run(
    run: RunFolder, tree: dict[str, Any], env: Environment | None, device: str, options: dict[str, Any]
) -> Agent:
    """The agent of a run's configuration, as a checkpoint has it; torch's threads stay as they are."""
    agent = _untrained(run, env, device, options)
    agent.load_state_dict(tree["agent"])
    return agent


def _untrained(run: RunFolder, env: Environment | None, device: str, options: dict[str, Any]) -> Agent:
    config = run.config()
    changed = {"agent": config.values["agent"] | options, "device": device, "threads": None}
    config = Config(config.name, config.values | changed)
    made: Any = build.make_environment(config) if env is None else env
    with names_from_a_file():
        agent: Agent = build.make_agent(config, made)
    return agent


def load_untrained(path: str | os.PathLike[str], env: Environment | None = None, device: str = "auto") -> Agent:
    """The agent of a run as it was before it learned anything: the same seed, the same first weights.

    Raises:
        UserError: no run there.
    """
    return _untrained(RunFolder(Path(path)), env, device, {})
