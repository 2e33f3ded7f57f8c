"""Captions of pictures: their grammar, and a parser.

    caption = thing, {"and", thing}      thing = "a", colour, shape, row, column

A picture is a grid of 3 x 3 places, each empty or with one coloured shape, and a caption names the things in reading
order: "a red circle top left and a blue cross bottom centre".
"""

from __future__ import annotations

import numpy as np

from lhy_rl.envs.vision.shapes import COLOURS, SHAPES

GRID = 3
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
WORDS = ("<end>", "a", "and", *COLOURS, *SHAPES, *ROWS, *COLUMNS)
END, A, AND = 0, 1, 2
VOCABULARY = len(WORDS)
START, PAD = VOCABULARY, VOCABULARY + 1
SIZES = (len(COLOURS), len(SHAPES), GRID, GRID)
FIRST = COLOUR, SHAPE, ROW, COLUMN = tuple(WORDS.index(names[0]) for names in (COLOURS, SHAPES, ROWS, COLUMNS))
"""The first token of each kind."""
THING = 5
"""Tokens of a thing."""
COMBINATIONS = len(COLOURS) * len(SHAPES)
HELD_OUT = np.array([len(SHAPES) * colour + (2 * colour + 1) % len(SHAPES) for colour in range(len(COLOURS))])
"""One shape of each colour that only the test split has: colour * 5 + shape."""


def things(colours: np.ndarray, shapes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(N, 5) tokens that name a coloured shape at a place of the grid; arguments (N,)."""
    row, column = np.divmod(places, GRID)
    parts = np.full_like(colours, A), COLOUR + colours, SHAPE + shapes, ROW + row, COLUMN + column
    named: np.ndarray = np.stack(parts, 1)
    return named


def longest(count: int) -> int:
    """Number of tokens of a caption of ``count`` things, end token included."""
    return (THING + 1) * count


def captions(cells: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The captions of pictures, closed by the end token and filled up with pads, and their lengths (N,).

    Args:
        cells: (N, 9) in reading order: colour * 5 + shape, or -1 where there is nothing.
        count: Greatest number of things in a picture; each has at least one.
    """
    n = len(cells)
    picture, place = np.nonzero(cells >= 0)
    number = np.concatenate([np.arange(k) for k in np.bincount(picture, minlength=n)])  # of the things of its picture
    written = np.full((n, count, THING + 1), PAD, np.int64)
    written[picture, number, :THING] = things(*np.divmod(cells[picture, place], len(SHAPES)), place)
    written[picture, number, THING] = AND
    total = (cells >= 0).sum(1)
    written[np.arange(n), total - 1, THING] = END
    return written.reshape(n, -1), total * (THING + 1)


def parsed(tokens: np.ndarray, length: int) -> list[tuple[int, int] | None]:
    """The things that a caption names, as place and colour * 5 + shape; None for words that name no thing."""
    words: list[int] = tokens[:length].tolist()
    if words and words[-1] == END:
        words.pop()
    found: list[tuple[int, int] | None] = []
    begin = 0
    for end in [i for i, word in enumerate(words) if word == AND] + [len(words)]:
        found.append(_thing(words[begin:end]))
        begin = end + 1
    return found


def _thing(words: list[int]) -> tuple[int, int] | None:
    """A place and colour * 5 + shape; None where the words name no thing."""
    if len(words) != THING or words[0] != A:
        return None
    numbers = [word - first for word, first in zip(words[1:], FIRST, strict=True)]
    if not all(0 <= number < size for number, size in zip(numbers, SIZES, strict=True)):
        return None
    colour, shape, row, column = numbers
    return GRID * row + column, len(SHAPES) * colour + shape


def truth(tokens: np.ndarray, lengths: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(N,) scores from 0 to 1 of how correct and how complete captions are.

        F = 2 sum_i r_i / (m + k)

    with m the number of things named, k the number in the picture, and r_i half the number of right words of colour and
    shape for the i-th named thing, if there is a thing at its place that was not named before. The order is free; a
    caption that names everything and nothing else gets 1.

    Args:
        tokens: (N, T); lengths: (N,), end token included.
        cells: (N, 9) the pictures.
    """
    scores = np.zeros(len(tokens))
    for n, (row, length) in enumerate(zip(tokens, lengths, strict=True)):
        named = parsed(row, int(length))
        there = {place: int(cells[n, place]) for place in np.flatnonzero(cells[n] >= 0).tolist()}
        size, right = len(named) + len(there), 0.0
        for thing in named:
            if thing is not None and thing[0] in there:
                true = divmod(there.pop(thing[0]), len(SHAPES))
                right += sum(a == b for a, b in zip(true, divmod(thing[1], len(SHAPES)), strict=True)) / 2
        scores[n] = 2 * right / size
    return scores


def spoken(tokens: np.ndarray) -> str:
    """Tokens (T,) as text, up to the end."""
    words = [int(token) for token in tokens]
    stop = next((i for i, word in enumerate(words) if word == END or word >= VOCABULARY), None)
    return " ".join(WORDS[word] for word in words[:stop])
