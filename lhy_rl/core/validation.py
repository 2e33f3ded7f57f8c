"""Checks of an agent's options; a failure is one line that names the option, its value and what is allowed."""

from __future__ import annotations

import torch

from lhy_rl.core.errors import UserError, brief

LARGEST = 2.0**63  # no count is more, and no size that is meant


def choose_device(name: str, large: bool = True) -> torch.device:
    """The torch device of that name; ``auto`` is a GPU where there is one and the networks are large enough for it.

    Raises:
        UserError: an unknown device, or one that this machine lacks.
    """
    if name == "auto":
        return torch.device("cuda" if large and torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0].split(". ")[0]
        raise UserError(f"device {name!r} cannot be used here ({reason}); allowed: auto, cpu, cuda") from error
    return device


def check(**ranges: tuple[float, ...]) -> None:
    """Options within their ranges: ``name=(value, least)`` or ``name=(value, least, most)``.

    Raises:
        UserError: one is outside.
    """
    for name, (value, least, *most) in ranges.items():
        if not value >= least or (most and not value <= most[0]) or not abs(value) < LARGEST:
            allowed = f"{least} to {most[0]}" if most else f"at least {least}{_limit(value)}"
            raise UserError(f"{name} is {brief(value)}; allowed: {allowed}")


def positive(**values: float) -> None:
    """Options above zero.

    Raises:
        UserError: one is not.
    """
    for name, value in values.items():
        if not 0 < value < LARGEST:
            raise UserError(f"{name} is {brief(value)}; allowed: above 0{_limit(value)}")


def _limit(value: float) -> str:
    """The end of what is allowed, where that is what a value is beyond."""
    return ", below 2**63" if value >= LARGEST else ""
