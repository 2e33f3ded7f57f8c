"""The single environment: a batch of one."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import concatenate, create_empty_array

from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree
from lhy_rl.envs.base import BatchedEnv


class SingleEnv(gymnasium.Env[Any, Any]):
    """Gymnasium's view of one instance of a batched environment, with the same dynamics to the last bit.

    A subclass names the batched class; all arguments go to it. Its other attributes and methods
    (``vocabulary_size``, ``sequences``, ...) are found here too.

    Attributes:
        batched_env: The batch of one.
    """

    batched: ClassVar[type[BatchedEnv]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "batched"):
            cls.metadata = dict(cls.batched.metadata)

    def __init__(self, **arguments: Any) -> None:
        if fixed := sorted({"num_envs", "autoreset_mode"} & set(arguments)):
            raise UserError(f"{fixed[0]} is not an argument of the single environment; use gymnasium.make_vec")
        self.batched_env = self.batched(num_envs=1, autoreset_mode=AutoresetMode.DISABLED, **arguments)
        self.render_mode = self.batched_env.render_mode
        self.observation_space = self.batched_env.single_observation_space
        self.action_space = self.batched_env.single_action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode."""
        super().reset(seed=seed)
        self.batched_env.np_random = self.np_random
        obs, infos = self.batched_env.reset(options=options)
        return self._one(obs), _one_info(infos)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step; see :meth:`BatchedEnv.step`."""
        space = self.action_space
        if isinstance(space, Discrete):
            actions: Any = [action]
        else:
            empty: Any = create_empty_array(space, n=1)
            actions = concatenate(space, [action], empty)
        obs, reward, terminated, truncated, infos = self.batched_env.step(actions)
        return self._one(obs), float(reward[0]), bool(terminated[0]), bool(truncated[0]), _one_info(infos)

    def render(self) -> Any:
        """A frame in ``render_mode``."""
        frames = self.batched_env.render()
        return None if frames is None else frames[0]

    def close(self) -> None:
        """Free what the environment holds."""
        self.batched_env.close()

    def observe(self) -> Any:
        """The current observation."""
        return self._one(self.batched_env.observe())

    def snapshot(self, indices: np.ndarray | None = None) -> dict[str, Any]:
        """See :meth:`BatchedEnv.snapshot`."""
        return self.batched_env.snapshot(indices)

    def restore(self, snapshot: dict[str, Any], indices: np.ndarray | None = None) -> None:
        """See :meth:`BatchedEnv.restore`."""
        self.batched_env.np_random = self.np_random
        self.batched_env.restore(snapshot, indices)

    def _one(self, obs: Any) -> Any:
        return map_tree(itemgetter(0), obs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "batched_env":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.batched_env, name)


def _one_info(infos: dict[str, Any]) -> dict[str, Any]:
    """The entries that instance 0 has, without masks."""
    result: dict[str, Any] = {}
    for key, value in infos.items():
        if f"_{key}" not in infos:  # a mask
            continue
        if infos[f"_{key}"][0]:
            one = _one_info(value) if isinstance(value, dict) else value[0]
            result[key] = bool(one) if isinstance(one, np.bool_) else one
    return result
