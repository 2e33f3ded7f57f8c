"""Checks of arguments; a failure is one line that names the argument, its value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real

from gymnasium.vector import AutoresetMode

from lhy_rl.core.errors import UserError, brief, suggest


def integer(name: str, value: object, least: int, most: int | None = None) -> int:
    """The value as an int, if it is a whole number of at least ``least`` and at most ``most``."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):  # type: ignore[operator]
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise UserError(f"{name}={brief(value)} is not allowed; must be a whole number {allowed}")
    return int(value)  # type: ignore[call-overload, no-any-return]


def share(name: str, value: object, most: float = 1.0) -> float:
    """The value as a float, if it is a number from 0 to ``most``."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= most:
        raise UserError(f"{name}={brief(value)} is not allowed; must be a number from 0 to {most:g}")
    return float(value)


def choice(name: str, value: object, allowed: Iterable[str]) -> str:
    """The value, if it is one of the allowed names."""
    allowed = list(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise suggest(str(value), allowed, name)
    return value


def autoreset(value: AutoresetMode | str) -> AutoresetMode:
    """Gymnasium's mode, from itself, its value ("SameStep") or its name ("SAME_STEP", "same_step")."""
    if isinstance(value, AutoresetMode):
        return value
    for mode in AutoresetMode:
        if str(value).replace("_", "").lower() == mode.value.lower():
            return mode
    raise suggest(str(value), [mode.value for mode in AutoresetMode], "autoreset_mode")
