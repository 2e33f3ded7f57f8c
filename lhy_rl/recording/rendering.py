"""Make an environment in a suitable render mode, and turn its renderings into frames of a film with a caption."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import Any

import gymnasium
import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.core.graphics import NO_GRAPHICS, NO_SCREEN, nothing_to_draw_with, without_a_screen
from lhy_rl.envs.drawing import font
from lhy_rl.experiment.config import Config, environment_options

LEAST = 240  # pixels: smaller pictures are shown larger, so that a caption can be read
GROUND, INK, ACCENT = (24, 24, 28), (255, 255, 255), (144, 205, 244)
TEXT_WIDTH, TEXT_SIZE = 420, 20  # pixels: width of filmed text, and size of its font


def make_environment(config: Config, filmed: bool) -> gymnasium.Env[Any, Any]:
    """One instance of the run's environment, in a render mode that shows it.

    Raises:
        UserError: it has no suitable mode, or there is no screen for its window.
    """
    env_id, options = config.values["env"]["id"], environment_options(config)
    without_a_screen()
    return gymnasium.make(env_id, render_mode=choose_mode(env_id, render_modes(env_id, options), filmed), **options)


def render_modes(env_id: str, options: dict[str, Any]) -> list[str]:
    """Return an environment's render modes, by making it, since its id may stand for a function or a wrapper."""
    env = gymnasium.make(env_id, **options)
    try:
        return list(env.metadata.get("render_modes") or [])
    finally:
        env.close()


def choose_mode(env_id: str, modes: list[str], filmed: bool) -> str:
    """Choose the render mode: for a film or a window if possible, otherwise text, which can be filmed, too."""
    has = f"{env_id} renders {', '.join(modes) or 'nothing'}"
    if filmed:
        for mode in ("rgb_array", "ansi"):
            if mode in modes:
                return mode
        raise UserError(f"{has}, no pictures; a film needs rgb_array or ansi")
    window = "human" in modes or "rgb_array" in modes  # Gymnasium shows an rgb_array in a window, too
    if window and "human" in modes and has_screen():
        return "human"
    if "ansi" in modes:
        return "ansi"
    if window and not has_screen():
        raise UserError(f"there is no screen here to show {env_id} on; --output film.gif makes a film")
    if window:
        return "human"
    raise UserError(f"{has}; a window or text needs human, rgb_array or ansi")


def has_screen() -> bool:
    """Whether there is a screen to show a window on; on systems other than Linux it is always true."""
    given = [os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")]
    return any(name not in (None, "", NO_SCREEN) for name in given) or not sys.platform.startswith("linux")


def frame(rendered: Any, name: str, step: int, total: float, most: int | None = None) -> np.ndarray:
    """A frame of a film, (H, W, 3) bytes.

    Args:
        rendered: The result of ``env.render()``: a picture (H, W, 3), or text.
        name: Name of the policy.
        step: Steps of this episode so far.
        total: The episode's return so far.
        most: Maximum width in pixels; wider pictures are shrunk to it. None keeps the size.

    Raises:
        UserError: the environment rendered something else.
    """
    picture = text_picture(rendered) if isinstance(rendered, str) else sized(pixels(rendered), most)
    return captioned(picture, name, f"step {step}", f"return {total:.4g}")


def render(env: Any) -> Any:
    """Call ``env.render()``.

    Raises:
        UserError: MuJoCo has no graphics library here.
        Exception: whatever else its renderer raises.
    """
    try:
        return env.render()
    except Exception as error:
        if not any(sign in f"{type(error).__module__} {error}" for sign in NO_GRAPHICS):
            raise
        raise nothing_to_draw_with(error) from error


def pixels(rendered: Any) -> np.ndarray:
    """A picture as (H, W, 3) bytes.

    Raises:
        UserError: it is something else.
    """
    array = np.asarray(rendered)
    if array.ndim != 3 or array.shape[2] < 3 or array.dtype != np.uint8:
        raise UserError(f"the environment renders {array.dtype} of shape {array.shape}; a film needs (H, W, 3) bytes")
    return array[:, :, :3]


def sized(picture: np.ndarray, most: int | None) -> np.ndarray:
    """Enlarge small pictures by a whole factor, so that their pixels stay squares; shrink wide ones to ``most``."""
    height, width = picture.shape[:2]
    if width < LEAST:
        times = -(-LEAST // width)
        return picture.repeat(times, 0).repeat(times, 1)
    if most is None or width <= most:
        return picture
    from PIL import Image

    size = most, round(height * most / width)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


def captioned(picture: np.ndarray, name: str, *facts: str) -> np.ndarray:
    """The picture on top of a strip of text: the name on the left, the facts at fixed places."""
    from PIL import Image, ImageDraw

    height, width = picture.shape[:2]
    size = min(max(width // 25, 11), 20)
    result = Image.new("RGB", (width, height + 2 * size), GROUND)
    result.paste(Image.fromarray(picture))
    draw, line, pad = ImageDraw.Draw(result), height + size, size // 2
    facts_at = [round(width * share) for share in (0.42, 0.66)]
    bold, plain = font(size, "Sans-Bold"), font(size, "Sans")
    while name and draw.textlength(name, bold) > facts_at[0] - 2 * pad:
        name = name[:-2].rstrip() + "…" if len(name) > 2 else ""
    draw.text((pad, line), name, ACCENT, bold, anchor="lm")
    for x, fact in zip(facts_at, facts, strict=True):
        draw.text((x, line), fact, INK, plain, anchor="lm")
    return np.asarray(result)


def text_picture(text: str) -> np.ndarray:
    """Text as a picture, always of the same size where it has at most six lines of 31 letters."""
    from PIL import Image, ImageDraw

    letters = font(TEXT_SIZE, "SansMono")
    columns = int((TEXT_WIDTH - 2 * TEXT_SIZE) // letters.getlength("M"))
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, columns) or [""]]
    rows = max(6, len(lines))
    result = Image.new("RGB", (TEXT_WIDTH, round(1.5 * TEXT_SIZE * rows) + TEXT_SIZE), GROUND)
    draw = ImageDraw.Draw(result)
    for row, line in enumerate(lines):
        draw.text((TEXT_SIZE, TEXT_SIZE // 2 + round(1.5 * TEXT_SIZE * row)), line, INK, letters)
    return np.asarray(result)
