"""The real samples of a task, on the device and in the networks' format."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import Samples, SampleTask, Split
from lhy_rl.core.trees import leaves, map_tree, native
from lhy_rl.nn.generative.conditions import is_nothing
from lhy_rl.nn.generative.sample_space import SampleSpace

ALLOWED = "lhy_rl/Ring-v0, lhy_rl/Grid25-v0, lhy_rl/Digits-v0 (also of a folder of pictures)"


class SampleData:
    """The samples of one split, with their conditions.

    Args:
        samples: The samples of the split.
        observation_space: Space of the conditions.
        space: Space of the samples.
        device: Device of the tensors.

    Attributes:
        samples: (M, *shape) in the networks' format.
        conditions: (M, ...) tensors, the samples' conditions; zeros if the task has none.
        conditional: Whether the task has conditions.
        stored: The samples in the task's format.

    Raises:
        UserError: there are no samples, samples or conditions do not fit their spaces, or their numbers differ.
    """

    def __init__(
        self, samples: Samples, observation_space: gym.Space[Any], space: SampleSpace, device: torch.device
    ) -> None:
        self.stored = checked(samples.samples, space.box, "samples")
        self.samples = space.to_network(torch.as_tensor(native(self.stored), device=device))
        self.conditional = not is_nothing(observation_space)
        found = samples.conditions
        if found is None:
            if self.conditional:
                raise UserError(f"observations are {observation_space}, but the task's samples have no conditions")
            found = np.zeros(len(samples), np.int64)
        elif not samples.paired:
            raise UserError(
                "the task's samples and conditions are not paired; this agent needs pairs, domain_transfer does not"
            )
        counts = {len(leaf) for leaf in leaves(found)}
        if counts != {len(samples)}:
            raise UserError(f"there are {len(samples)} samples and {brief(counts)} conditions; allowed: one for each")
        self.stored_conditions = map_tree(lambda x: x, found)
        checked(found, observation_space, "conditions")
        self.conditions = map_tree(lambda x: torch.as_tensor(native(x), device=device), found)

    def __len__(self) -> int:
        return len(self.samples)

    def rows(self, index: Tensor | slice) -> tuple[Tensor, Any]:
        """Some samples and their conditions."""
        return self.samples[index], map_tree(lambda x: x[index], self.conditions)


def checked(given: Any, space: gym.Space[Any], what: str) -> Any:
    """Return arrays (N, ...) if they are elements of the space.

    Raises:
        UserError: they are empty, of another shape or type, or have a number outside the bounds.
    """
    count = len(leaves(given)[0]) if leaves(given) else 0
    if not count:
        raise UserError(f"the task has no {what} to learn from")
    try:
        for row in {0, count // 2, count - 1}:
            check_one(map_tree(lambda x, row=row: x[row], given), space, what)
        ranges(given, space, what)
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        raise UserError(f"{what} are {brief(given)}, which is not in {space}") from error
    return given


def check_one(one: Any, space: gym.Space[Any], what: str) -> None:
    """Check that one element has the shape and type of its space.

    Raises:
        UserError: it has not.
    """
    match space:
        case gym.spaces.Dict():
            for key, part in space.spaces.items():
                check_one(one[key], part, f"{what} {key!r}")
        case gym.spaces.Tuple():
            for item, part in zip(one, space.spaces, strict=True):
                check_one(item, part, what)
        case _:
            array = np.asarray(one)
            floats = space.dtype is not None and np.issubdtype(space.dtype, np.floating)
            fits = array.dtype.kind in ("fiu" if floats else "iu")
            if array.shape != (space.shape or ()) or not fits:
                raise UserError(f"{what} are {array.dtype} of shape {array.shape}; allowed: {space}")


def ranges(given: Any, space: gym.Space[Any], what: str) -> None:
    """Check that all elements are within the bounds of their space.

    Raises:
        UserError: one is not; the message says which.
    """
    if isinstance(space, gym.spaces.Dict):
        for key, part in space.spaces.items():
            ranges(given[key], part, f"{what} {key!r}")
        return
    match space:
        case gym.spaces.Discrete():
            low, high = np.asarray(space.start), np.asarray(space.start + space.n - 1)
        case gym.spaces.MultiDiscrete():
            low, high = space.start, space.start + space.nvec - 1
        case gym.spaces.Box():
            low, high = space.low, space.high
        case _:
            return
    array = np.asarray(given)
    wrong = ~((array >= low) & (array <= high))
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0])
        raise UserError(f"{what} hold {array[place]} (number {place[0]}), which is not in {space}")


def sample_task(env: VectorEnv[Any, Any, Any], name: str) -> SampleTask | None:
    """The environment as a task of samples; None if it is absent (a loaded agent that only predicts).

    Args:
        name: Name of the agent, for the message.

    Raises:
        UserError: it is not such a task.
    """
    if getattr(env, "is_absent", False):
        return None
    for one in (env.unwrapped, *(single.unwrapped for single in getattr(env, "envs", ())[:1])):
        if isinstance(one, SampleTask):
            return one
    raise UserError(f"{name} needs an environment with samples, not {env}; allowed: {ALLOWED}")


def data_of(
    task: SampleTask | None, split: Split, observation_space: gym.Space[Any], space: SampleSpace, device: torch.device
) -> SampleData | None:
    """The data of a split; None without a task."""
    return None if task is None else SampleData(task.samples(split), observation_space, space, device)
