"""Checks of options; a failure is one line that names the option, its value and what is allowed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from lhy_rl.core.errors import UserError, brief, suggest

LARGEST = 2.0**63  # upper limit of every count and size


def check(**ranges: tuple[float, ...]) -> None:
    """Check that options are within their ranges: ``name=(value, least)`` or ``name=(value, least, most)``.

    Raises:
        UserError: One is outside.
    """
    for name, (value, least, *most) in ranges.items():
        if not _number(value) or not value >= least or (most and not value <= most[0]) or not abs(value) < LARGEST:
            allowed = f"{least} to {most[0]}" if most else f"at least {least}{_limit(value)}"
            raise UserError(f"{name} is {brief(value)}; allowed: {allowed}")


def positive(**values: float) -> None:
    """Check that options are above zero.

    Raises:
        UserError: One is not.
    """
    for name, value in values.items():
        if not _number(value) or not 0 < value < LARGEST:
            raise UserError(f"{name} is {brief(value)}; allowed: above 0{_limit(value)}")


def _limit(value: object) -> str:
    """The upper limit for the message, if the value exceeds it."""
    return ", below 2**63" if _number(value) and value >= LARGEST else ""  # type: ignore[operator]


def _number(value: object) -> bool:
    """Whether a value is a number; bools are not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def integer(name: str, value: object, least: int, most: int | None = None) -> int:
    """The value as an int, if it is an integer of at least ``least`` and at most ``most``, or below 2**63."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= value < LARGEST or (most is not None and value > most):  # type: ignore[operator]
        allowed = f"of at least {least}{_limit(value)}" if most is None else f"from {least} to {most}"
        raise UserError(f"{name}={brief(value)} is not allowed; must be a whole number {allowed}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def share(name: str, value: object, most: float = 1.0) -> float:
    """The value as a float, if it is a number from 0 to ``most``."""
    if not _number(value) or not 0 <= value <= most:  # type: ignore[operator]
        raise UserError(f"{name}={brief(value)} is not allowed; must be a number from 0 to {most:g}")
    return float(value)  # type: ignore[arg-type]


def place(name: str, value: object) -> str:
    """The value as text, if it is a name or a path."""
    if not isinstance(value, str | os.PathLike) or not isinstance(text := os.fspath(value), str):
        raise UserError(f"{name}={brief(value)} is not allowed; must be a name or a path")
    return text


def flag(name: str, value: object) -> bool:
    """The value, if it is true or false."""
    if not isinstance(value, (bool, np.bool_)):
        raise UserError(f"{name}={brief(value)} is not allowed; must be true or false")
    return bool(value)


def plain(value: Any) -> Any:
    """Numbers and arrays of numpy and torch as Python's numbers and lists; anything else unchanged."""
    return value.tolist() if hasattr(value, "tolist") else value


def is_false(answer: Any) -> bool:
    """Whether a callback returned false: a bool of Python, numpy or torch, such as ``mean < 3``.

    None, from a function without a return, does not count as false, and neither does a number.
    """
    of_torch = str(getattr(answer, "dtype", "")) == "torch.bool"
    return (of_torch or isinstance(answer, bool | np.bool_)) and not answer


def choice(name: str, value: object, allowed: Iterable[str]) -> str:
    """The value, if it is one of the allowed names."""
    allowed = list(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise suggest(str(value), allowed, name)
    return value


def discrete_actions(given: Any, n: int, start: int, count: int, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    """(n,) int64 actions, if all are integers and those of ``rows`` are in ``Discrete(count, start=start)``."""
    single = type(given) is list and len(given) == n == 1 and type(given[0]) in (int, np.int64)
    if single and start <= given[0] < start + count:  # at every step of a single environment
        return np.array(given, np.int64)
    try:
        array = np.asarray(given)
    except ValueError:  # rows of different lengths
        raise UserError(f"actions must be whole numbers of shape ({n},); given: {brief(given)}") from None
    if array.shape != (n,) or array.dtype.kind not in "iu":
        kind = f"{brief(given)}, {array.dtype} of shape {array.shape}"
        raise UserError(f"actions must be whole numbers of shape ({n},); given: {kind}")
    chosen = array[rows]
    wrong = chosen[(chosen < start) | (chosen >= start + count)]
    if wrong.size:
        raise UserError(f"action {wrong[0]} is not in the action space; allowed: {start} to {start + count - 1}")
    return array.astype(np.int64)


def autoreset(value: AutoresetMode | str) -> AutoresetMode:
    """Gymnasium's autoreset mode, from the mode itself, its value ("SameStep") or its name ("SAME_STEP",
    "same_step")."""
    if isinstance(value, AutoresetMode):
        return value
    for mode in AutoresetMode:
        if str(value).replace("_", "").lower() == mode.value.lower():
            return mode
    raise suggest(str(value), [mode.value for mode in AutoresetMode], "autoreset_mode")
