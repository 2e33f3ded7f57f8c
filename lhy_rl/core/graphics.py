"""Drawing without a screen, and the error if no graphics library is found."""

from __future__ import annotations

import os
import sys

from lhy_rl.core.errors import UserError

NO_GRAPHICS = ("mujoco", "OpenGL", "glGetError", "eglQuery", "EGL", "GLFW", "osmesa")
"""Words in the errors that libraries raise if they find no graphics library."""
NO_SCREEN = "dummy,offscreen"
"""SDL's drivers that draw without a screen, as set here; a user who sets another value wants a window."""


def without_a_screen() -> None:
    """Without a screen, let pygame draw off-screen, without greeting and error messages, and MuJoCo with EGL."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if is_headless():
        os.environ.setdefault("MUJOCO_GL", "egl")
        os.environ.setdefault("SDL_VIDEODRIVER", NO_SCREEN)


def is_headless() -> bool:
    """Whether this is a Linux without a screen."""
    return sys.platform.startswith("linux") and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def nothing_to_draw_with(error: Exception) -> UserError:
    """The error if there is no graphics library for MuJoCo."""
    found = " ".join(str(error).split())[:100]
    hint = "install libegl1, or set MUJOCO_GL to egl, osmesa or glfw"
    return UserError(f"MuJoCo found no graphics library to render with ({found}); {hint}")
