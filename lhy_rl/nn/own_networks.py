"""Tries custom networks once when a policy is made, so that a violated interface is a one-line error."""

from __future__ import annotations

import inspect
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector.utils import create_empty_array
from torch import Tensor, nn

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.registry import place_of
from lhy_rl.core.trees import map_tree
from lhy_rl.nn.layers.eval_mode import evaluating

LEADING = (2, 3)  # T and B of the trial input


def tried_encoder(kind: type[nn.Module], space: gym.Space[Any], options: Any) -> Any:
    """An encoder of this class, after a trial on observations of its space.

    Raises:
        UserError: It takes other arguments, sets no ``output_size``, or its output has another shape.
    """
    encoder = _made(kind, space, options)

    def empty(array: Any) -> Tensor:
        tensor = torch.as_tensor(np.asarray(array))
        tensor = tensor.float() if tensor.is_floating_point() else tensor
        return tensor.expand(*LEADING, *tensor.shape[1:]).clone()

    with torch.no_grad(), evaluating(encoder):
        _check_shape(encoder, encoder(map_tree(empty, create_empty_array(space, n=1))), "observations")
    return encoder


def tried_core(kind: type[nn.Module], input_size: int, *given: Any, **options: Any) -> Any:
    """A backbone of this class, after a trial on zeros.

    Raises:
        UserError: It takes other arguments, sets no ``output_size``, or its output or state has another shape.
    """
    core = _made(kind, input_size, *given, **options)
    with torch.no_grad(), evaluating(core):
        begun: Any = core.initial_state(LEADING[1])  # type: ignore[operator]
        made = core(torch.zeros(*LEADING, input_size), begun, torch.zeros(LEADING, dtype=torch.bool))
    if not isinstance(made, tuple) or len(made) != 2:
        raise UserError(f"{place_of(type(core))} must return outputs and the memory after them; given: {brief(made)}")
    _check_shape(core, made[0], "inputs")
    for memory in (begun, made[1]):
        if not isinstance(memory, tuple) or not all(isinstance(part, Tensor) for part in memory):
            raise UserError(f"the memory of {place_of(type(core))} must be a tuple of tensors; given: {brief(memory)}")
    shapes = [[tuple(part.shape) for part in memory] for memory in (begun, made[1])]
    if shapes[0] != shapes[1] or any(shape[:1] != LEADING[1:] for shape in shapes[0]):
        raise UserError(
            f"the memory of {place_of(type(core))} for {LEADING[1]} instances has shapes {shapes[0]} at first and "
            f"{shapes[1]} after a step; must be the same, with instances as the first dimension"
        )
    return core


def _made(kind: type[nn.Module], *given: Any, **options: Any) -> nn.Module:
    try:
        inspect.signature(kind).bind(*given, **options)
    except TypeError as error:
        raise UserError(f"{place_of(kind)} cannot be made with {len(given)} arguments by position: {error}") from error
    return kind(*given, **options)


def _check_shape(network: nn.Module, made: Any, what: str) -> None:
    size, name = getattr(network, "output_size", None), place_of(type(network))
    if not isinstance(size, int):
        raise UserError(f"{name} must set output_size, the width of its output, to an int; given: {brief(size)}")
    if not isinstance(made, Tensor) or made.shape != (*LEADING, size):
        shape = tuple(made.shape) if isinstance(made, Tensor) else brief(made)
        raise UserError(
            f"{name} gives {shape} for {what} of shape ({LEADING[0]}, {LEADING[1]}, ...); must be {(*LEADING, size)}, "
            "with its output_size last"
        )
