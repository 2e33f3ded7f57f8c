"""Letters as pictures, drawn from the fonts that come with matplotlib."""

from __future__ import annotations

import string
from functools import cache
from pathlib import Path

import numpy as np

from lhy_rl.core.errors import suggest

LETTERS = string.ascii_uppercase
SIDE, HEIGHT = 28, 22  # pixels: side of a picture, and largest height of a capital letter


def fonts() -> dict[str, Path]:
    """The fonts that have all capital letters: name to file."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    letterless = ("STIXSiz", "STIXNonUni", "cmex", "cmsy", "LastResort", "Display")
    return {path.stem: path for path in sorted(folder.glob("*.ttf")) if not any(x in path.stem for x in letterless)}


@cache
def load_glyphs(font: str) -> np.ndarray:
    """The capital letters A to Z, each in the middle of its picture: (26, 28, 28) float32 from 0 to 1, read-only.

    Raises:
        UserError: There is no such font.
    """
    from PIL import Image, ImageDraw, ImageFont

    known = fonts()
    if font not in known:
        raise suggest(font, known, "font")
    times = 4  # drawn larger, so that the edges are smooth
    letters = ImageFont.truetype(known[font], 100)
    boxes = [letters.getbbox(letter) for letter in LETTERS]
    largest = max(max(right - left, bottom - top) for left, top, right, bottom in boxes)
    letters = ImageFont.truetype(known[font], round(100 * times * HEIGHT / largest))
    pictures = []
    for letter in LETTERS:
        left, top, right, bottom = letters.getbbox(letter)
        image = Image.new("L", (times * SIDE, times * SIDE))
        place = (times * SIDE - left - right) / 2, (times * SIDE - top - bottom) / 2
        ImageDraw.Draw(image).text(place, letter, 255, letters)
        pictures.append(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255)
    glyphs = np.stack(pictures)
    glyphs.setflags(write=False)
    return glyphs
