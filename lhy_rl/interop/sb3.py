"""Stable-Baselines3 on any Gymnasium vector environment, ours or another's; its policies as experts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from lhy_rl.errors import UserError, install_extra
from lhy_rl.interop.experts import Expert, load_expert, save_statistics

__all__ = ["Expert", "load_expert", "save_statistics", "to_sb3"]

try:
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise UserError(f"stable-baselines3 is not installed; {install_extra('sb3')}") from error


def to_sb3(vector_env: VectorEnv[Any, Any, Any]) -> VecEnv:
    """The vector environment as Stable-Baselines3 sees one; no copies of the environment are made.

    Episode statistics come from SB3's ``VecMonitor`` around it, or Gymnasium's ``RecordEpisodeStatistics`` within.

    Args:
        vector_env: A Gymnasium vector environment that begins new episodes in the same step.

    Raises:
        UserError: not a vector environment, or another autoreset mode.

    Example:
        >>> import gymnasium, lhy_rl
        >>> from stable_baselines3 import PPO
        >>> envs = gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=8, vocabulary_size=20, autoreset_mode="SameStep")
        >>> model = PPO("MlpPolicy", to_sb3(envs))
    """
    if not isinstance(vector_env, VectorEnv):
        raise UserError(f"to_sb3 takes a gymnasium vector environment, got {type(vector_env).__name__}; use make_vec")
    mode = vector_env.metadata.get("autoreset_mode")
    if mode is not AutoresetMode.SAME_STEP:
        raise UserError(f"to_sb3 takes autoreset_mode='SameStep', got {getattr(mode, 'value', mode)!r}")
    return _Adapter(vector_env)


class _Adapter(VecEnv):
    """Gymnasium's five values to SB3's four, and its batched infos to a list of dicts."""

    def __init__(self, vector_env: VectorEnv[Any, Any, Any]) -> None:
        self.vector_env = vector_env
        self._actions: Any = None
        super().__init__(vector_env.num_envs, vector_env.single_observation_space, vector_env.single_action_space)

    def reset(self) -> Any:
        options = self._options[0] or None
        obs, infos = self.vector_env.reset(seed=self._seeds[0], options=options)
        self.reset_infos = [_row(infos, i) for i in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return obs

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> Any:
        obs, rewards, terminated, truncated, infos = self.vector_env.step(self._actions)
        done = terminated | truncated
        rows = [_row(infos, i) for i in range(self.num_envs)]
        for i in np.flatnonzero(done).tolist():
            final: dict[str, Any] = rows[i].pop("final_info", {})
            final["terminal_observation"] = rows[i].pop("final_obs")
            if "episode" in rows[i]:  # RecordEpisodeStatistics, and SB3's own key for the same
                final["episode"] = rows[i].pop("episode")
            self.reset_infos[i] = rows[i]
            rows[i] = final
        for i, row in enumerate(rows):
            row["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
        return obs, rewards.astype(np.float32), done, rows

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
            else:  # one batched environment: what it has, all have
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


def _row(infos: dict[str, Any], i: int) -> dict[str, Any]:
    """The infos of instance i, without masks."""
    result: dict[str, Any] = {}
    for key, value in infos.items():
        if key.startswith("_") and key[1:] in infos:
            continue
        mask = infos.get(f"_{key}")
        if mask is None or mask[i]:
            one = _row(value, i) if isinstance(value, dict) else value[i]
            result[key] = bool(one) if isinstance(one, np.bool_) else one
    return result
