"""One step of an optimizer down a loss, and the error for a training that has diverged."""

from __future__ import annotations

import torch
from torch import Tensor

from lhy_rl.core.errors import UserError


def diverged(step: int) -> UserError:
    """The error for a loss or gradient that is infinite or not a number."""
    return UserError(
        f"loss or gradient is not finite at step {step}; lower learning_rate, or normalise observations and "
        "rewards, and resume from a checkpoint"
    )


def gradient_step(
    module: torch.nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, max_grad_norm: float, step: int
) -> Tensor:
    """One step down the loss; returns the gradient's norm before clipping, a scalar tensor.

    Args:
        step: Timestep that the error message names.

    Raises:
        UserError: loss or gradient is not a number; the weights are unchanged.
    """
    _follow_exchanged(module, optimizer)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(module.parameters(), max_grad_norm)
    if not bool((norm + loss.detach()).isfinite()):
        raise diverged(step)
    optimizer.step()
    return norm


def _follow_exchanged(module: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Let the optimizer update the module's present parameters: ``load_state_dict(assign=True)`` replaces them."""
    (group,) = optimizer.param_groups
    now = list(module.parameters())
    for k, (held, parameter) in enumerate(zip(group["params"], now, strict=True)):
        if held is not parameter:
            group["params"][k] = parameter
            if held in optimizer.state:
                optimizer.state[parameter] = optimizer.state.pop(held)
