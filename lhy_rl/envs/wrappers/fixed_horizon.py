"""Episodes that always last H steps, so that their length carries no information.

If an episode's length depends on performance, a learned reward of constant sign favours long (or short) episodes
whatever the demonstrations were: GAIL can reach 500 on CartPole-v1 from demonstrations of a random policy. Here an
episode that the task ended continues until step H, without reward. In CartPole the return is still how long the pole
stood, but the length carries no information. The observations after the end (as in ``seals``, Gleave et al. 2020):

    freeze    the last observation of the episode, whatever the action; works with any environment
    evolve    the dynamics continue, inside the observation space: the pole swings on; Gymnasium's classic control only

Instances of such an environment begin and end together; :class:`OutOfStep` staggers them for a learner.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import iterate

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import Snapshot
from lhy_rl.core.registry import spec_of
from lhy_rl.core.trees import copied, map_tree

AFTER = ("freeze", "evolve")


def _too_early(limit: int, horizon: int) -> UserError:
    return UserError(f"the environment's own time limit is {limit} steps; horizon is {horizon} and must not exceed it")


class FixedHorizon(gymnasium.Wrapper[Any, Any, Any, Any], gymnasium.utils.RecordConstructorArgs):
    """Wrapper of a single environment: an episode is truncated after ``horizon`` steps and never terminated.

    ``info["over"]`` says that the task had ended its episode before the step.

    Args:
        env: An environment whose own time limit, if any, does not come first.
        horizon: H, steps of every episode.
        after: The observations after the task's end: ``freeze`` or ``evolve``.

    Raises:
        UserError: a horizon below 1, another ``after``, or a time limit that comes first.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], horizon: int = 500, after: str = "freeze") -> None:
        gymnasium.utils.RecordConstructorArgs.__init__(self, horizon=horizon, after=after)
        super().__init__(env)
        self.horizon = validation.integer("horizon", horizon, 1)
        self.after = validation.choice("after", after, AFTER)
        self._steps, self._last = 0, None
        self._over = False
        self._picture: Any = None  # the last picture
        self.limit = self.horizon
        self.next_limit = self.horizon  # limit of the next episode; later ones have the horizon

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self._steps, self._last, self._over = 0, None, False
        self.limit, self.next_limit = self.next_limit, self.horizon
        obs, info = self.env.reset(seed=seed, options=options)
        return obs, {**info, "over": False}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._steps += 1
        over, at_horizon = self._over, self._steps >= self.limit
        if over and self.after == "freeze":
            return copied(self._last), 0.0, False, at_horizon, {"over": True}
        if over and hasattr(self.unwrapped, "steps_beyond_terminated"):
            self.unwrapped.steps_beyond_terminated = None  # otherwise CartPole warns about steps after the end
        obs, reward, terminated, truncated, info = self.env.step(action)
        if truncated and not terminated and not at_horizon and not over:
            raise _too_early(self._steps, self.horizon)
        if terminated and not over:
            self._over, self._last = True, copied(obs)
        if over and isinstance(self.observation_space, gymnasium.spaces.Box):
            obs = np.clip(obs, self.observation_space.low, self.observation_space.high)
        return obs, 0.0 if over else float(reward), False, at_horizon, {**info, "over": over}

    def render(self) -> Any:
        """The environment's picture; its last one if the cart is too far away for pygame's integers."""
        try:
            self._picture = self.env.render()
        except OverflowError:
            if not self._over or self._picture is None:
                raise
        return self._picture


