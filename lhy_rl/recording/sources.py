"""Sources of a recording: a run, a file, an environment with its own expert, or a person at the keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.core.registry import names_from_a_file, spec_of
from lhy_rl.core.trees import map_tree
from lhy_rl.rollouts.demonstrators import MOST_INSTANCES, Demonstrator, made, make_few, of_environment, trained_policy
from lhy_rl.rollouts.record_episodes import Labels, random_policy


@dataclass(frozen=True)
class RecordOptions:
    """Options of a recording: what is recorded, and who acts.

    Attributes:
        who: A run folder, a zip of Stable-Baselines3 or of an lhy_rl agent, or an environment's id, whose own expert
            acts.
        env_id: Id of the environment in which a zip's policy acts.
        env_options: Options of the environment, where its id is given.
        random: Let a random policy act instead.
        keyboard: Let a person act instead.
        keys: The person's keys: ``KEY=ACTION,...``.
        checkpoint: Checkpoint of a run: ``best`` (newest where there is no best) or ``newest``.
        stochastic: Sample the actions of a trained policy instead of taking the most probable ones.
        episodes, seed, noise, labels, min_return: As :func:`lhy_rl.rollouts.record_episodes.record` takes them.
    """

    who: str
    env_id: str | None = None
    env_options: dict[str, Any] | None = None
    random: bool = False
    keyboard: bool = False
    keys: str | None = None
    checkpoint: str = "best"
    stochastic: bool = False
    episodes: int = 20
    seed: int = 0
    noise: float = 0.0
    labels: Labels = "executed"
    min_return: float | None = None

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise UserError(f"--episodes is {self.episodes}; it must be at least 1")
        if self.seed < 0:
            raise UserError(f"--seed is {self.seed}; it must be at least 0")
        if not 0 <= self.noise <= 1:
            raise UserError(f"--noise is {self.noise}; it must lie between 0 and 1")
        if self.random and self.keyboard:
            raise UserError("--random and --keyboard exclude each other")
        if self.keys is not None and not self.keyboard:
            raise UserError("--keys needs --keyboard")


@contextmanager
def open_recording_source(options: RecordOptions, say: Callable[[str], None]) -> Iterator[Demonstrator]:
    """Open the environment and the policy that acts in it; the environment is closed afterwards."""
    path = Path(options.who)
    if options.keyboard:
        with _with_person(options, say) as person:
            yield person
        return
    if path.is_dir():
        source = _of_run(path, options)
    elif path.suffix == ".zip" or path.is_file():
        source = _of_zip(path, options)
    else:
        _refuse(options, "an environment's id", "needs none", allow_options=True)
        _check_registered(options.who)
        source = of_environment(options.who, options.episodes, options.seed, options.env_options, options.random)
    if options.random:
        source = replace(source, act=random_policy(source.env.single_action_space, options.seed), expert="random")
    try:
        yield source
    finally:
        source.env.close()


def _of_run(path: Path, options: RecordOptions) -> Demonstrator:
    from lhy_rl.experiment import build, start_run
    from lhy_rl.experiment.run_folder import RunFolder

    _refuse(options, "a run", "has its own environment")
    which = options.checkpoint
    if which == "best" and not any((RunFolder(path).checkpoints).glob("best*")):
        which = "newest"
    loaded = start_run.load(path, which)
    if loaded.evaluator.is_game:
        raise UserError(
            f"{str(path)!r} plays a game of several players, and demonstrations are of one; lhy-rl play shows it"
        )
    loaded.agent.predict_generator.manual_seed(options.seed)
    env = build.make_environment(loaded.config, min(MOST_INSTANCES, options.episodes))
    values = loaded.config.values
    name = f"{values['agent']['name']}, {path.name}"
    return Demonstrator(
        env, trained_policy(loaded.agent, not options.stochastic, masks=True), name, values["env"]["id"]
    )


def _of_zip(path: Path, options: RecordOptions) -> Demonstrator:
    if not path.is_file():
        raise UserError(f"no file {str(path)!r}")
    ours = archive.is_one(path)
    env_id = options.env_id or (_named_in(path) if ours else None)
    if env_id is None:
        raise UserError(f"{str(path)!r} does not name its policy's environment; give --env ID")
    with nullcontext() if options.env_id else names_from_a_file():
        _check_registered(env_id)
    env = make_few(env_id, options.episodes, options.env_options)
    if ours:
        from lhy_rl.experiment.load import load

        policy: Any = load(path, env)
        policy.predict_generator.manual_seed(options.seed)
    else:
        from lhy_rl.interop.sb3 import load_expert

        policy = load_expert(path, env, seed=options.seed)
    return Demonstrator(env, trained_policy(policy, not options.stochastic, masks=ours), path.name, env_id)


def _named_in(path: Path) -> str | None:
    """The environment that the file of an agent of ours names."""
    from lhy_rl.agents.common import saved

    found = saved.read(path)
    return None if found is None else found.env_id


@contextmanager
def _with_person(options: RecordOptions, say: Callable[[str], None]) -> Iterator[Demonstrator]:
    from lhy_rl.recording import keyboard
    from lhy_rl.recording.rendering import choose_mode, render_modes

    _refuse(options, "an environment's id, which --keyboard needs,", "needs none", allow_options=True)
    if options.noise:
        raise UserError("--noise and --keyboard exclude each other")
    _check_registered(options.who)
    modes = made(options.who, lambda: render_modes(options.who, options.env_options or {}))
    try:
        mode = choose_mode(options.who, modes, filmed=False)
    except UserError:  # neither a screen nor text: the observation's numbers are shown
        mode = None
    env = made(options.who, lambda: gym.make(options.who, render_mode=mode, **(options.env_options or {})))
    bound = keyboard.bindings(env, options.keys)
    vector: VectorEnv[Any, Any, Any] = SyncVectorEnv([lambda: env], autoreset_mode=AutoresetMode.SAME_STEP)

    def show(obs: Any) -> None:
        if mode == "ansi":
            say(str(env.render()))
        elif mode is None:
            say(str(map_tree(lambda x: np.round(x[0], 3), obs)))

    say(keyboard.explained(bound))
    source = nullcontext(keyboard.window_keys()) if mode == "human" else keyboard.typed_keys()
    try:
        with source as keys:
            yield Demonstrator(vector, keyboard.person(keys, bound, show, say), "a person", options.who)
    finally:
        vector.close()


def _check_registered(env_id: str) -> None:
    """Raise a UserError if the id is not registered."""
    try:
        spec_of(env_id)
    except UserError as error:
        raise UserError(f"{env_id!r} is neither a run folder, nor a zip, nor an environment: {error}") from error


def _refuse(options: RecordOptions, what: str, why: str, allow_options: bool = False) -> None:
    if options.env_id is not None:
        raise UserError(f"--env is for a zip; {what} {why}")
    if options.env_options and not allow_options:
        raise UserError(f"--env.NAME is for an environment's id or a zip; {what} {why}")
