"""Checks of what an environment returns; a failure is a one-line error that names the step."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import create_empty_array

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.core.trees import leaves
from lhy_rl.data.spaces import outside, whole_number_limits

READERS = [Path(gym.__file__).parent / room for room in ("wrappers", "vector")]
READERS += [Path(__file__).parent, Path(__file__).parents[1] / "interop"]
"""The folders whose code unpacks what an environment returns."""


def check_numbers(what: str, tree: Any, going: np.ndarray, step: int, of: str = "") -> None:
    """Raise if a number of an instance that counts is infinite or NaN.

    Args:
        what: ``observation`` or ``reward``.
        tree: (B, ...) arrays; integers are not checked.
        going: (B,) bool: the instances that count.
        step: The step's number, for the message.
        of: Follows the step's number in the message, `` of its episode`` for instance.

    Raises:
        UserError: One is infinite or NaN.
    """
    for array in leaves(tree):
        if array.dtype.kind != "f" or np.isfinite(array).all():
            continue
        rows = array.reshape(len(array), -1)
        wrong = np.flatnonzero(~np.isfinite(rows).all(1) & going)
        if len(wrong):
            raise not_a_number(what, int(wrong[0]), f"{step}{of}", rows[wrong[0]])


def misread(error: Exception, env: VectorEnv[Any, Any, Any]) -> UserError | None:
    """The one-line error if the environment returned something malformed; None if the error arose inside it."""
    raised = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    place = [path for path in raised if "numpy" not in path.parts][-1]
    of_a_worker = place.name == "async_vector_env.py"  # which re-raises its environment's errors
    if of_a_worker or not any(place.is_relative_to(reader) for reader in READERS):
        return None
    return UserError(
        f"what the environment returned cannot be read: {error}. Gymnasium's reset() returns (observation, info), and "
        "step() (observation, reward, terminated, truncated, info): an observation of "
        f"{brief(env.single_observation_space)}, a number, two booleans and a dict; fix the environment"
    )


def check_memory(env: VectorEnv[Any, Any, Any], **steps: int) -> None:
    """Refuse a number of steps whose observations and actions alone exceed this machine's memory.

    Args:
        env: The environment.
        steps: Number of steps of every instance, by the name of the option that sets it.

    Raises:
        UserError: There are too many.
    """
    spaces = env.single_observation_space, env.single_action_space
    size = sum(np.asarray(leaf).nbytes for space in spaces for leaf in leaves(create_empty_array(space, 1)))
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not available, on Windows for instance
        return
    for name, count in steps.items():
        if (needed := count * env.num_envs * size) > memory:
            raise UserError(
                f"{name} is {count:,}: with num_envs {env.num_envs} an update would need {needed / 1e9:,.0f} GB, and "
                f"this machine has {memory / 1e9:,.0f} GB; allowed: at most {memory // (env.num_envs * size):,}"
            )


def not_a_number(what: str, instance: int, step: int | str, values: np.ndarray) -> UserError:
    """The error for an observation or reward that is infinite or NaN."""
    return UserError(
        f"the {what} of instance {instance} at step {step} is not a number ({values.flatten()[:4]}); "
        "fix the environment"
    )


class WholeNumbers:
    """Checks that integers in observations are within the limits of their space.

    They are indices into embedding tables, where an invalid one may read a wrong row: -1 would read the last.

    Args:
        space: Space of one observation.
    """

    def __init__(self, space: gym.Space[Any]) -> None:
        self.parts = list(_limited(space, ()))

    def check(self, obs: Any, instance: int | None = None) -> None:
        """Raise if an integer is out of its limits.

        Args:
            obs: (B, ...) observations of all instances, or one observation.
            instance: The instance, if ``obs`` is one observation.

        Raises:
            UserError: One is out of its limits.
        """
        for path, space, limits in self.parts:  # hot
            array = obs
            for key in path:
                array = array[key]
            array = np.asarray(array)
            if not outside(array, *limits):
                continue
            rows = [array] if instance is not None else array
            i = next(i for i, row in enumerate(rows) if outside(row, *limits))
            there = "".join(f" at {key!r}" for key in path)
            raise UserError(
                f"the observation of instance {i if instance is None else instance}{there} is {brief(rows[i])}, which "
                f"is not in {brief(space)}; fix the environment"
            )


def _limited(space: gym.Space[Any], path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any, tuple[Any, Any]]]:
    """The parts of a space that hold integers: the path to each, the part, and its limits."""
    if isinstance(space, gym.spaces.Dict | gym.spaces.Tuple):
        inner = space.spaces.items() if isinstance(space, gym.spaces.Dict) else enumerate(space.spaces)
        for key, part in inner:
            yield from _limited(part, (*path, key))
    elif (limits := whole_number_limits(space)) is not None:
        yield path, space, limits


class ActionMasks:
    """Reads the masks of legal actions that an environment gives in its infos or in a key of its observations.

    Args:
        space: Space of one action. A mask covers all its choices, concatenated; spaces of floats have no masks.
        num_envs: B.
    """

    def __init__(self, space: gym.Space[Any], num_envs: int) -> None:
        sizes: list[int] = []
        match space:
            case gym.spaces.Discrete():
                sizes = [int(space.n)]
            case gym.spaces.MultiDiscrete():
                sizes = [int(n) for n in space.nvec.flatten()]
            case gym.spaces.MultiBinary():
                sizes = [2] * int(np.prod(space.shape))
        self.shape = (num_envs, sum(sizes))
        self.firsts = np.cumsum([0, *sizes])[:-1]  # of each choice

    def of(self, obs: Any, infos: dict[str, Any]) -> np.ndarray | None:
        """A new (B, A) bool array: each instance's mask from the infos, else from its observation, else all true.

        None if no instance gave a mask, so that all actions are legal.

        Raises:
            UserError: A mask has the wrong size.
        """
        if not len(self.firsts):
            return None
        mask = None
        if isinstance(obs, dict) and ACTION_MASK in obs:
            mask = np.array(obs[ACTION_MASK], bool)
            if mask.size != self.shape[0] * self.shape[1]:
                raise UserError(
                    f"the action_mask in the observations has shape {mask.shape[1:]}; must be ({self.shape[1]},), the "
                    "number of actions; a wrapper that stacks observations must leave it out"
                )
            mask = mask.reshape(self.shape)
        if (given := infos.get(ACTION_MASK)) is None:
            return mask
        if mask is None:
            mask = np.ones(self.shape, bool)
        for i in np.flatnonzero(infos.get(f"_{ACTION_MASK}", np.ones(self.shape[0], bool))).tolist():
            if given[i] is None:
                continue
            row = np.asarray(given[i], bool)
            if row.size != self.shape[1]:
                raise UserError(f"the action_mask of instance {i} has {row.size} entries; must be {self.shape[1]}")
            mask[i] = row.flatten()
        return mask

    def checked(self, mask: np.ndarray, going: np.ndarray, step: int, of: str = "") -> np.ndarray:
        """The mask; all true in instances that do not count and have a choice without a legal action.

        Args:
            mask: (B, A) bool.
            going: (B,) bool: the instances that count.
            step, of: For the error message, as in :func:`check_numbers`.

        Raises:
            UserError: An instance that counts has a choice without a legal action.
        """
        some: np.ndarray = np.logical_or.reduceat(mask, self.firsts, axis=1)  # (B, choices)
        none = np.logical_not(some.all(1, keepdims=True))[:, 0]
        if (none & going).any():
            i = int(np.flatnonzero(none & going)[0])
            raise UserError(f"no action is allowed in instance {i} at step {step}{of}; fix its action_mask")
        action_mask: np.ndarray = mask | none[:, None]
        return action_mask
