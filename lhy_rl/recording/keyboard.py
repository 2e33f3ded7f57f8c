"""A person at the keyboard as the policy: one key, one step; the environment waits.

Keys come from the terminal, from a pipe (``printf 0011 | lhy-rl record ...``), or from the window that shows the
environment. Special keys are ``left``, ``right``, ``up``, ``down``, ``space``, ``enter``, ``backspace``, ``esc``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.rollouts.record_episodes import Act, Again, Stop

ESCAPES = {b"\x1b[A": "up", b"\x1b[B": "down", b"\x1b[C": "right", b"\x1b[D": "left"}
NAMED = {b" ": "space", b"\r": "enter", b"\n": "enter", b"\x7f": "backspace", b"\x08": "backspace", b"\x1b": "esc"}
END, ANEW = ("q", "esc"), "backspace"
ARROWS = {  # number of actions, or an environment, to the key of each action
    2: ("left", "right"),
    3: ("left", "down", "right"),
    "LunarLander-v3": ("down", "left", "up", "right"),
    "FrozenLake-v1": ("left", "down", "right", "up"),
    "CliffWalking-v1": ("up", "right", "down", "left"),
}
CODES = {code: chr(code) for code in range(33, 127)} | {32: "space", 273: "up", 274: "down", 275: "right", 276: "left"}
PAUSE = 0.01  # seconds between two checks of a window's keys


def bindings(env: gym.Env[Any, Any], chosen: str | None = None) -> dict[str, int]:
    """Key to action.

    Args:
        chosen: ``KEY=ACTION,...``; without it digits, arrows where their meaning is obvious, and the keys that an
            environment itself declares (``get_keys_to_action``).

    Raises:
        UserError: actions are not Discrete, or ``chosen`` names none of them.
    """
    space = env.action_space
    if not isinstance(space, gym.spaces.Discrete):
        raise UserError(f"a person at the keyboard needs Discrete actions, not {space}")
    start, n = int(space.start), int(space.n)
    if chosen is not None:
        return _chosen(chosen, space)
    found = {str(i): start + i for i in range(min(n, 10))}
    arrows = ARROWS.get(env.spec.id if env.spec else "") or ARROWS.get(n)
    found |= {key: start + i for i, key in enumerate(arrows or ())}
    declared = getattr(env.unwrapped, "get_keys_to_action", None)
    for keys, action in (declared() if declared else {}).items():
        key = keys[0] if len(keys) == 1 else None  # several keys at once cannot be typed
        name = CODES.get(key) if isinstance(key, int) else key
        if name:
            found[name] = int(action)
    return found


def _chosen(text: str, space: gym.spaces.Discrete) -> dict[str, int]:
    found = {}
    for pair in text.split(","):
        key, equals, action = pair.strip().rpartition("=")
        if not equals or not key or not action.isdigit() or not space.contains(int(action)):
            raise UserError(f"--keys has {brief(pair.strip())}; it must be KEY=ACTION,... with the actions of {space}")
        found[key] = int(action)
    return found


def person(keys: Iterator[str], bound: dict[str, int], show: Callable[[Any], None], say: Callable[[str], None]) -> Act:
    """A policy whose actions are typed by a person.

    Args:
        keys: Names of the keys pressed; when the iterator ends, so does the recording.
        show: Shows the present state, given its observation; called before each wait for a key.
        say: Prints a line for the person.
    """

    def act(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[Any, Any]:
        show(obs)
        for key in keys:
            if key in bound:
                if masks is None or masks[0][bound[key]]:
                    return np.array([bound[key]]), None
                say(f"action {bound[key]} is not allowed now")
            elif key in END:
                break
            elif key == ANEW:
                say("this episode is restarted")
                raise Again
            else:
                say(f"{key!r} is not one of the keys; {explained(bound)}")
        raise Stop

    return act


def explained(bound: dict[str, int]) -> str:
    """Describe the keys in one line."""
    listed = ", ".join(f"{key}: {action}" for key, action in bound.items())
    return f"keys (key: action) {listed}; {ANEW}: restart this episode; {END[0]}: end and keep the complete episodes"


@contextmanager
def typed_keys(descriptor: int | None = None) -> Iterator[Iterator[str]]:
    """Keys from the terminal, without waiting for Enter, or from a pipe."""
    fd = sys.stdin.fileno() if descriptor is None else descriptor
    if not os.isatty(fd):
        yield _names(fd)
        return
    import termios
    import tty

    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)  # Ctrl-C still interrupts
    try:
        yield _names(fd)
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _names(fd: int) -> Iterator[str]:
    pipe = not os.isatty(fd)
    while data := os.read(fd, 1024):
        while data:
            piece = data[:3] if data[:3] in ESCAPES else data[:1]
            data = data[len(piece) :]
            if piece == b"\x04":  # Ctrl-D
                return
            if piece == b"\n" and pipe:  # the newline that echo appends
                continue
            yield ESCAPES.get(piece) or NAMED.get(piece) or piece.decode("latin-1")


def window_keys() -> Iterator[str]:
    """Keys pressed in the window that pygame has opened; closing it ends them."""
    import pygame

    names = {"return": "enter", "escape": "esc"}
    while True:
        if not pygame.display.get_init():
            return
        for event in pygame.event.get((pygame.KEYDOWN, pygame.QUIT)):
            if event.type == pygame.QUIT:
                return
            name = pygame.key.name(event.key)
            yield names.get(name, name)
        time.sleep(PAUSE)
