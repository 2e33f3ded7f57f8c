"""Checks saved states before they are used; one that does not fit is refused in one line.

A checksum shows that a file is intact, not that its contents fit: a key may be missing, an array may have another
shape, a number may be text. Every state is loaded inside :func:`fitting`.
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
"""The exceptions that Python, numpy and torch raise if a state does not fit."""


@contextmanager
def fitting(what: str) -> Iterator[None]:
    """A context in which a saved state is loaded; errors become one line that begins with ``what``.

    Raises:
        UserError: Raised from any exception of :data:`MISFIT`.
    """
    try:
        yield
    except UserError:
        raise
    except MISFIT as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise UserError(f"{what}: {reason or type(error).__name__}") from error


def check_like(given: Any, own: Any, where: str = "", shapes: bool = False, keys: bool = True) -> None:
    """Check that a saved tree has every key of an own tree, and the same kind of value at each place.

    Not checked are places where the own tree has None or the saved one has None for a dict, list or array, keys that
    are not strings, and anything that only the saved tree has. Lists are compared up to the shorter one's end.

    Args:
        given: The saved tree.
        own: A tree from the object that loads it.
        shapes: Whether arrays and tensors must have the same shape, not only as many dimensions, and None in place of a
            dict, list or array is an error.
        keys: Whether a missing key is an error; else the caller checks which keys it needs.

    Raises:
        ValueError: A place differs; the message names it.
    """
    if own is None:
        return
    kind, other = _kind(own), _kind(given)
    if given is None and not shapes and kind in ("dict", "list", "array"):
        return
    fits = kind == other or (kind, other) == ("number", "whole number")
    if kind != other and "tensor" in (kind, other) and "number" in f"{kind} {other}":  # LBFGS stores either
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
    """Check that a tree of observations or actions fits its space, with these leading dimensions.

    Raises:
        ValueError: It does not fit; ``where`` begins the message.
    """
    from gymnasium.vector.utils import create_empty_array

    def check(like: np.ndarray, given: Any) -> None:
        shape = (*leading, *like.shape[1:])
        whole = like.dtype.kind in "iub" and _kind(given) in ("array", "tensor") and "float" in str(given.dtype)
        if whole or tuple(getattr(given, "shape", ())) != shape:
            raise ValueError(f"{where} is {_words(given)}; of {space} it must have shape {shape}")

    map_tree(check, create_empty_array(space, 1), rows)


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Restore an optimizer's state of its parameters; its hyperparameters remain those of the configuration.

    Torch accepts any state and fails at the next step; here the state is compared with that of a new optimizer of the
    same kind after one step.

    Raises:
        ValueError: The state does not fit such an optimizer and such parameters.
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
    """Wrap an agent's ``load_state_dict`` so that every failure is a one-line error.

    If the state is of another kind than the agent's own, the agent is not changed. If loading fails half-way, the agent
    is ``half_loaded`` and refuses to work until a state that fits has been loaded.
    """

    @functools.wraps(load)
    def loaded(agent: Any, state: dict[str, Any]) -> None:
        if agent.loading:  # this is a subclass's call of super().load_state_dict
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
    """Raise a UserError if the last loading of a state failed half-way."""
    if agent.half_loaded:
        raise UserError(
            f"a state that does not fit was partly loaded into this {type(agent).__name__}; make a new one, or load a "
            "state that fits"
        )


def _kind(value: Any) -> str:
    """The kind of a value in a tree, as a word."""
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
