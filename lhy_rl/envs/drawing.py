"""Pictures of squares and cards, (H, W, 3) uint8, for ``render_mode="rgb_array"``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

SIDE = 400
"""Pictures are SIDE x SIDE, a multiple of 16, so that every video codec accepts them."""

GRID = 272
"""Height of the part of the picture that holds the grid."""

BACKGROUND, EMPTY, WHITE = (24, 24, 28), (52, 52, 58), (255, 255, 255)
RIGHT, WRONG = (70, 200, 90), (225, 60, 60)
BACK, NOW = (44, 62, 96), (255, 214, 10)  # the back of a card; the frame of the card that was dealt last
PAPER, BLACK, RED = (250, 250, 246), (30, 30, 36), (196, 24, 44)

PALETTE = np.array(
    [
        (86, 180, 233),
        (230, 159, 0),
        (0, 158, 115),
        (204, 121, 167),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (170, 170, 170),
    ],
    np.uint8,
)
"""Colours that colour-blind people can tell apart (Okabe and Ito 2008), and grey."""

Colour = tuple[int, int, int] | np.ndarray


def palette(n: int) -> np.ndarray:
    """(n, 3) colours; from the ninth on they repeat, darker."""
    index = np.arange(n)
    colours: np.ndarray = (PALETTE[index % 8] * 0.7 ** (index[:, None] // 8)).astype(np.uint8)
    return colours


def blank(colour: Colour = BACKGROUND) -> np.ndarray:
    """An empty picture, (SIDE, SIDE, 3)."""
    return np.full((SIDE, SIDE, 3), colour, np.uint8)


def square(picture: np.ndarray, top: int, left: int, side: int, colour: Colour, frame: Colour | None = None) -> None:
    """Draw a square, with a frame if one is given, into the picture."""
    if frame is not None:
        picture[top : top + side, left : left + side] = frame
        edge = max(2, side // 8)
        top, left, side = top + edge, left + edge, side - 2 * edge
    picture[top : top + side, left : left + side] = colour


class Card(NamedTuple):
    """A card: its character, the background colour and the colour of the character."""

    sign: str
    ground: tuple[int, int, int]
    ink: tuple[int, int, int]


FACE_DOWN = Card("", BACK, BACK)


@functools.lru_cache(maxsize=512)
def card_picture(card: Card, width: int, height: int, frame: tuple[int, int, int] | None = None) -> np.ndarray:
    """A card with round corners, (height, width, 3), with a frame if one is given."""
    from PIL import Image, ImageDraw

    times = 4  # drawn larger, so that the corners are smooth
    image = Image.new("RGB", (times * width, times * height), BACKGROUND)
    draw = ImageDraw.Draw(image)
    edge = times * max(2, width // 12) if frame else 0
    corners = (0, 0, times * width - 1, times * height - 1)
    draw.rounded_rectangle(corners, times * width // 8, card.ground, frame, edge)
    if card.sign:
        size = max(1, round(times * min(0.8 * width, 0.6 * height)))
        draw.text((times * width / 2, times * height / 2), card.sign, card.ink, font(size, "Sans-Bold"), anchor="mm")
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def cards(picture: np.ndarray, dealt: list[Card], count: int) -> None:
    """Draw cards in reading order into the upper part; the last one shown is framed, and the later ones lie face
    down."""
    columns = math.ceil(math.sqrt(len(dealt) * SIDE / GRID))
    rows = math.ceil(len(dealt) / columns)
    pitch = min(SIDE // columns, GRID // rows, 64)
    width, height = max(2, round(0.74 * pitch)), max(2, pitch - 2)
    left, top = (SIDE - pitch * columns) // 2 + (pitch - width) // 2, (GRID - pitch * rows) // 2 + 1
    for i, card in enumerate(dealt):
        row, column = divmod(i, columns)
        frame = NOW if i == count - 1 else None
        small = card_picture(card if i < count else FACE_DOWN, width, height, frame)
        paste(picture, small, top + row * pitch, left + column * pitch)


def paste(picture: np.ndarray, small: np.ndarray, top: int, left: int) -> None:
    """Put a smaller picture into a picture."""
    picture[top : top + len(small), left : left + small.shape[1]] = small


def label(picture: np.ndarray, text: str, top: int, middle: int, size: int = 16) -> None:
    """Write a line of text into the picture, around the column ``middle``."""
    from PIL import Image, ImageDraw

    letters = font(size, "Sans")
    width = math.ceil(letters.getlength(text)) + 2
    image = Image.new("RGB", (width, round(1.4 * size)), BACKGROUND)
    ImageDraw.Draw(image).text((width / 2, 0.7 * size), text, (200, 205, 214), letters, anchor="mm")
    paste(picture, np.asarray(image), top, middle - width // 2)


def conversation(facts: list[str], utterances: list[tuple[bool, str]]) -> np.ndarray:
    """A conversation as a picture: the facts above, the utterances below, the newest at the bottom.

    Args:
        facts: Lines of text.
        utterances: For each utterance whether it is drawn on the right, and its text.
    """
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (SIDE, SIDE), BACKGROUND)
    draw = ImageDraw.Draw(image)
    size, pad = 13, 6
    letters = font(size, "Sans")
    top = SIDE - 4
    for right, text in reversed(utterances):
        words = shortened(text, letters.getlength, SIDE - 60) or "..."
        width, height = math.ceil(letters.getlength(words)) + 2 * pad, size + 2 * pad
        left = SIDE - 8 - width if right else 8
        top -= height + 4
        colour = (0, 96, 160) if right else EMPTY
        draw.rounded_rectangle((left, top, left + width, top + height), pad, colour)
        draw.text((left + pad, top + height / 2), words, WHITE, letters, anchor="lm")
    bottom = 8 + len(facts) * round(1.5 * size)
    draw.rectangle((0, 0, SIDE, bottom), BACKGROUND)  # older utterances are hidden by it
    for i, fact in enumerate(facts):
        words = shortened(fact, letters.getlength, SIDE - 16)
        draw.text((8, 6 + round(1.5 * size * i)), words, (200, 205, 214), letters)
    return np.asarray(image)


def shortened(text: str, length: Callable[[str], float], most: float) -> str:
    """The text on one line, cut where it is longer than ``most``."""
    text = " ".join(text.split())
    while length(text) > most:
        text = text[: -2 - len(text) // 50].rstrip() + "…"
    return text


@functools.lru_cache(maxsize=64)
def font(size: int, style: str) -> FreeTypeFont:
    """DejaVu, which comes with matplotlib and has the suits: ``Sans``, ``Sans-Bold`` or ``SansMono``."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf" / f"DejaVu{style}.ttf", size)


def enlarged(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) to (SIDE, SIDE, 3), each pixel a block, in the middle."""
    height, width = picture.shape[:2]
    scale = SIDE // max(height, width)
    if scale == 0:  # larger than SIDE: subsample the pixels
        stride = math.ceil(max(height, width) / SIDE)
        return enlarged(picture[::stride, ::stride])
    result = blank()
    top, left = (SIDE - scale * height) // 2, (SIDE - scale * width) // 2
    block = picture.repeat(scale, 0).repeat(scale, 1)
    result[top : top + scale * height, left : left + scale * width] = block
    return result
