"""The file of an agent: its class, options, spaces and state. The ``load`` of its class reads it."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import gymnasium as gym
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.registry import names_from_a_file, place_of, registered
from lhy_rl.core.saved_states import check_like, fitting
from lhy_rl.data import spaces
from lhy_rl.nn.encoders.select import is_place
from lhy_rl.nn.generative.saved_encoder import in_policy
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.vector_envs import Environment

FOR_LEARNING = {"demonstrations", "expert", "reward_model"}  # options that an agent can predict without
PLAIN = (str, int, float, list, tuple, dict, type(None))


class Savable(Protocol):
    """The parts of an agent that are written to its file."""

    hyperparameters: dict[str, Any]
    schedules: dict[str, Any]
    env_id: str | None
    env: VectorEnv[Any, Any, Any]
    policy: ActorCritic

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


A = TypeVar("A", bound=Savable)


@dataclass(frozen=True)
class SavedAgent:
    """The contents of an agent's file.

    Attributes:
        kind: Name of its class.
        options: Those options of its constructor that are plain values.
        left_out: Names of the options that are not (demonstrations, functions, classes).
        env_id: The id that the agent was made with; None where it was given an environment.
        spaces: Observation and action space of one instance; None in files of lhy_rl before 0.2.
        num_envs: Instances that it learned from.
        state: Its ``state_dict``.
    """

    kind: str
    options: dict[str, Any]
    left_out: list[str]
    env_id: str | None
    spaces: tuple[gym.Space[Any], gym.Space[Any]] | None
    num_envs: int
    state: dict[str, Any]


def write(agent: Savable, path: str | os.PathLike[str]) -> None:
    """Save an agent; missing folders are created, as in Stable-Baselines3."""
    place = archive.zipped(path)
    content = {**about(agent), "state": agent.state_dict()}
    place.parent.mkdir(parents=True, exist_ok=True)
    archive.write(place, content)


def about(agent: Savable) -> dict[str, Any]:
    """The contents of an agent's file besides its state: what is needed to construct the agent again."""
    named = _without_file(_classes_named(agent.hyperparameters), agent.policy)
    options = {name: value for name, value in named.items() if isinstance(value, PLAIN)}
    return {
        "agent": type(agent).__name__,
        "options": options,
        "left_out": sorted((agent.hyperparameters.keys() - options.keys()) | agent.schedules.keys()),
        "env_id": agent.env_id,
        "spaces": [spaces.to_json(agent.env.single_observation_space), spaces.to_json(agent.env.single_action_space)],
        "num_envs": agent.env.num_envs,
    }


def read(path: str | os.PathLike[str]) -> SavedAgent | None:
    """Read a file that :func:`write` wrote; None for a checkpoint of a run.

    Raises:
        UserError: the file is neither, or damaged.
    """
    path = archive.zipped(path)
    tree = archive.read(path)
    if isinstance(tree, dict) and "format" in tree and isinstance(tree.get("agent"), dict):
        return None
    if not isinstance(tree, dict) or not isinstance(tree.get("agent"), str):
        raise UserError(f"{str(path)!r} is an archive of lhy_rl, but holds no agent; agent.save writes one")
    with fitting(f"{str(path)!r} is not an agent of this version of lhy_rl"):
        check_like(tree, {"options": {}, "state": {}})
        check_like(tree, {"env_id": ""} if tree.get("env_id") is not None else {})
        known = tree.get("spaces")
        return SavedAgent(
            tree["agent"],
            dict(tree["options"]),
            list(map(str, tree.get("left_out", []))),
            tree.get("env_id"),
            None if known is None else (spaces.from_json(known[0]), spaces.from_json(known[1])),
            int(tree.get("num_envs", 1)),
            tree["state"],
        )


