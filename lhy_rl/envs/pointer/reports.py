"""Random reports of events with new names, and their headlines."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

EVENTS = (  # the more important first: the report's sentence and its headline; {...} are names
    ("a quake hit {p} and {a} of {q} asked for help", "quake in {p} , {a} asks for help"),
    ("{a} won the election in {p} against {b}", "{a} beats {b} in {p}"),
    ("in {p} the rivals {a} and {b} signed a treaty", "{a} and {b} make peace"),
    ("a court in {p} freed {a} after a plea by {b}", "{p} : court frees {a}"),
    ("the firm {q} of {a} opened a plant in {p}", "{q} opens plant in {p}"),
    ("{a} of {p} broke the record of {b}", "record of {b} falls to {a}"),
    ("{a} sang for {b} before a crowd in {p}", "{a} sings in {p}"),
)
TIMES = ("on monday", "on friday", "last night", "yesterday", "late on sunday", "this morning")
SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
END, UNKNOWN = 0, 1
NAMES = 48  # numbers for the names of a report


def _words() -> list[str]:
    texts = " ".join((*(text for event in EVENTS for text in event), *TIMES, "."))
    return sorted({word for word in texts.split() if not word.startswith("{")})


WORDS = ("<end>", "<unknown>", *_words())
"""The vocabulary: no name is in it."""
NUMBER = {word: i for i, word in enumerate(WORDS)}


class Reports(NamedTuple):
    """N reports and their headlines as numbers; names are len(WORDS) and above.

    Attributes:
        sources: (N, L) reports, padded.
        source_lengths: (N,) their lengths.
        headlines: (N, T) headlines, each closed by the end token, padded.
        lengths: (N,) their lengths, end token included.
        names: (N, NAMES) for each number of a name the argument of :func:`name`.
    """

    sources: np.ndarray
    source_lengths: np.ndarray
    headlines: np.ndarray
    lengths: np.ndarray
    names: np.ndarray


def draw(n: int, events: int, pad: int, rng: np.random.Generator) -> Reports:
    """Draw reports of 1 to ``events`` different events, in any order; the headline is the most important one's.

    The number of a name is drawn as well, so that it carries no meaning.
    """
    sources, headlines = [], []
    for _ in range(n):
        chosen = rng.permutation(len(EVENTS))[: rng.integers(1, events + 1)]
        numbers, source, headline = iter(rng.permutation(NAMES)), [], []
        for event in chosen:
            report, title = EVENTS[event]
            given = {slot: len(WORDS) + int(next(numbers)) for slot in re.findall(r"{(\w)}", report)}
            source += _numbers(f"{TIMES[rng.integers(len(TIMES))]} {report} .", given)
            if event == chosen.min():
                headline = [*_numbers(title, given), END]
        sources.append(source)
        headlines.append(headline)
    names = rng.integers(len(SYLLABLES) ** 3, size=(n, NAMES))
    return Reports(*_padded(sources, longest_source(events), pad), *_padded(headlines, longest_headline(), pad), names)


def _numbers(text: str, given: dict[str, int]) -> list[int]:
    return [given[word[1]] if word.startswith("{") else NUMBER[word] for word in text.split()]


def _padded(rows: list[list[int]], length: int, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, length) and the lengths (N,)."""
    lengths = np.array([len(row) for row in rows])
    table = np.full((len(rows), length), pad)
    table[np.arange(length) < lengths[:, None]] = np.concatenate(rows)
    return table, lengths


def longest_source(events: int) -> int:
    """L, the greatest number of words of a report."""
    return events * (max(len(report.split()) for report, _ in EVENTS) + max(len(t.split()) for t in TIMES) + 1)


def longest_headline() -> int:
    """T, the greatest number of words of a headline, end token included."""
    return max(len(title.split()) for _, title in EVENTS) + 1


def name(number: int) -> str:
    """A name's text."""
    k = len(SYLLABLES)
    return "".join(SYLLABLES[number // k**i % k] for i in range(3)).capitalize()
