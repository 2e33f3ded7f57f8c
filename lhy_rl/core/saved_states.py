"""What was saved is somebody else's file: it is held against what is there, and refused in one line if it does not fit.

A checksum says that a file is whole, not that what it holds belongs here: a key may be missing, an array may have
another shape, a number may be text. Whoever loads a state does it inside :func:`fitting`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree

if TYPE_CHECKING:
    import gymnasium as gym
    import torch

Loader = Callable[[Any, dict[str, Any]], None]

MISFIT = (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError, AssertionError)
"""What Python, numpy and torch raise where a state is not what it should be."""


@contextmanager
def fitting(what: str) -> Iterator[None]:
    """Inside, what goes wrong is a saved state that does not fit; ``what`` begins the line that says so.

    Raises:
        UserError: in place of any exception of :data:`MISFIT`, which stays its cause.
    """
    try:
        yield
    except UserError:
        raise
    except MISFIT as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise UserError(f"{what}: {reason or type(error).__name__}") from error


def check_like(given: Any, own: Any, where: str = "", shapes: bool = False, keys: bool = True) -> None:
    """A saved tree has what a tree of the same maker has: every key, and the same kind of value at each place.

    What may come or go (None for a dict, list or array, or now), keys that are no text, and what only the saved tree
    has are left to whoever loads it.

    Args:
        shapes: Arrays and tensors have the same shape, too, and None is no dict, list or array; else as many
            dimensions. Of lists as many entries are looked at as both have.
        keys: A key that is missing is an error; else whoever loads the tree says which it can do without.

    Raises:
        ValueError: one differs; the message names the place.
    """
    if own is None:
        return
    kind, other = _kind(own), _kind(given)
    if given is None and not shapes and kind in ("dict", "list", "array"):
        return
    fits = kind == other or (kind, other) == ("number", "whole number")
    if kind != other and "tensor" in (kind, other) and "number" in f"{kind} {other}":  # LBFGS keeps either
        fits = (own if kind == "tensor" else given).ndim == 0
    elif fits and kind in ("array", "tensor"):
        had, has = (x.shape if shapes else x.ndim for x in (given, own))
        fits = had == has and (given.dtype == own.dtype if kind == "tensor" else given.dtype.kind == own.dtype.kind)
        kind = f"{kind} of {own.dtype} and {f'shape {tuple(own.shape)}' if shapes else f'{own.ndim} dimensions'}"
    if not fits:
        raise ValueError(f"{where or 'it'} is {_words(given)}, not a {kind}")
    if isinstance(own, dict):
        for key in filter(lambda key: isinstance(key, str), own):
            if key in given:
                check_like(given[key], own[key], f"{where}.{key}".lstrip("."), shapes, keys)
            elif keys:
                raise ValueError(f"{where or 'it'} has no {key!r}")
    elif isinstance(own, list | tuple):
        for i, (one, other) in enumerate(zip(given, own, strict=False)):
            check_like(one, other, f"{where}[{i}]", shapes, keys)


def check_rows(rows: Any, space: gym.Space[Any], leading: tuple[int, ...], where: str) -> None:
    """Arrays or tensors of observations or actions are as their space is, with these dimensions before its own.

    Raises:
        ValueError: they are not; ``where`` begins the line.
    """
    from gymnasium.vector.utils import create_empty_array

    def check(like: np.ndarray, given: Any) -> None:
        shape = (*leading, *like.shape[1:])
        whole = like.dtype.kind in "iub" and _kind(given) in ("array", "tensor") and "float" in str(given.dtype)
        if whole or tuple(getattr(given, "shape", ())) != shape:
            raise ValueError(f"{where} is {_words(given)}; of {space} it must have shape {shape}")

    map_tree(check, create_empty_array(space, 1), rows)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Go on with what an optimizer has gathered of its parameters; its hyperparameters stay the configuration's.

    Torch takes any state and fails at the next step; here an optimizer of the same kind, one step old, says what it
    must hold.

    Raises:
        ValueError: it is not what such an optimizer keeps of such parameters.
    """
    import torch

    own = optimizer.state_dict()["param_groups"]
    parameters = [torch.ones_like(p, requires_grad=True) for group in optimizer.param_groups for p in group["params"]]
    options = inspect.signature(type(optimizer)).parameters
    used = type(optimizer)(parameters, **{k: v for k, v in optimizer.defaults.items() if k in options})

    def loss() -> float:
        used.zero_grad()
        total = torch.stack([p.sum() for p in parameters]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return float(total.detach())

    used.step(loss)
    kept = used.state_dict()["state"]
    for index, gathered in state["state"].items():
        if gathered is None or index not in kept:
            raise ValueError(f"optimizer.state has {_words(gathered)} for parameter {index!r}")
        check_like(gathered, kept[index], f"optimizer.state.{index}", shapes=True)
        if gathered.get("step", 1) < 0:
            raise ValueError(f"optimizer.state.{index}.step is below 0")
    optimizer.load_state_dict({"state": state["state"], "param_groups": own})


def guarded(load: Loader) -> Loader:
    """An agent's ``load_state_dict`` whose every failure is one line.

    Where the state is of another kind than the agent's own, nothing is touched. Where that shows only half-way, the
    agent is ``half_loaded`` and refuses to go on until a state that fits has been loaded.
    """

    @functools.wraps(load)
    def loaded(agent: Any, state: dict[str, Any]) -> None:
        if agent.loading:  # a subclass's is at it, and this is its call of super()'s
            return load(agent, state)
        misfit = f"this state does not fit {type(agent).__name__} with these options"
        with fitting(misfit):
            check_like(state, agent.state_dict(), keys=False)  # older files may lack some
            agent.loading = agent.half_loaded = True
            try:
                load(agent, state)
            finally:
                agent.loading = False
            agent.half_loaded = False
        return None

    return loaded


def check_whole(agent: Any) -> None:
    """Raise a UserError where only half of a state was put into the agent."""
    if agent.half_loaded:
        raise UserError(
            f"half of a state that did not fit was loaded into this {type(agent).__name__}; make it anew, or load a "
            "state that fits"
        )


def _kind(value: Any) -> str:
    """What a place holds, in one word."""
    for kind, types in (
        ("flag", bool | np.bool_),
        ("whole number", Integral),
        ("number", Real),
        ("text", str),
        ("dict", dict),
        ("list", list | tuple),
        ("array", np.ndarray),
    ):
        if isinstance(value, types):
            return kind
    return "nothing" if value is None else "tensor" if hasattr(value, "layout") else type(value).__name__


def _words(value: Any) -> str:
    kind = _kind(value)
    if kind in ("array", "tensor"):
        return f"a {kind} of {value.dtype} and shape {tuple(value.shape)}"
    return kind if kind == "nothing" else f"a {kind}"
