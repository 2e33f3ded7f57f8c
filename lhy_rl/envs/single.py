"""The single environment: a batch of one."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import concatenate, create_empty_array

from lhy_rl.core.errors import UserError, brief
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
        if not hasattr(type(self), "batched"):
            raise UserError(f"{type(self).__name__} needs a class attribute: batched = <your BatchedEnv>")
        self.batched_env = self.batched(num_envs=1, autoreset_mode=AutoresetMode.DISABLED, **arguments)
        self.render_mode = self.batched_env.render_mode
        self.observation_space = self.batched_env.single_observation_space
        self.action_space = self.batched_env.single_action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode."""
        super().reset(seed=seed)
        self.batched_env.np_random = self.np_random
        return self.batched_env.reset_of_one(options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step; see :meth:`BatchedEnv.step`."""
        space = self.action_space
        if isinstance(space, Discrete):
            actions: Any = [action]
        else:
            empty: Any = create_empty_array(space, n=1)
            try:
                actions = concatenate(space, [action], empty)
            except (ValueError, TypeError, KeyError, IndexError):  # no array of the space's shape
                raise UserError(f"action {brief(action)} is not in the action space {brief(space)}") from None
        return self.batched_env.step_of_one(actions)

    def render(self) -> Any:
        """A frame in ``render_mode``."""
        frames = self.batched_env.render()
        return None if frames is None else frames[0]

    def close(self) -> None:
        """Free what the environment holds."""
        self.batched_env.close()

    def observe(self) -> Any:
        """The current observation."""
        return self.batched_env.observe_one()

    def snapshot(self, indices: np.ndarray | None = None) -> dict[str, Any]:
        """See :meth:`BatchedEnv.snapshot`."""
        return self.batched_env.snapshot(indices)

    def restore(self, snapshot: dict[str, Any], indices: np.ndarray | None = None) -> None:
        """See :meth:`BatchedEnv.restore`."""
        self.batched_env.np_random = self.np_random
        self.batched_env.restore(snapshot, indices)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "batched_env":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.batched_env, name)
