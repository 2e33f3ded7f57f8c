"""Makes the vector environment that an agent learns in from an id, an environment or a callable."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.registry import spec_of
from lhy_rl.envs.game import BatchedGame
from lhy_rl.envs.registration import GAMES
from lhy_rl.interop.final_observations import keep_final_observations
from lhy_rl.rollouts.sync_vector_env import SameStepVectorEnv

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    Environment = str | gym.Env[Any, Any] | VectorEnv[Any, Any, Any] | VecEnv | Callable[[], gym.Env[Any, Any]]
else:
    Environment = Any


def make_vector_env(env: Environment, num_envs: int) -> VectorEnv[Any, Any, Any]:
    """A vector environment from an id, an environment or a callable.

    Texts in its Dict observations are left out with a warning.

    Raises:
        UserError: The id is unknown, or ``env`` is no environment.
    """
    made = _make(env, num_envs)
    keep_final_observations(made)
    return without_texts(made)


def _make(env: Environment, num_envs: int) -> VectorEnv[Any, Any, Any]:
    if isinstance(env, VectorEnv):
        return env
    sb3 = sys.modules.get("stable_baselines3.common.vec_env")  # Stable-Baselines3 need not be installed
    if sb3 is not None and isinstance(env, sb3.VecEnv):
        from lhy_rl.interop.sb3 import from_sb3

        return from_sb3(env)
    if isinstance(env, gym.Env):
        return SameStepVectorEnv([lambda: env])
    if _is_game(env):
        raise UserError(
            f"{brief(env)} is a game of several players, which only SelfPlay can train in; other agents play against a "
            "partner in lhy_rl/NegotiationVsBot-v0 and in environments of lhy_rl.envs.game_versus.VersusPartner"
        )
    if isinstance(env, str):
        try:
            return make_vec(env, num_envs)
        except gym.error.UnregisteredEnv as error:
            raise UserError(f"unknown environment {env!r}: {' '.join(str(error).split())}") from error
    if callable(env):
        return SameStepVectorEnv([partial(_one, env)] * num_envs)
    allowed = "an id, an Env, a VectorEnv, a VecEnv of Stable-Baselines3, a callable that makes an Env"
    raise UserError(f"{brief(env)} is not an environment; allowed: {allowed}")


def _is_game(env: Any) -> bool:
    """Whether this is a game of ours or PettingZoo's, a class of either, or the id of one of ours."""
    pettingzoo = sys.modules.get("pettingzoo.utils.env")  # imported by whoever has one of its environments
    kinds = (BatchedGame,) if pettingzoo is None else (BatchedGame, pettingzoo.AECEnv, pettingzoo.ParallelEnv)
    return issubclass(env if inspect.isclass(env) else type(env), kinds) or any(row.id == env for row in GAMES)


def _one(make: Callable[[], Any]) -> Any:
    """The environment that a callable makes; raises unless it is a single one."""
    made = make()
    if isinstance(made, VectorEnv):
        raise UserError(
            f"{brief(make)} makes a vector environment, {brief(made)}; a callable must make a single one: give the "
            "vector environment itself"
        )
    if not hasattr(made, "step"):
        raise UserError(f"{brief(make)} makes {brief(made)}, which is not an environment; a callable must make an Env")
    return made


def make_vec(env_id: str, num_envs: int, /, **options: Any) -> VectorEnv[Any, Any, Any]:
    """As ``gymnasium.make_vec``, in same-step autoreset mode where the environment has it.

    Args:
        env_id: The id; a module to import may stand before it, ``module:id``.
        options: Options of the environment.
    """
    spec = spec_of(env_id)
    name = spec.id
    if spec.vector_entry_point is None:
        made = SameStepVectorEnv([lambda: gym.make(name, **options)] * num_envs)
        made.spec = spec
        return made
    entry = spec.vector_entry_point
    constructor = load_env_creator(entry) if isinstance(entry, str) else entry
    if "autoreset_mode" in inspect.signature(constructor).parameters:
        options = {"autoreset_mode": AutoresetMode.SAME_STEP, **options}
    return gym.make_vec(name, num_envs=num_envs, **options)


def one_by_one(env: VectorEnv[Any, Any, Any]) -> VectorEnv[Any, Any, Any] | None:
    """An environment from ``gymnasium.make_vec``, made again as single instances; None without a spec or if wrapped."""
    spec = env.spec
    if spec is None or env is not env.unwrapped:  # a wrapper's effect is unknown
        return None
    options = {key: value for key, value in spec.kwargs.items() if key not in ("num_envs", "vectorization_mode")}
    return SameStepVectorEnv([lambda: gym.make(spec.id, **options)] * env.num_envs)


def without_texts(env: VectorEnv[Any, Any, Any]) -> VectorEnv[Any, Any, Any]:
    """The environment without the texts in its Dict observations (Minigrid's ``mission``), which no encoder reads."""
    space = env.single_observation_space
    if not isinstance(space, gym.spaces.Dict):
        return env
    kept = [key for key, part in space.spaces.items() if part.dtype is None or part.dtype.kind != "U"]
    left_out = sorted(set(space.spaces) - set(kept))
    if not left_out or not kept:
        return env
    warnings.warn(
        f"{', '.join(map(repr, left_out))} of the observations is text, which no encoder reads: the policy does not "
        f"see it. gymnasium.wrappers.FilterObservation(env, {kept}) silences this warning",
        stacklevel=2,
    )
    return Selected(env, kept)


class Selected(VectorWrapper[Any, Any, Any, Any, Any]):
    """Keeps some keys of Dict observations, in every autoreset mode.

    Args:
        env: An environment with Dict observations.
        keys: The keys to keep.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], keys: list[str]) -> None:
        super().__init__(env)
        space = env.single_observation_space
        assert isinstance(space, gym.spaces.Dict)
        self.keys = keys
        self.single_observation_space = gym.spaces.Dict({key: space.spaces[key] for key in keys})
        self.observation_space = batch_space(self.single_observation_space, env.num_envs)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        obs, infos = self.env.reset(seed=seed, options=options)
        return self._select(obs), infos

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        obs, rewards, terminated, truncated, infos = self.env.step(actions)
        if "final_obs" in infos:
            infos["final_obs"] = self._select(infos["final_obs"])
        return self._select(obs), rewards, terminated, truncated, infos

    def _select(self, obs: Any) -> Any:
        """The kept keys of a dict, or of each dict in an array of dicts and Nones."""
        if isinstance(obs, dict):
            return {key: obs[key] for key in self.keys}
        selected = np.empty(len(obs), object)
        selected[:] = [None if one is None else self._select(one) for one in obs]
        return selected
