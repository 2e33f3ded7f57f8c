"""The error for a training that has run away."""

from __future__ import annotations

from lhy_rl.core.errors import UserError


def diverged(step: int) -> UserError:
    """The error for a loss or gradient that is infinite or not a number."""
    return UserError(
        f"loss or gradient is not a number at step {step}; lower learning_rate, or normalise observations and "
        "rewards, and go on from a checkpoint"
    )
