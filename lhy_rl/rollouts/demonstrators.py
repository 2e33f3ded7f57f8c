"""Who can act in an environment while demonstrations are recorded."""

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

MOST_INSTANCES = 8  # that step at once


@dataclass(frozen=True)
class Demonstrator:
    """Somebody who acts in an environment.

    Attributes:
        env: The vector environment, to be closed by whoever records.
        act: Who acts.
        expert: What the demonstrations call that one.
        env_id: What they call the environment.
    """

    env: VectorEnv[Any, Any, Any]
    act: Act
    expert: str
    env_id: str


def of_environment(
    env_id: str, episodes: int, seed: int, env_options: dict[str, Any] | None = None, random: bool = False
) -> Demonstrator:
    """A random policy, or the expert that an environment has itself.

    Args:
        episodes: How many will be recorded.
        seed: Seed of the random policy.
        env_options: Options of the environment that differ from those of its id.

    Raises:
        UserError: options that the environment does not take, or it has no expert.
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
        f"{env_id} has no expert of its own (those of {', '.join(EXPERTS)} and some of ours have); give a run folder "
        "or a zip with --env, or --random or --keyboard"
    )


def trained_policy(policy: Any, deterministic: bool, masks: bool) -> Act:
    """Whatever has ``predict``.

    Args:
        masks: It takes ``action_masks``, as our agents do.
    """

    def act(obs: Any, state: Any, start: np.ndarray, action_mask: np.ndarray | None) -> tuple[Any, Any]:
        more = {"action_masks": np.stack(list(action_mask))} if masks and action_mask is not None else {}
        actions, memory = policy.predict(obs, state, start, deterministic=deterministic, **more)
        return actions, memory

    return act


def make_few(env_id: str, episodes: int, env_options: dict[str, Any] | None = None) -> VectorEnv[Any, Any, Any]:
    """A few instances side by side, no more than episodes are wanted.

    Raises:
        UserError: options that the environment does not take.
    """
    n = min(MOST_INSTANCES, episodes)
    env: VectorEnv[Any, Any, Any] = made(env_id, lambda: make_vec(env_id, n, **(env_options or {})))
    return env


def made(env_id: str, constructor: Callable[[], Any]) -> Any:
    """What the constructor makes; one line says why it does not."""
    try:
        return constructor()
    except TypeError as error:  # an option that it has not
        raise UserError(f"{env_id} refuses its options: {' '.join(str(error).split())}") from error
    except gym.error.DeprecatedEnv as error:
        raise UserError(" ".join(str(error).split())) from error


def own_expert(env: VectorEnv[Any, Any, Any]) -> Callable[[], np.ndarray] | None:
    """What says which actions are right in the present states (:class:`~lhy_rl.core.protocols.ScriptedExpert`).

    It is the environment itself, or all those that it is made of; None where they do not know.
    """
    whole = env.unwrapped
    parts: list[Any] = [whole]
    if not isinstance(whole, ScriptedExpert):
        parts = [part.unwrapped for part in whole.envs] if isinstance(whole, SyncVectorEnv) else []
        if not parts or not all(isinstance(part, ScriptedExpert) for part in parts):
            return None
    return lambda: np.concatenate([np.asarray(part.expert_action()) for part in parts])
