"""Converts Gymnasium's vector environments to Stable-Baselines3's and back; loads SB3's policies as experts."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.core.protocols import Snapshot
from lhy_rl.interop.final_observations import keep_final_observations
from lhy_rl.interop.infos import ENDING, row, rows_of_step
from lhy_rl.interop.sb3_experts import SB3Expert, load_expert, save_statistics

__all__ = ["SB3Expert", "from_sb3", "load_expert", "save_statistics", "to_sb3"]

try:
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise UserError(f"stable-baselines3 is not installed; {install_extra('sb3')}") from error


def to_sb3(vector_env: VectorEnv[Any, Any, Any]) -> VecEnv:
    """The vector environment as a ``VecEnv`` of Stable-Baselines3; no copies of the environment are made.

    Episodes begin in the step that ends the last one, as always in SB3, in any autoreset mode: if the environment does
    not do so itself, the adapter resets the instances that have ended. For episode statistics, wrap the result in SB3's
    ``VecMonitor`` or the environment in Gymnasium's ``RecordEpisodeStatistics``.

    Args:
        vector_env: A Gymnasium vector environment.

    Raises:
        UserError: It is no vector environment, or one in mode ``NextStep`` not known to reset single instances.

    Example:
        >>> import gymnasium, lhy_rl
        >>> from stable_baselines3 import PPO
        >>> envs = gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=8, vocabulary_size=20)
        >>> model = PPO("MlpPolicy", to_sb3(envs))
    """
    if not isinstance(vector_env, VectorEnv):
        raise UserError(f"to_sb3 takes a gymnasium vector environment, got {type(vector_env).__name__}; use make_vec")
    base = vector_env.unwrapped
    if isinstance(base, FromSB3) and base is vector_env:
        return base.venv
    mode = vector_env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
    known = isinstance(base, SyncVectorEnv | AsyncVectorEnv | Snapshot)
    if mode is AutoresetMode.NEXT_STEP and not known:
        raise UserError(
            f"{type(base).__name__} resets in the next step, and may not be able to reset single instances; make it "
            "with autoreset_mode='SameStep'"
        )
    keep_final_observations(vector_env)
    return _Adapter(vector_env)


def from_sb3(venv: VecEnv) -> VectorEnv[Any, Any, Any]:
    """Stable-Baselines3's ``VecEnv`` as Gymnasium's ``VectorEnv``, in mode ``SameStep``; its wrappers keep working."""
    return venv.vector_env if isinstance(venv, _Adapter) else FromSB3(venv)


class FromSB3(VectorEnv[Any, Any, Any]):
    """Converts SB3's four values to Gymnasium's five: ``TimeLimit.truncated`` in the infos marks truncations.

    Args:
        venv: A ``VecEnv`` of SB3. With ``VecNormalize`` observations and rewards are the normalised ones.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, venv: VecEnv) -> None:
        self.venv = venv
        self.num_envs = venv.num_envs
        self.single_observation_space, self.single_action_space = venv.observation_space, venv.action_space
        self.observation_space = batch_space(venv.observation_space, venv.num_envs)
        self.action_space = batch_space(venv.action_space, venv.num_envs)
        self.render_mode = venv.render_mode

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self.venv.seed(seed)
        if options:
            self.venv.set_options(options)
        obs: Any = self.venv.reset()
        return obs, self._batched(list(self.venv.reset_infos))

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        obs: Any
        obs, rewards, done, rows = self.venv.step(actions)
        truncated = np.array([bool(one.get("TimeLimit.truncated", False)) for one in rows])
        found = [{key: value for key, value in one.items() if key not in ENDING} for one in rows]
        for i in np.flatnonzero(done).tolist():
            final = {"final_obs": rows[i]["terminal_observation"], "final_info": found[i]}
            found[i] = {**self.venv.reset_infos[i], **final}
        return obs, rewards, done & ~truncated, done & truncated, self._batched(found)

    def _batched(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        for i, one in enumerate(rows):
            if one:
                infos = self._add_info(infos, one, i)
        return infos

    def render(self) -> tuple[Any, ...] | None:
        return tuple(self.venv.get_images())

    def close_extras(self, **kwargs: Any) -> None:
        self.venv.close()


class _Adapter(VecEnv):
    """Converts Gymnasium's five values to SB3's four, and its batched infos to a list of dicts."""

    def __init__(self, vector_env: VectorEnv[Any, Any, Any]) -> None:
        self.vector_env = vector_env
        self.same_step = vector_env.metadata.get("autoreset_mode") is AutoresetMode.SAME_STEP
        self.used = False  # whether it was reset or stepped
        self._actions: Any = None
        super().__init__(vector_env.num_envs, vector_env.single_observation_space, vector_env.single_action_space)

    def reset(self) -> Any:
        self.used = True
        options = self._options[0] or None
        obs, infos = self.vector_env.reset(seed=self._seeds[0], options=options)
        self.reset_infos = [row(infos, i) for i in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return deepcopy(obs)  # SB3 keeps it over a step, and some environments reuse their arrays

    def step_async(self, actions: np.ndarray) -> None:
        self.used = True
        self._actions = actions

    def step_wait(self) -> Any:
        obs, rewards, terminated, truncated, infos = self.vector_env.step(self._actions)
        done = terminated | truncated
        rows, begun = rows_of_step(infos, obs, terminated, truncated)
        if not self.same_step and done.any():
            obs, infos = self.vector_env.reset(options={"reset_mask": done.copy()})
            begun = {i: row(infos, i) for i in np.flatnonzero(done).tolist()}
        for i, infos_of_one in begun.items():
            self.reset_infos[i] = infos_of_one
        return deepcopy(obs), rewards.astype(np.float32), done, rows

    def close(self) -> None:
        self.vector_env.close()

    def get_images(self) -> list[Any]:
        frames = self.vector_env.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        if attr_name == "render_mode":
            values: Any = [self.vector_env.render_mode] * self.num_envs
        else:
            base: Any = self.vector_env.unwrapped
            if hasattr(base, "get_attr"):  # Gymnasium's own: many environments
                values = base.get_attr(attr_name)
            else:  # one batched environment: all instances share its attributes
                values = [getattr(base, attr_name)] * self.num_envs
        return [values[i] for i in self._indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        chosen = self._indices(indices)
        base: Any = self.vector_env.unwrapped
        if hasattr(base, "set_attr"):
            values = list(base.get_attr(attr_name)) if len(chosen) < self.num_envs else [value] * self.num_envs
            for i in chosen:
                values[i] = value
            base.set_attr(attr_name, values)
        elif len(chosen) < self.num_envs:
            raise UserError(f"{attr_name} belongs to the whole batch; set it for all instances at once")
        else:
            setattr(base, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        base: Any = self.vector_env.unwrapped
        if hasattr(base, "call"):
            values: Any = base.call(method_name, *method_args, **method_kwargs)
        else:
            values = getattr(base, method_name)(*method_args, **method_kwargs)
            if not (isinstance(values, (list, tuple, np.ndarray)) and len(values) == self.num_envs):
                values = [values] * self.num_envs
        return [values[i] for i in self._indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        env: Any = self.vector_env
        wrapped = isinstance(env, wrapper_class)
        while not wrapped and env is not env.unwrapped:
            env = env.env
            wrapped = isinstance(env, wrapper_class)
        return [wrapped for _ in self._indices(indices)]

    def _indices(self, indices: int | Iterable[int] | None) -> list[int]:
        return list(self._get_indices(indices))
