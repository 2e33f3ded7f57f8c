"""The environment and the agent of a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lhy_rl.core.errors import UserError
from lhy_rl.core.registry import names_from_a_file
from lhy_rl.data.spaces import difference, spaces_of, without_texts
from lhy_rl.experiment.config import Config, environment_options
from lhy_rl.experiment.demonstrations import RECORDED, resolve_demonstrations
from lhy_rl.experiment.run_folder import Checkpoints, RunFolder
from lhy_rl.experiment.schema import agent_class
from lhy_rl.experiment.scorers import scorer_of

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

    from lhy_rl.agents.common.agent import Agent
    from lhy_rl.data.demonstrations import Demonstrations

ENCODER = "encoder.zip"  # a run's own copy of its initial encoder
MOST_THREADS = 1024  # more than any machine has cores; a million would crash the process


def make_environment(config: Config, num_envs: int | None = None, **changed: Any) -> VectorEnv[Any, Any, Any]:
    """The vector environment, resetting in the same step.

    Args:
        num_envs: Number of instances; None takes the agent's ``num_envs``.
        **changed: Options that replace the configuration's.
    """
    from lhy_rl.rollouts.game_sources import is_game, make_games
    from lhy_rl.rollouts.vector_envs import make_vec

    env_id = config.values["env"]["id"]
    options = environment_options(config) | changed
    limit = options.get("max_episode_steps")
    if limit is not None and limit < 1:
        raise UserError(f"env.max_episode_steps is {limit}; it must be at least 1")
    if "scorer" in options:
        options["scorer"] = scorer_of(options["scorer"], options.get("reward"), trained)
    n = num_envs if num_envs is not None else int(config.values["agent"].get("num_envs", 1))
    if n < 1:
        raise UserError(f"agent.num_envs is {n}; it must be at least 1")
    return make_games(env_id, n, **options) if is_game(env_id) else make_vec(env_id, n, **options)


def held_out(config: Config) -> dict[str, Any]:
    """Options that give episodes held out from training; empty if the environment holds nothing out."""
    from lhy_rl.envs.registration import TABLE

    given = config.values["env"]
    (options,) = [row.held_out for row in TABLE if row.id == given["id"]] or [{}]
    found = {}
    for name, value in options.items():
        trained_on = given.get(name)
        if not isinstance(value, dict):
            found[name] = value
        elif isinstance(trained_on, str) and trained_on in value:
            found[name] = value[trained_on]
    return found if any(given.get(name) != value for name, value in found.items()) else {}


def make_agent(config: Config, env: VectorEnv[Any, Any, Any], demonstrations: Demonstrations | None = None) -> Any:
    """The agent on that environment, untrained.

    Args:
        demonstrations: The configuration's demonstrations, if they have been read already; None reads (or records)
            them.

    Raises:
        UserError: the agent refuses the value of an option.
    """
    values = config.values
    threads = values["threads"]
    if threads is not None:
        import torch

        if not 1 <= threads <= MOST_THREADS:
            raise UserError(f"threads is {threads}; it must be 1 to {MOST_THREADS}")
        torch.set_num_threads(threads)
    if values["total_timesteps"] is None or values["total_timesteps"] < 1:
        raise UserError(f"total_timesteps is {values['total_timesteps']}; it must be at least 1")
    if values["seed"] < 0:
        raise UserError(f"seed is {values['seed']}; it must be 0 or more")
    agent = agent_class(values["agent"]["name"])
    from lhy_rl.rollouts.games import Games

    if isinstance(env, Games) and not hasattr(agent, "play_evaluation"):
        raise UserError(f"{values['env']['id']} is a game of several players; agent.name must be selfplay")
    options = config.section("agent")
    place = encoder_place(config)
    if place is not None:
        options["encoder"] = str(place)
    if demonstrations is None and options.get("demonstrations") in RECORDED:
        demonstrations = resolve_demonstrations(config, env)
    if demonstrations is not None:
        options["demonstrations"] = demonstrations
    return agent(env, seed=values["seed"], device=values["device"], **options)


def trained(run: RunFolder, checkpoint: str = "newest", device: str = "auto", **changed: Any) -> Agent:
    """Load the agent of a run from a checkpoint, in its environment; torch's number of threads is not changed.

    Args:
        checkpoint: ``newest`` or ``best``.
        **changed: As :func:`untrained` takes them.

    Raises:
        UserError: the run has no readable checkpoint.
    """
    tree = Checkpoints(run.checkpoints).load(checkpoint)
    if tree is None:
        raise UserError(f"{str(run.path)!r} has no checkpoints; lhy-rl resume {run.path} trains the run again")
    with in_an_environment_like_its_own(run, changed.get("env")):
        agent = untrained(run, device, **changed)
        agent.load_state_dict(tree["agent"])
    return agent


@contextmanager
def in_an_environment_like_its_own(run: RunFolder, env: Any) -> Iterator[None]:
    """A context in which an error that is due to an environment with other spaces than the run's names the two spaces.

    Args:
        env: The environment given in place of the run's; None if none was given.

    Raises:
        UserError: the original error, or in its place one that names the spaces that differ.
    """
    try:
        yield
    except UserError as error:
        if env is None:
            raise
        config = run.config()
        try:
            pairs = zip(*map(spaces_of, (make_environment(config, 1), env)), strict=True)
            others = [why for one, other in pairs if (why := difference(without_texts(one), without_texts(other)))]
        except UserError:  # one of the two cannot be made: the original error says more
            others = []
        if not others:
            raise
        trained_in = config.values["env"]["id"]
        raise UserError(f"{str(run.path)!r} was trained in {trained_in}, whose spaces differ: {others[0]}") from error


def untrained(
    run: RunFolder,
    device: str = "auto",
    env: Any = None,
    options: dict[str, Any] | None = None,
    env_options: dict[str, Any] | None = None,
) -> Agent:
    """The agent of a run in its untrained state; torch's number of threads is not changed.

    Args:
        env: An environment like the run's; None makes the run's.
        options: Options of the agent that change.
        env_options: Options of the environment that change, where it is made.
    """
    config = run.config()
    values = {"agent": config.values["agent"] | (options or {}), "device": device, "threads": None}
    config = replace(config, values=config.values | values)
    made = make_environment(config, **(env_options or {})) if env is None else env
    with names_from_a_file():
        agent: Agent = make_agent(config, made)
    return agent


def encoder_place(config: Config) -> Path | None:
    """The file, or the run folder, of the policy's initial encoder; None where the encoder is chosen by name.

    A path is looked for beside the configuration's file, then in the working directory.
    """
    from lhy_rl.nn.encoders.select import is_place

    given = config.values["agent"].get("encoder")
    if not is_place(given):
        return None
    beside = Path(config.name).parent / given
    return beside if config.name.endswith((".yaml", ".yml")) and beside.exists() else Path(given)


def copy_encoder(config: Config, folder: Path) -> None:
    """Copy such an encoder into a run's folder, so that the original may be deleted."""
    place = encoder_place(config)
    if place is not None:
        from lhy_rl.core import archive
        from lhy_rl.nn.generative.saved_encoder import excerpt

        archive.write(folder / ENCODER, excerpt(place))


def with_own_encoder(config: Config) -> Config:
    """The configuration with the path of that copy, as it is stored in the run's folder."""
    if encoder_place(config) is None:
        return config
    return replace(config, values=config.values | {"agent": config.values["agent"] | {"encoder": ENCODER}})
