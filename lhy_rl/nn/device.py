"""The choice of the device that networks are on."""

from __future__ import annotations

import torch
from torch import nn

from lhy_rl.core.errors import UserError
from lhy_rl.nn.acceleration.numpy_actor import WIDEST


def choose_device(name: str, large: bool = True) -> torch.device:
    """The torch device of that name; ``auto`` is a GPU if there is one and the networks are large enough for it.

    Raises:
        UserError: The device is unknown, or this machine does not have it.
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


def is_large(network: nn.Module) -> bool:
    """Whether a GPU pays off: the network has convolutions, or a layer too wide for numpy to be fast."""
    widths = [size for p in network.parameters() for size in p.shape]
    tables = [m.num_embeddings for m in network.modules() if isinstance(m, nn.Embedding)]  # long, but cheap
    return any(p.dim() == 4 for p in network.parameters()) or max(set(widths) - set(tables), default=0) > WIDEST
