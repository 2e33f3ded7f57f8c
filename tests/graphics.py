"""Whether this machine can draw MuJoCo."""

import functools

import gymnasium
import pytest

import lhy_rl  # noqa: F401
from lhy_rl.core.errors import UserError


@functools.cache
def reason_not_to_draw() -> str:
    """Why MuJoCo's pictures cannot be had here; empty where they can."""
    try:
        gymnasium.make("lhy_rl/MujocoViews-v0", size=16).reset()
    except UserError as error:
        return str(error)
    return ""


def needs_mujoco() -> None:
    """Leave the test out where MuJoCo is missing or cannot draw."""
    if reason := reason_not_to_draw():
        pytest.skip(reason)