class FixedHorizonVector(VectorEnv[Any, Any, Any]):
    """The same for a vector environment, frozen after the end: all instances begin and end together.

    Args:
        env: A vector environment with autoreset, in the same or in the next step. Instances whose episode has ended
            continue to be stepped internally until all begin anew.
        horizon: H, steps of every episode.
        autoreset_mode: Mode of this environment, independent of that of ``env``: ``"NextStep"`` or ``"SameStep"``.

    Raises:
        UserError: a horizon below 1, an environment without autoreset, or a time limit that comes first.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        horizon: int = 500,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        self.env = env
        self.horizon = validation.integer("horizon", horizon, 1)
        self.autoreset_mode = validation.autoreset(autoreset_mode)
        inner = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if AutoresetMode.DISABLED in (inner, self.autoreset_mode):
            raise UserError("a fixed horizon needs an environment with autoreset; allowed: SameStep, NextStep")
        self.metadata = {**env.metadata, "autoreset_mode": self.autoreset_mode}
        self.num_envs, self.render_mode = env.num_envs, env.render_mode
        self.single_observation_space, self.observation_space = env.single_observation_space, env.observation_space
        self.single_action_space, self.action_space = env.single_action_space, env.action_space
        self._obs: Any = None
        self._over = np.zeros(self.num_envs, bool)
        self._steps = 0
        if isinstance(env.unwrapped, Snapshot):  # then this environment has snapshots, too
            self.snapshot, self.restore, self.observe = self._snapshot, self._restore, self._observe

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes in all instances.

        Raises:
            UserError: a ``reset_mask`` for some of them; they begin together.
        """
        mask = (options or {}).get("reset_mask")
        if mask is not None and not np.all(mask):
            raise UserError("with a fixed horizon all instances reset together; reset_mask must be true everywhere")
        return self._begin(seed, options)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of every instance; the rewards of frozen ones are 0 and their infos are left out."""
        none = np.zeros(self.num_envs, bool)
        if self._steps >= self.horizon:  # NEXT_STEP: this step only resets the episodes
            obs, infos = self._begin(None, None)
            return obs, np.zeros(self.num_envs), none, none.copy(), infos
        frozen = self._over.copy()
        obs, rewards, terminated, truncated, infos = self.env.step(actions)
        self._steps += 1
        at_horizon = self._steps >= self.horizon
        if not at_horizon and (truncated & ~terminated & ~frozen).any():
            raise _too_early(self._steps, self.horizon)
        ended = (terminated | truncated) & ~frozen
        obs = _frozen(copied(obs), self._obs, frozen)
        if ended.any() and "final_obs" in infos:
            lasts = dict(zip(np.flatnonzero(ended).tolist(), _rows(infos["final_obs"], ended), strict=True))
            for i, last in lasts.items():
                map_tree(lambda x, one, i=i: x.__setitem__(i, one), obs, last)
        infos = {key: value for key, value in infos.items() if not key.lstrip("_").startswith("final_")}
        for key in [key for key in infos if f"_{key}" in infos]:
            infos[f"_{key}"] = infos[f"_{key}"] & ~frozen
        infos["over"], infos["_over"] = frozen, ~none
        self._over |= ended
        self._obs = obs
        truncations = np.full(self.num_envs, at_horizon)
        rewards = np.where(frozen, 0.0, rewards)
        if at_horizon and self.autoreset_mode is AutoresetMode.SAME_STEP:
            final = np.empty(self.num_envs, object)
            final[:] = list(iterate(self.observation_space, copied(obs)))
            first, begun = self._begin(None, None)
            ends = {"final_obs": final, "_final_obs": ~none, "final_info": infos, "_final_info": ~none}
            return first, rewards, none, truncations, {**begun, **ends}
        return copied(obs), rewards, none, truncations, infos

    def render(self) -> tuple[Any, ...] | None:
        """One frame of each instance; those of frozen instances show their internal state."""
        return self.env.render()

    def close_extras(self, **kwargs: Any) -> None:
        """Close the inner environment."""
        self.env.close(**kwargs)

    def _begin(self, seed: Any, options: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        obs, infos = self.env.reset(seed=seed, options=options)
        self._steps, self._obs = 0, copied(obs)
        self._over = np.zeros(self.num_envs, bool)
        return obs, {**infos, "over": self._over.copy(), "_over": ~self._over}

    def _observe(self) -> Any:
        """The current observations."""
        return copied(self._obs)

    def _snapshot(self, indices: np.ndarray | None = None) -> dict[str, Any]:
        """Everything that future steps depend on, for all instances."""
        if indices is not None:
            raise UserError("with a fixed horizon a snapshot holds all instances; call snapshot() without indices")
        inner = self.env.unwrapped.snapshot()  # type: ignore[attr-defined]
        return {"env": inner, "obs": copied(self._obs), "over": self._over.copy(), "steps": self._steps}

    def _restore(self, snapshot: dict[str, Any], indices: np.ndarray | None = None) -> None:
        """Restore a snapshot."""
        self.env.unwrapped.restore(snapshot["env"])  # type: ignore[attr-defined]
        self._obs, self._steps = copied(snapshot["obs"]), int(snapshot["steps"])
        self._over = np.array(snapshot["over"], bool)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("env", "snapshot", "restore", "observe"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.env.unwrapped, name)


class OutOfStep(SyncVectorEnv):
    """Instances with a fixed horizon that a learner can stagger (:class:`lhy_rl.core.protocols.Phased`).

    If all begin together, a rollout holds steps from one part of the episodes only, only beginnings or (after the fall)
    only ends, and what was learned about the other parts is forgotten meanwhile: PPO with CartPole's true reward, 8
    instances and rollouts of 32 steps learns the task in 20,000 steps only if staggered (`test_learn_on_policy.py`).
    """

    def stagger(self) -> None:
        """End the next episode of instance i after (i + 1) / B of the horizon; all later ones have the whole
        horizon."""
        for i, env in enumerate(self.envs):
            env.set_wrapper_attr("next_limit", max(1, env.get_wrapper_attr("horizon") * (i + 1) // self.num_envs))


def make_single(
    env_id: str = "CartPole-v1",
    horizon: int = 500,
    after: str = "evolve",
    render_mode: str | None = None,
    **options: Any,
) -> gymnasium.Env[Any, Any]:
    """``lhy_rl/FixedHorizon-v0``, one instance; the arguments are those of :func:`make_vector`."""
    validation.integer("horizon", horizon, 1)
    if "max_episode_steps" in options:
        raise UserError("max_episode_steps is not an argument here; horizon is the length of every episode")
    if render_mode is not None and not isinstance(render_mode, str):
        raise UserError(f"render_mode={brief(render_mode)} is not allowed; must be None or one of the environment's")
    limit = horizon if spec_of(env_id).max_episode_steps is not None else None
    inner = gymnasium.make(env_id, max_episode_steps=limit, render_mode=render_mode, **options)
    return FixedHorizon(inner, horizon, after)


def make_vector(
    num_envs: int = 1,
    env_id: str = "CartPole-v1",
    horizon: int = 500,
    after: str = "evolve",
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    render_mode: str | None = None,
    **options: Any,
) -> OutOfStep:
    """
    ## Description

    Any environment of Gymnasium's, always played for `horizon` steps. If the length of an episode depends on
    performance, a learned reward of constant sign favours long (or short) episodes whatever the demonstrations were:
    adversarial imitation can reach 500 on CartPole-v1 from demonstrations of a random policy. Here an episode that the
    task ended continues without reward, so that its length carries no information (as in `seals`, Gleave et al. 2020).

    ## Action Space

    That of the environment `env_id`. After the task's end actions earn nothing; with `after="freeze"` they have no
    effect.

    ## Observation Space

    That of the environment. `after` chooses what is observed after the task's end:

    | `after` | Observation | Works with |
    |---------|--------------|------------|
    | `"evolve"` | the dynamics continue, inside the observation space: the pole swings on | the classic control tasks |
    | `"freeze"` | the last observation of the episode | any environment |

    ## Rewards

    The environment's until the task ends the episode, that step's included; 0 from then on. In CartPole the return is
    still the number of steps for which the pole stood.

    ## Starting State

    The environment's.

    ## Episode End

    1. Termination: never. `info["over"]` says that the task had ended its episode before the step.
    2. Truncation: after `horizon` steps, which replace the environment's own time limit.

    ## Arguments

    | Argument | Default | Meaning |
    |----------|---------|---------|
    | `env_id` | `"CartPole-v1"` | the environment |
    | `horizon` | `500` | steps of every episode, at least 1 |
    | `after` | `"evolve"` | what is observed after the task's end: `"evolve"` or `"freeze"` |
    | `render_mode` | `None` | the environment's |

    Others are the environment's own: `gymnasium.make("lhy_rl/FixedHorizon-v0", env_id="LunarLander-v3", after="freeze",
    gravity=-8.0)`. An environment of yours without an id: `lhy_rl.envs.wrappers.FixedHorizon(env, horizon=500)`, and
    `FixedHorizonVector` for a vector environment.

    ```python
    >>> import gymnasium, lhy_rl
    >>> env = gymnasium.make("lhy_rl/FixedHorizon-v0", env_id="CartPole-v1", horizon=100)
    >>> obs, info = env.reset(seed=0)
    >>> steps = total = 0
    >>> truncated = False
    >>> while not truncated:  # always to the right: the pole falls soon
    ...     obs, reward, terminated, truncated, info = env.step(1)
    ...     steps, total = steps + 1, total + reward
    >>> steps, total, terminated, info["over"]
    (100, 8.0, False, True)

    ```

    ## Vectorized environment

    `gymnasium.make_vec("lhy_rl/FixedHorizon-v0", num_envs=B)`: one environment after the other, `autoreset_mode`
    `"NextStep"` or `"SameStep"`. All begin and end together. `stagger()` lets their first episodes end at different
    times; our on-policy agents call it (`lhy_rl.core.protocols.Phased`). Otherwise a short rollout holds only
    beginnings or, after the fall, only ends of episodes, and PPO does not learn with CartPole's true reward.

    ## Version History

    - v0: first version.
    """
    options["disable_env_checker"] = True  # Gymnasium's check objects to steps after an end
    options["render_mode"] = render_mode
    makers = [lambda: make_single(env_id, horizon, after, **options)] * validation.integer("num_envs", num_envs, 1)
    return OutOfStep(makers, autoreset_mode=validation.autoreset(autoreset_mode))


def _frozen(obs: Any, last: Any, frozen: np.ndarray) -> Any:
    """The observations, replaced by the last ones where frozen."""
    if not frozen.any():
        return obs

    def keep(new: np.ndarray, old: np.ndarray) -> np.ndarray:
        new[frozen] = old[frozen]
        return new

    return map_tree(keep, obs, last)


def _rows(final_obs: Any, mask: np.ndarray) -> list[Any]:
    """The last observations of some instances, from Gymnasium's array of objects or tree of arrays."""
    rows = np.flatnonzero(mask).tolist()
    if isinstance(final_obs, dict):
        parts = {key: _rows(value, mask) for key, value in final_obs.items()}
        return [{key: part[k] for key, part in parts.items()} for k in range(len(rows))]
    return [final_obs[i] for i in rows]
