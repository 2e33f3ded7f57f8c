"""Demonstrators: the policies that act while demonstrations are recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ScriptedExpert
from lhy_rl.rollouts.record_episodes import Act, random_policy
from lhy_rl.rollouts.scripted_controllers import EXPERTS
from lhy_rl.rollouts.vector_envs import make_vec

MOST_INSTANCES = 8  # stepped side by side


@dataclass(frozen=True)
class Demonstrator:
    """A policy and the environment that it acts in.

    Attributes:
        env: The vector environment; the caller closes it after recording.
        act: The policy.
        expert: The policy's name in the metadata of the demonstrations.
        env_id: The environment's id in the metadata.
    """

    env: VectorEnv[Any, Any, Any]
    act: Act
    expert: str
    env_id: str


def of_environment(
    env_id: str, episodes: int, seed: int, env_options: dict[str, Any] | None = None, random: bool = False
) -> Demonstrator:
    """A random policy, or the environment's own expert.

    Args:
        episodes: Number of episodes that will be recorded.
        seed: Seed of the random policy.
        env_options: Options of the environment that differ from those of its id.

    Raises:
        UserError: The environment does not take these options, or it has no expert.
    """
    env = make_few(env_id, episodes, env_options)
    if random:
        return Demonstrator(env, random_policy(env.single_action_space, seed), "random", env_id)
    own = own_expert(env)
    if own is not None:
        return Demonstrator(env, lambda obs, state, start, masks: (own(), None), "its own expert", env_id)
    if env_id in EXPERTS and not env_options:
        controller = EXPERTS[env_id]()
        return Demonstrator(env, lambda obs, state, start, masks: (controller(obs), None), "a scripted expert", env_id)
    env.close()
    raise UserError(
        f"{env_id} has no expert of its own ({', '.join(EXPERTS)} and some of lhy_rl's have); give a run folder "
        "or a zip with --env, or --random or --keyboard"
    )


def trained_policy(policy: Any, deterministic: bool, masks: bool) -> Act:
    """A trained agent, ours or another, as a policy to record.

    Args:
        policy: An object with a ``predict`` method.
        masks: Whether ``predict`` takes ``action_masks``, as our agents' does.
    """

    def act(obs: Any, state: Any, start: np.ndarray, action_mask: np.ndarray | None) -> tuple[Any, Any]:
        more = {"action_masks": np.stack(list(action_mask))} if masks and action_mask is not None else {}
        actions, memory = policy.predict(obs, state, start, deterministic=deterministic, **more)
        return actions, memory

    return act


def make_few(env_id: str, episodes: int, env_options: dict[str, Any] | None = None) -> VectorEnv[Any, Any, Any]:
    """A vector environment of a few instances, at most one for each episode.

    Raises:
        UserError: The environment does not take these options.
    """
    n = min(MOST_INSTANCES, episodes)
    env: VectorEnv[Any, Any, Any] = made(env_id, lambda: make_vec(env_id, n, **(env_options or {})))
    return env


def made(env_id: str, constructor: Callable[[], Any]) -> Any:
    """The environment that the constructor makes; its failure becomes a one-line error."""
    try:
        return constructor()
    except TypeError as error:  # an unknown option
        raise UserError(f"{env_id} does not accept its options: {' '.join(str(error).split())}") from error
    except gym.error.DeprecatedEnv as error:
        raise UserError(" ".join(str(error).split())) from error


def own_expert(env: VectorEnv[Any, Any, Any]) -> Callable[[], np.ndarray] | None:
    """A function that returns the expert's actions in the current states; None if the environment has no expert.

    The environment or each of its sub-environments must be a :class:`~lhy_rl.core.protocols.ScriptedExpert`.
    """
    whole = env.unwrapped
    parts: list[Any] = [whole]
    if not isinstance(whole, ScriptedExpert):
        parts = [part.unwrapped for part in whole.envs] if isinstance(whole, SyncVectorEnv) else []
        if not parts or not all(isinstance(part, ScriptedExpert) for part in parts):
            return None
    return lambda: np.concatenate([np.asarray(part.expert_action()) for part in parts])
