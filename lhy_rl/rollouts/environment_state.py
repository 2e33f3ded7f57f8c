"""Saves and restores the state of an environment, so that a resumed training continues within its episodes.

Our environments do so themselves (:class:`~lhy_rl.core.protocols.Snapshot`). Gymnasium's classic control has its state
in a few attributes: the physical state, the wrappers' step counters, the pending autoresets, and the random
generators.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import (
    AcrobotEnv,
    CartPoleEnv,
    Continuous_MountainCarEnv,
    MountainCarEnv,
    PendulumEnv,
)
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.vector import SyncVectorEnv, VectorEnv
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from lhy_rl.core.protocols import Snapshot
from lhy_rl.interop.final_observations import FinalObservationCopy

CLASSIC = (AcrobotEnv, CartPoleEnv, Continuous_MountainCarEnv, MountainCarEnv, PendulumEnv)
WRAPPERS = (FinalObservationCopy, OrderEnforcing, PassiveEnvChecker, TimeLimit)  # exactly these: others may hold more


class ClassicControl:
    """The :class:`~lhy_rl.core.protocols.Snapshot` of a ``SyncVectorEnv`` of classic control or a
    ``CartPoleVectorEnv``."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def snapshot(self, indices: np.ndarray | None = None) -> dict[str, Any]:
        """Arrays, whole numbers and names of all instances."""
        if isinstance(self.env, CartPoleVectorEnv):
            arrays = {name: np.array(getattr(self.env, name)) for name in ("state", "steps", "prev_done")}
            return {**arrays, "rng": self.env.np_random.bit_generator.state}
        instances = []
        for one in self.env.envs:
            limit, base = _time_limit(one), one.unwrapped
            steps = 0 if limit is None else limit._elapsed_steps
            instances.append({"state": np.array(base.state), "steps": steps, "rng": base.np_random.bit_generator.state})
        return {"instances": instances, "autoreset": self.env._autoreset_envs.copy()}

    def restore(self, snapshot: dict[str, Any], indices: np.ndarray | None = None) -> None:
        """Restore a snapshot."""
        self.env.reset(seed=0)
        if isinstance(self.env, CartPoleVectorEnv):
            for name in ("state", "steps", "prev_done"):
                setattr(self.env, name, np.array(snapshot[name]))
            self.env.np_random.bit_generator.state = snapshot["rng"]
            return
        for one, saved in zip(self.env.envs, snapshot["instances"], strict=True):
            limit, base = _time_limit(one), one.unwrapped
            if limit is not None:
                limit._elapsed_steps = int(saved["steps"])
            base.state = np.array(saved["state"])
            base.np_random.bit_generator.state = saved["rng"]
        self.env._autoreset_envs = np.array(snapshot["autoreset"], bool)


def state_of(env: VectorEnv[Any, Any, Any]) -> Snapshot | None:
    """The object that saves and restores the environment's state; None if that is not possible."""
    base: Any = env.unwrapped
    if isinstance(base, Snapshot):
        return base
    if env is not base:
        return None
    if type(base) is CartPoleVectorEnv:
        return ClassicControl(base)
    if isinstance(base, SyncVectorEnv) and all(_is_classic(one) for one in base.envs):
        return ClassicControl(base)
    return None


def _is_classic(env: gymnasium.Env[Any, Any]) -> bool:
    while isinstance(env, gymnasium.Wrapper):
        if type(env) not in WRAPPERS:
            return False
        env = env.env
    return type(env) in CLASSIC


def _time_limit(env: gymnasium.Env[Any, Any]) -> Any:
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, TimeLimit):
            return env
        env = env.env
    return None
