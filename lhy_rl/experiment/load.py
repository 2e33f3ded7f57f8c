"""``lhy_rl.load``: load an agent from a run's folder, one of its checkpoints or a saved file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lhy_rl.agents.common import saved
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.experiment import build
from lhy_rl.experiment.run_folder import RunFolder
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
    """Load a trained agent, to predict with or to train further: ``agent = lhy_rl.load("runs/ppo-cartpole")``.

    Args:
        path: A run's folder, a checkpoint in it, or a file that ``agent.save`` wrote.
        env: An environment like the one it learned in; None makes the one that the run or the file names.
        device: ``auto`` (a GPU where there is one and the networks are large), ``cpu``, ``cuda``, ...
        checkpoint: Which checkpoint of a run's folder: ``newest`` or ``best``.
        **options: Options of the agent's constructor that change.

    Raises:
        UserError: no agent there, or one that is damaged or has other spaces.
    """
    place = Path(path)
    if place.is_dir():
        run = RunFolder(place)
        if checkpoint not in WHICH:
            raise suggest(checkpoint, WHICH, "checkpoint")
        return build.trained(run, checkpoint, device, env=env, options=options)
    place = archive.zipped(place)
    found = saved.read(place)
    if found is not None:
        agent: Agent = saved.class_of(found.kind).load(place, env, device, **options)
        return agent
    folder = place.absolute().parent.parent
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{str(place)!r} is a checkpoint of a run, but the run's config.yaml is not beside its folder")
    with build.in_an_environment_like_its_own(RunFolder(folder), env):
        agent = build.untrained(RunFolder(folder), device, env, options)
        agent.load_state_dict(archive.read(place)["agent"])
    return agent


def load_untrained(path: str | os.PathLike[str], env: Environment | None = None, device: str = "auto") -> Agent:
    """The agent of a run in its untrained state: the same seed, the same initial weights.

    Raises:
        UserError: there is no run.
    """
    return build.untrained(RunFolder(Path(path)), device, env)
