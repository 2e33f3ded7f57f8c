"""Stepping a vector environment in any of Gymnasium's autoreset modes.

SAME_STEP   the step that ends an episode begins the next; the last observation is in the infos
NEXT_STEP   the step after the end only resets the instance: its action is ignored and its reward does not count
DISABLED    the caller resets
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import Snapshot
from lhy_rl.core.trees import leaves, map_tree, take
from lhy_rl.rollouts.checks import ActionMasks, WholeNumbers, misread, not_a_number


class EpisodeStepper:
    """Steps an environment and tracks where episodes begin and end, in any autoreset mode.

    Args:
        env: The environment; if it names no autoreset mode, NEXT_STEP is assumed, as in Gymnasium.
        refusal: Error message for an environment that does not reset itself; None accepts every mode.

    Attributes:
        obs, infos: The latest observations and infos; ``obs`` is None before :meth:`reset`.
        start: (B,) bool: an episode begins with ``obs``.
        ended: (B,) bool: the last step ended an episode.
        resetting: (B,) bool: the next step only resets the instance.

    Raises:
        UserError: The environment does not reset itself, and a ``refusal`` is given.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], refusal: str | None = None) -> None:
        if not hasattr(env, "num_envs"):
            raise UserError(f"{brief(env)} is not a vector environment; gymnasium.make_vec makes one from an id")
        self.env, self.mode = env, env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if refusal is not None and self.mode is AutoresetMode.DISABLED:
            raise UserError(refusal)
        self.masks = ActionMasks(env.single_action_space, env.num_envs)
        self.whole_numbers = WholeNumbers(env.single_observation_space)
        self.obs: Any = None
        self.infos: dict[str, Any] = {}
        self._mask: np.ndarray | None = None
        self._unchecked = True  # only the first step's shapes are checked
        self._begin()

    def _begin(self) -> None:
        self.start, self.ended, self.resetting = (np.full(self.env.num_envs, now) for now in (True, False, False))

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode in every instance.

        Raises:
            UserError: The environment returns something malformed.
        """
        self.obs, self.infos = self._answer(self.env.reset, seed=seed)
        self._mask = self.masks.of(self.obs, self.infos)
        self._begin()

    def begin_alike(self, count: int) -> None:
        """After :meth:`reset`, let each group of ``count`` consecutive instances begin as its first one does.

        Raises:
            UserError: The environment has no snapshot and restore.
        """
        env = self.env.unwrapped
        if not isinstance(env, Snapshot):
            raise UserError(
                "episodes from one start need an environment with snapshot and restore, as all of lhy_rl's have; "
                f"{type(env).__name__} has none, so episodes_per_start must be 1"
            )
        instances = np.arange(self.env.num_envs)
        first = instances - instances % count
        env.restore(env.snapshot(first), instances)
        self.obs, self.infos = take(self.obs, first), take(self.infos, first)
        self._mask = self.masks.of(self.obs, self.infos)

    def step(self, actions: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step; return rewards, terminations and truncations (B,). An instance that was ``resetting`` does not count.

        Raises:
            UserError: The environment returns something malformed.
        """
        self.obs, rewards, terminated, truncated, self.infos = self._answer(self._step, actions)
        self.ended = np.logical_or(terminated, truncated)
        self._mask = self.masks.of(self.obs, self.infos)
        if self.mode is AutoresetMode.NEXT_STEP:
            self.ended &= ~self.resetting
            self.start, self.resetting = self.resetting, self.ended
            return rewards, terminated, truncated
        self.start = self.ended
        if self.mode is AutoresetMode.DISABLED and self.ended.any():
            self._reset_ended()
        return rewards, terminated, truncated

    def _step(self, actions: Any) -> Any:
        answer = self.env.step(actions)
        if self._unchecked:
            if any(np.shape(numbers) != self.start.shape for numbers in answer[1:4]):
                raise ValueError("a reward, terminated or truncated is an array")
            self._unchecked = False
        return answer

    def _answer(self, ask: Callable[..., Any], *args: Any, **options: Any) -> Any:
        try:
            answer = ask(*args, **options)
        except (TypeError, ValueError, AttributeError) as error:
            if (line := misread(error, self.env)) is None:
                raise
            raise line from error
        self.whole_numbers.check(answer[0])
        return answer

    def _reset_ended(self) -> None:
        before, obs = self.obs, {"final_obs": self.obs, "_final_obs": self.ended}
        self.obs, infos = self._answer(self.env.reset, options={"reset_mask": self.ended})
        begun = self.masks.of(self.obs, infos)
        if self._mask is not None:
            self._mask[self.ended] = True if begun is None else begun[self.ended]
        elif begun is not None:
            self._mask = begun
        self.infos = {**infos, **obs, "final_obs": map_tree(np.array, before)}

    def final_obs(self, i: int, step: int | str | None = None) -> Any:
        """A copy of instance i's final observation in the episode that the last step ended.

        Args:
            step: The step's number, for error messages; None skips the check.

        Raises:
            UserError: A ``step`` is given, and an entry is infinite, NaN, or not in its space.
        """
        infos = self.infos
        final = _row(infos["final_obs"] if "final_obs" in infos and infos["_final_obs"][i] else self.obs, i)
        for array in leaves(final):
            if step is not None and array.dtype.kind == "f" and not np.isfinite(array).all():
                raise not_a_number("observation", i, step, array)
        if step is not None:
            self.whole_numbers.check(final, i)
        return final

    def action_mask(self, counted: np.ndarray, step: int, of: str = "") -> np.ndarray | None:
        """(B, A) bool: the legal actions; None if no instance gave a mask, so that all are legal.

        Args:
            counted: (B,) bool: the instances whose actions count.
            step, of: For the error message, as in :meth:`ActionMasks.checked`.

        Raises:
            UserError: An instance that counts has a choice without a legal action.
        """
        return None if self._mask is None else self.masks.checked(self._mask, counted, step, of)

    def state_dict(self) -> dict[str, Any]:
        """The stepper's state, without the environment's and the observation."""
        return {"start": self.start, "ended": self.resetting, "legal": self._mask}

    def load_state_dict(self, state: dict[str, Any], obs: Any) -> None:
        """Resume from a saved state, with the environment's current observation."""
        self.obs, self.infos = obs, {}
        self.start, self.resetting = np.array(state["start"], bool), np.array(state["ended"], bool)
        self._mask = None if state["legal"] is None else np.array(state["legal"], bool)


def _row(tree: Any, i: int) -> Any:
    """A copy of row i of batched observations; an entry of an object array may itself be a tree."""
    if isinstance(tree, dict):
        return {key: _row(x, i) for key, x in tree.items()}
    if isinstance(tree, tuple):  # an observation of a Tuple space, or the texts of all instances
        return tree[i] if isinstance(tree[0], str) else tuple(_row(x, i) for x in tree)
    return map_tree(np.array, tree[i])
