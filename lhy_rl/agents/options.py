"""Checks of an agent's options; a failure is one line that names the option, its value and what is allowed."""

from __future__ import annotations

import numpy as np
import torch

from lhy_rl.errors import UserError


def choose_device(name: str) -> torch.device:
    """The torch device of that name; ``auto`` is a GPU where there is one.

    Raises:
        UserError: an unknown device, or one that this machine lacks.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
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
        if not value >= least or (most and not value <= most[0]) or not np.isfinite(value):
            allowed = f"{least} to {most[0]}" if most else f"at least {least}"
            raise UserError(f"{name} is {value}; allowed: {allowed}")


def positive(**values: float) -> None:
    """Options above zero.

    Raises:
        UserError: one is not.
    """
    for name, value in values.items():
        if not value > 0 or not np.isfinite(value):
            raise UserError(f"{name} is {value}; allowed: above 0")
