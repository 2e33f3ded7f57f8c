"""An environment written once, batched, over an explicit state of arrays.

An environment defines five functions, named as in Gymnasium's functional API, all over a batch of B instances:

    initial(n, rng)                  -> state
    transition(state, action, rng)   -> state
    observation(state)               -> observation
    reward(state, action, next)      -> (B,)
    terminal(state)                  -> (B,) bool

:class:`BatchedEnv` owns everything else: seeding, time limits, autoreset, infos, snapshots, checks.
:class:`lhy_rl.envs.single.SingleEnv` presents a batch of one as an ``Env``.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, iterate

from lhy_rl.core import validation
from lhy_rl.core.errors import OtherArguments, UserError, brief
from lhy_rl.core.registry import is_ours
from lhy_rl.core.trees import Indices, State, copied, first, put, take
from lhy_rl.envs.own_rules import try_env


class BatchedEnv(VectorEnv[Any, Any, np.ndarray]):
    """A vector environment over an explicit state.

    The same seed and batch size give the same trajectories, bit for bit; every returned array is fresh.

    Args:
        num_envs: Number of instances, B.
        observation_space: Observations of one instance.
        action_space: Actions of one instance.
        autoreset_mode: What follows the end of an episode: ``"NextStep"`` (the next step ignores the action
            and returns the new episode's first observation), ``"SameStep"`` (the step that ends an episode
            returns it already; the last observation is ``info["final_obs"]``) or ``"Disabled"`` (reset with
            ``options={"reset_mask": mask}``).
        render_mode: None or one of ``metadata["render_modes"]``.
        max_episode_steps: Truncate episodes after this many steps; None never truncates.

    Raises:
        UserError: an argument out of its range.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(
        self,
        num_envs: int,
        observation_space: gymnasium.Space[Any],
        action_space: gymnasium.Space[Any],
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
    ) -> None:
        self.num_envs = validation.integer("num_envs", num_envs, 1)
        self.autoreset_mode = validation.autoreset(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        if render_mode is not None:
            validation.choice("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = render_mode
        if max_episode_steps is not None:
            max_episode_steps = validation.integer("max_episode_steps", max_episode_steps, 1)
        self.max_episode_steps = max_episode_steps
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.observation_space = batch_space(observation_space, self.num_envs)
        self.action_space = batch_space(action_space, self.num_envs)
        self._state: State | None = None
        self._steps = np.zeros(self.num_envs, np.int64)  # in this episode
        self._done = np.zeros(self.num_envs, bool)  # the episode has ended and the next has not begun

    # ------------------------------------------------------------------ what an environment defines
    def initial(self, n: int, rng: np.random.Generator) -> State:
        """States of n new episodes."""
        raise NotImplementedError

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        """The next states, as new arrays; the given ones are not changed."""
        raise NotImplementedError

    def observation(self, state: State) -> Any:
        """The observations of the states: an array, or a dict or tuple of them, batch first."""
        raise NotImplementedError

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        """(B,) rewards of a step."""
        raise NotImplementedError

    def terminal(self, state: State) -> np.ndarray:
        """(B,) bool: whether the episode ends in this state."""
        raise NotImplementedError

    def info(self, state: State) -> dict[str, Any]:
        """Entries of ``info`` after every reset and step: arrays or dicts of them, batch first."""
        return {}

    def final_info(self, state: State) -> dict[str, Any]:
        """Further entries of ``info``, for instances whose episode has just ended."""
        return {}

    def frame(self, state: State) -> list[Any]:
        """One picture of each instance, in ``render_mode``."""
        raise NotImplementedError

    # ------------------------------------------------------------------ Gymnasium
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes.

        Args:
            seed: One seed for the whole batch; None continues with the present generator.
            options: ``{"reset_mask": (B,) bool}`` begins new episodes in these instances only.
        """
        if seed is not None:
            super().reset(seed=validation.integer("seed", seed, 0))
        rows = self._chosen(options)
        infos: dict[str, Any] = {}
        self._add(infos, self._begin(rows), rows)
        return self.observe(), infos

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of every instance.

        Raises:
            UserError: an action outside the action space.
            ResetNeeded: before the first reset, or (without autoreset) after the end of an episode.
        """
        if self._state is None:
            raise ResetNeeded("call reset() before step()")
        rewards = np.zeros(self.num_envs)
        terminated, truncated = np.zeros(self.num_envs, bool), np.zeros(self.num_envs, bool)
        infos: dict[str, Any] = {}
        whole = not np.count_nonzero(self._done)  # every instance takes a step
        live: Indices = slice(None) if whole else np.flatnonzero(~self._done)
        if not whole and self.autoreset_mode is AutoresetMode.DISABLED:
            ended = np.flatnonzero(self._done).tolist()
            raise ResetNeeded(f"instances {ended} have ended; first call reset(options={{'reset_mask': mask}})")
        actions = self._checked(actions, live)
        if not whole:
            begun = np.flatnonzero(self._done)  # NEXT_STEP: this step only resets the episode
            self._add(infos, self._begin(begun), begun)
        if isinstance(live, slice) or live.size:
            state = self._state if whole else take(self._state, live)
            action = actions if whole else take(actions, live)
            after = self.transition(state, action, self.np_random)
            rewards[live] = self.reward(state, action, after)
            terminated[live] = self.terminal(after)
            self._steps[live] += 1
            if self.max_episode_steps is not None:
                truncated[live] = self._steps[live] >= self.max_episode_steps
            self._state = after if whole else put(self._state, live, after)
            self._done = terminated | truncated
            self._report(live, infos)
        return self.observe(), rewards, terminated, truncated, infos

    def reset_of_one(self, options: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        """:meth:`reset` of a batch of one as Gymnasium's ``Env`` gives it, without a seed."""
        values = self._begin(self._chosen(options))
        return self.observe_one(), first_info(values)

    def observe_one(self) -> Any:
        """:meth:`observe` of a batch of one as Gymnasium's ``Env`` gives it."""
        if self._state is None:
            raise ResetNeeded("call reset() before observe()")
        return first(self.observation(self._state))

    def step_of_one(self, actions: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """:meth:`step` of a batch of one without autoreset, as Gymnasium's ``Env`` gives it.

        It is the same step, faster for one instance. A subclass that overrides one must override both.
        """
        state = self._state
        if state is None or self._done[0]:
            self.step(actions)  # raises ResetNeeded
        action = self._checked(actions, slice(None))
        after = self.transition(state, action, self.np_random)  # type: ignore[arg-type]
        reward = float(np.asarray(self.reward(state, action, after)).item())  # type: ignore[arg-type]
        terminated = bool(np.asarray(self.terminal(after)).item())
        self._steps[0] += 1
        truncated = self.max_episode_steps is not None and bool(self._steps[0] >= self.max_episode_steps)
        self._state, values = after, self.info(after)
        if terminated or truncated:
            self._done[0] = True
            values = {**values, **self.final_info(after)}
        return first(self.observation(after)), reward, terminated, truncated, first_info(values) if values else {}

    def _report(self, live: Indices, infos: dict[str, Any]) -> None:
        """Fill in the infos of a step; in SAME_STEP also begin the next episodes."""
        assert self._state is not None
        if isinstance(live, slice) and not np.count_nonzero(self._done):
            self._add(infos, self.info(self._state), live)
            return
        live, ended = np.arange(self.num_envs)[live], np.flatnonzero(self._done)
        rest = live[~self._done[live]]
        same_step = self.autoreset_mode is AutoresetMode.SAME_STEP and ended.size > 0
        if ended.size:
            last = take(self._state, ended)
            final = {**self.info(last), **self.final_info(last)}
            if same_step:
                final_obs = np.empty(ended.size, dtype=object)
                for k, item in enumerate(iterate(self.observation_space, copied(self.observation(last)))):
                    final_obs[k] = item
                self._add(infos, {"final_obs": final_obs, "final_info": final}, ended)
                self._add(infos, self._begin(ended), ended)
            else:
                self._add(infos, final, ended)
        if rest.size:
            self._add(infos, self.info(take(self._state, rest)), rest)

    def render(self) -> tuple[Any, ...] | None:
        """One frame of each instance, or None without a render mode."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() was called without a render_mode; give one to the constructor")
            return None
        if self._state is None:
            raise ResetNeeded("call reset() before render()")
        return tuple(self.frame(self._state))

    # ------------------------------------------------------------------ beyond Gymnasium
    def observe(self) -> Any:
        """The current observations, as the last reset, step or restore left them."""
        if self._state is None:
            raise ResetNeeded("call reset() before observe()")
        return copied(self.observation(self._state))

    def snapshot(self, indices: np.ndarray | None = None) -> dict[str, Any]:
        """Return a copy of everything that future steps depend on.

        Args:
            indices: Instances to take, (K,) int; None takes all and the random generator with them.

        Returns:
            ``{"state": arrays, "steps": (K,), "done": (K,)}``, and ``"rng"`` in a whole snapshot: arrays, names and
            whole numbers only, so that it can be stored.
        """
        if self._state is None:
            raise ResetNeeded("call reset() before snapshot()")
        rows = np.arange(self.num_envs) if indices is None else np.asarray(indices)
        result: dict[str, Any] = {
            "state": take(self._state, rows),
            "steps": self._steps[rows],
            "done": self._done[rows],
        }
        if indices is None:
            result["rng"] = self.np_random.bit_generator.state
        return result

    def restore(self, snapshot: dict[str, Any], indices: np.ndarray | None = None) -> None:
        """Restore a snapshot. With ``indices`` only these instances are restored, and the generator is not.

        A snapshot of one instance is repeated for all of them.

        Raises:
            UserError: numbers of instances that do not fit, or a snapshot of another kind of environment.
            OtherArguments: a snapshot of this kind of environment, whose arrays have other sizes.
        """
        rows = np.arange(self.num_envs) if indices is None else np.asarray(indices)
        count = len(snapshot["steps"])
        if count not in (1, len(rows)):
            raise UserError(f"a snapshot of {count} instances does not fit {len(rows)}; must be as many, or 1")
        state = {name: np.asarray(array) for name, array in snapshot["state"].items()}
        if self._state is None:
            if indices is not None:
                raise ResetNeeded("call reset() before restoring single instances")
            self._state = self.initial(self.num_envs, np.random.default_rng(0))
        mine, theirs = ({k: (x.shape[1:], x.dtype) for k, x in arrays.items()} for arrays in (self._state, state))
        if mine != theirs:
            kind = OtherArguments if mine.keys() == theirs.keys() else UserError
            raise kind("this snapshot comes from another kind of environment or from one with other arguments")
        self._state = put(self._state, rows, state)
        self._steps[rows], self._done[rows] = snapshot["steps"], snapshot["done"]
        if indices is None and "rng" in snapshot:
            self.np_random.bit_generator.state = snapshot["rng"]

    # ------------------------------------------------------------------ inside
    def _begin(self, rows: Indices) -> dict[str, Any]:
        """Begin new episodes in these instances; return their :meth:`info`."""
        count = self.num_envs if isinstance(rows, slice) else len(rows)
        if self._state is None and not is_ours(type(self)):
            try_env(self, BatchedEnv)
        new = self.initial(count, self.np_random)
        if self._state is None or count == self.num_envs:
            self._state = new
        else:
            self._state = put(self._state, rows, new)
        self._steps[rows] = 0
        self._done[rows] = False
        return self.info(new)

    def _chosen(self, options: dict[str, Any] | None) -> Indices:
        """The instances that a reset with these options resets."""
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return slice(None)
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise UserError(f"options['reset_mask'] must be a bool array of shape ({self.num_envs},)")
        if not mask.any():
            raise UserError("options['reset_mask'] is false everywhere; at least one instance must be reset")
        if self._state is None and not mask.all():
            raise ResetNeeded("call reset() without a mask first")
        return np.flatnonzero(mask)

    def _checked(self, actions: Any, live: Indices) -> Any:
        """The actions as arrays, after checking that those of the live instances are in the action space."""
        space = self.single_action_space
        if not isinstance(space, Discrete):
            if actions not in self.action_space:
                raise UserError(f"actions are not in the action space {brief(self.action_space)}: {brief(actions)}")
            return actions
        return validation.discrete_actions(actions, self.num_envs, int(space.start), int(space.n), live)

    def _add(self, infos: dict[str, Any], values: dict[str, Any], rows: Indices) -> None:
        """Enter values of some instances, as Gymnasium does: whole arrays, and a mask of the instances with a value."""
        for key, value in values.items():
            mask = infos.setdefault(f"_{key}", np.zeros(self.num_envs, bool))
            mask[rows] = True
            if isinstance(value, dict):
                self._add(infos.setdefault(key, {}), value, rows)
                continue
            value = np.asarray(value)
            if key not in infos:
                shape = (self.num_envs, *value.shape[1:])
                infos[key] = np.full(shape, None) if value.dtype.kind in "OU" else np.zeros(shape, value.dtype)
            infos[key][rows] = value


def first_info(values: dict[str, Any]) -> dict[str, Any]:
    """The first instance's entries, as Gymnasium's ``Env`` returns them, in arrays of their own memory."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found[key] = first_info(value)
            continue
        array = np.asarray(value)
        if array.dtype.kind in "OU":
            array = array.astype(object)
        one = array[0] if array.ndim else array[()]
        if isinstance(one, np.bool_):
            one = bool(one)
        found[key] = one.copy() if isinstance(one, np.ndarray) and array.ndim > 1 else one
    return found
