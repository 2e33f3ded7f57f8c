"""Domains: the appearance of a task to an observer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from lhy_rl.core.errors import UserError, brief, suggest

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Domain:
    """A camera, colours and a body.

    Attributes:
        background, body, target: Colours, red, green and blue from 0 to 255.
        angle: Degrees by which the camera is turned around the vertical axis.
        tilt: Degrees by which the camera is lowered; distances in depth look compressed.
        shift: Shift of the picture to the right and upwards, in half-widths.
        zoom: Magnification.
        clutter: Number of meaningless grey discs.
        proportions: Lengths of the body's parts, relative to the learner's.

    Raises:
        UserError: a number out of its range.
    """

    background: Colour = (24, 24, 28)
    body: Colour = (86, 180, 233)
    target: Colour = (230, 159, 0)
    angle: float = 0.0
    tilt: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    clutter: int = 0
    proportions: tuple[float, ...] = (1.0, 1.0)

    def __post_init__(self) -> None:
        for name, low, high in (("angle", -180, 180), ("tilt", 0, 80), ("zoom", 0.2, 5), ("clutter", 0, 100)):
            if not _between(getattr(self, name), low, high):
                raise UserError(f"domain's {name} is {brief(getattr(self, name))}; allowed: {low} to {high}")
        for name, count, low, high in (
            *((colour, 3, 0, 255) for colour in ("background", "body", "target")),
            ("shift", 2, -1, 1),
            ("proportions", 2, 0.2, 3),
        ):
            given = getattr(self, name)
            fits = isinstance(given, list | tuple) and len(given) == count
            if not fits or not all(_between(value, low, high) for value in given):
                raise UserError(f"domain's {name} is {brief(given)}; allowed: {count} numbers from {low} to {high}")
            object.__setattr__(self, name, tuple(given))


def _between(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


OTHER = Domain(background=(232, 226, 208), body=(150, 20, 60), target=(0, 110, 80))

DOMAINS: dict[str, Domain] = {
    "own": Domain(),
    "expert": replace(OTHER, angle=30.0, tilt=40.0),
    "colour": OTHER,
    "turned": replace(OTHER, angle=30.0, shift=(0.2, -0.1), zoom=0.85),
    "target": Domain(background=(84, 78, 70), target=(0, 158, 115)),
    "angle": Domain(angle=30.0),
    "tilt": Domain(tilt=40.0),
    "shift": Domain(shift=(0.25, -0.15), zoom=0.75),
    "clutter": Domain(clutter=6),
    "body": Domain(proportions=(0.75, 1.25)),
    "test": Domain((40, 60, 90), (250, 240, 120), (255, 120, 200), -20.0, 25.0, (-0.1, 0.1), 0.85, 3, (1.15, 0.9)),
}
"""The registered domains. ``test`` has values that no other has, to test models that were trained on the others."""


def domain_of(given: str | Domain | Mapping[str, Any]) -> Domain:
    """A domain from its name, or from ``own`` with other values: ``{"angle": 15.0}``; with ``name`` from that domain.

    Raises:
        UserError: an unknown name or value.
    """
    if isinstance(given, Domain):
        return given
    if isinstance(given, Mapping):
        values = dict(given)
        base = domain_of(str(values.pop("name", "own")))
        known = [field.name for field in fields(Domain)]
        for name in values:
            if name not in known:
                raise suggest(str(name), ["name", *known], "key of a domain")
        return replace(base, **values)
    if not isinstance(given, str) or given not in DOMAINS:
        raise suggest(str(given), DOMAINS, "domain")
    return DOMAINS[given]
