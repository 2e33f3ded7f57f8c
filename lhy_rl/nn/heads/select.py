"""Selects the actor head that fits an action space."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.core.validation import check
from lhy_rl.nn.heads.base import Head
from lhy_rl.nn.heads.categorical import CategoricalHead, MultiCategoricalHead
from lhy_rl.nn.heads.copying import CopyHead
from lhy_rl.nn.heads.gaussian import GaussianHead
from lhy_rl.nn.heads.pointer import PointerHead


def head_for(
    space: gym.Space[Any], input_size: int, log_std: float = 0.0, copies: bool = False, points: int | None = None
) -> Head:
    """The head that fits an action space.

    Args:
        log_std: Initial log standard deviation of a Gaussian head.
        copies: Whether features hold what can be copied from a source.
        points: L, the number of places of a source, if features hold a pointer logit for each.

    Raises:
        UserError: No head fits.
    """
    check(log_std_init=(log_std, -20, 20))
    if points is not None:
        head: Head = _pointer_head(space, input_size, points)
    else:
        head = _copy_head(space, input_size) if copies else _head_for(space, input_size, log_std)
    if log_std and not isinstance(head, GaussianHead):
        raise UserError(f"log_std_init is {log_std}, which sets the noise of Box actions only; these are {space}")
    head.space = space
    return head


def _copy_head(space: gym.Space[Any], input_size: int) -> Head:
    if not isinstance(space, gym.spaces.Discrete):
        raise UserError(f"copy needs a Discrete action space of words, not {space}")
    return CopyHead(input_size, int(space.n), int(space.start))


def _pointer_head(space: gym.Space[Any], input_size: int, places: int) -> Head:
    if not isinstance(space, gym.spaces.Discrete) or space.n < places:
        raise UserError(f"head 'pointer' needs an action for each of {places} places, Discrete({places}), not {space}")
    return PointerHead(input_size, places, int(space.n), int(space.start))


def _head_for(space: gym.Space[Any], input_size: int, log_std: float) -> Head:
    if isinstance(space, gym.spaces.Discrete):
        return CategoricalHead(input_size, int(space.n), int(space.start))
    if isinstance(space, gym.spaces.MultiDiscrete):
        return MultiCategoricalHead(input_size, space.nvec, space.start)
    if isinstance(space, gym.spaces.MultiBinary):
        return MultiCategoricalHead(input_size, np.full(space.shape, 2), np.zeros(space.shape, np.int64))
    if isinstance(space, gym.spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return GaussianHead(input_size, space, log_std)
    allowed = "Discrete, MultiDiscrete, MultiBinary, Box of floats"
    raise UserError(f"no actor head for actions of {space}; allowed spaces: {allowed}")
