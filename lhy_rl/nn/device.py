"""On which device networks are."""

from __future__ import annotations

import torch

from lhy_rl.core.errors import UserError


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