def load(
    kind: type[A], path: str | os.PathLike[str], env: Environment | None, device: str, options: dict[str, Any]
) -> A:
    """Load an agent from a file or a run; see :meth:`lhy_rl.agents.common.agent.Agent.load`."""
    found = None if (Path(path) / "config.yaml").is_file() else read(path)
    if found is None:
        import lhy_rl  # its ``load`` reads runs, too

        loaded = lhy_rl.load(path, env, device, **options)
        if type(loaded) is not kind:
            raise UserError(f"{str(path)!r} is a run of {type(loaded).__name__}, not {kind.__name__}")
        return loaded
    if found.kind != kind.__name__:
        raise UserError(f"{str(path)!r} holds {brief(found.kind)}, not {kind.__name__}; lhy_rl.load reads either")
    missing = set(found.left_out) - set(options) - FOR_LEARNING
    for name in sorted(missing & found.options.keys()):  # a schedule: its first value is kept
        value = found.options[name]
        warnings.warn(f"{name} was a function, which a file cannot hold; {value} is used instead", stacklevel=3)
    if missing := missing - found.options.keys():
        raise UserError(
            f"{str(path)!r} was made with {', '.join(sorted(missing))}, which a file cannot hold; pass the same to load"
        )
    if isinstance(env, str):
        registered(env)  # named by who calls, and not by the file: its package is imported
    if env is None:
        env = found.env_id or (SpacesOnly(*found.spaces, found.num_envs) if found.spaces else None)
    if env is None:
        raise UserError(f"{str(path)!r} does not name its environment; give it: {kind.__name__}.load(path, env)")
    make: Callable[..., A] = kind
    try:
        with names_from_a_file(), fitting(f"{str(path)!r} holds a {kind.__name__} that cannot be rebuilt here"):
            agent = make(env, **{**found.options, **options, "device": device})
    except UserError as error:
        hint = "; the file does not name its environment: pass one to load" if isinstance(env, SpacesOnly) else ""
        raise UserError(f"{error}{hint}") from error
    try:
        agent.load_state_dict(found.state)
    except UserError as error:
        if why := _other_spaces(found, agent.env):
            hint = "pass load an environment with the agent's spaces"
            raise UserError(f"{str(path)!r} was saved with other spaces: {why}; {hint}") from error
        raise
    return agent


def _other_spaces(found: SavedAgent, env: VectorEnv[Any, Any, Any]) -> str | None:
    """How an agent's spaces differ from an environment's, in words; None where they are equal."""
    if found.spaces is None:
        return None
    pairs = zip(("observations", "actions"), found.spaces, spaces.spaces_of(env), strict=True)
    return next((f"{what}, {why}" for what, one, other in pairs if (why := spaces.difference(one, other))), None)


def class_of(kind: str) -> Any:
    """The registered agent whose class has that name.

    Raises:
        UserError: there is none.
    """
    from lhy_rl.agents import agents

    return agents.get(name_of(kind))


def name_of(kind: str) -> str:
    """The name under which the agent whose class has that name is registered.

    Raises:
        UserError: there is none.
    """
    from lhy_rl.agents import agents

    for name in agents.names():
        if agents.place(name).endswith(f":{kind}"):
            return name
    raise UserError(f"no agent {brief(kind)} is registered; load it with its own class")


def _classes_named(options: dict[str, Any]) -> dict[str, Any]:
    """The options, with ``"module:Class"`` in place of each class, also inside options that are dicts."""
    named = {k: _classes_named(v) if isinstance(v, dict) else v for k, v in options.items()}
    return {k: place_of(v) if inspect.isclass(v) else v for k, v in named.items()}


def _without_file(options: dict[str, Any], policy: ActorCritic) -> dict[str, Any]:
    """The options, with the file of a saved encoder replaced by the encoder's architecture: its weights are in the
    agent's state, so the file is not needed again."""
    found = in_policy(policy) if is_place(options.get("encoder")) else None
    if found is None:
        return options
    further = {**(options.get("encoder_options") or {}), "architecture": found.architecture}
    return {**options, "encoder": "saved", "encoder_options": further}


class SpacesOnly(VectorEnv[Any, Any, Any]):
    """Placeholder for a missing environment, with its spaces only. An agent in it can predict, but not learn.

    Args:
        observation_space, action_space: The spaces of one instance.
        num_envs: Instances that the absent environment had.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
    is_absent = True
    name = "no environment"

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any], num_envs: int) -> None:
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = observation_space, action_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)

    def __str__(self) -> str:
        return "none (the agent was loaded without one)"

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        raise UserError("this agent was loaded without an environment; give it one: load(path, env), or set_env(env)")

    def step(self, actions: Any) -> Any:
        return self.reset()
