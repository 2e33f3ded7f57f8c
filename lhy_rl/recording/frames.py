"""What becomes a frame of a film: the picture (or the text) that an environment renders, with a caption below it."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.envs.drawing import font

LEAST = 240  # pixels: smaller pictures are shown larger, so that a caption can be read
GROUND, INK, ACCENT = (24, 24, 28), (255, 255, 255), (144, 205, 244)
NO_GRAPHICS = ("mujoco", "OpenGL", "glGetError", "eglQuery", "EGL")  # in what is raised without a graphics library
TEXT_WIDTH, TEXT_SIZE = 420, 20  # of text that is filmed


def frame(rendered: Any, name: str, step: int, total: float, most: int | None = None) -> np.ndarray:
    """A frame of a film, (H, W, 3) bytes.

    Args:
        rendered: What ``env.render()`` gave: a picture (H, W, 3), or text.
        name: Who acts.
        step: Steps of this episode so far.
        total: The episode's return so far.
        most: Width in pixels that a wider picture is shrunk to; None keeps its size.

    Raises:
        UserError: the environment gave something else.
    """
    picture = text_picture(rendered) if isinstance(rendered, str) else sized(pixels(rendered), most)
    return captioned(picture, name, f"step {step}", f"return {total:.4g}")


def render(env: Any) -> Any:
    """What ``env.render()`` gives.

    Raises:
        UserError: MuJoCo has no graphics library here.
        Exception: whatever else its renderer raises.
    """
    try:
        return env.render()
    except Exception as error:
        if not any(sign in f"{type(error).__module__} {error}" for sign in NO_GRAPHICS):
            raise
        hint = "install libegl1, or set MUJOCO_GL to egl, osmesa or glfw"
        raise UserError(f"MuJoCo found nothing to draw with ({' '.join(str(error).split())[:100]}); {hint}") from error


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
    """Small pictures larger by a whole number, so that their pixels stay squares; wide ones at most ``most`` wide."""
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
    """The picture on top of a strip of text: the name on the left, the facts at places that do not move."""
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
