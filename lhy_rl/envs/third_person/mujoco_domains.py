"""The appearance of a MuJoCo model: a camera and a skin, given relative to the model's own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.envs.third_person.domains import Colour

MOST = {"turn": (-180, 180), "lift": (-90, 90), "zoom": (0.1, 10), "hue": (-180, 180)}


@dataclass(frozen=True)
class MujocoDomain:
    """A camera and a skin; every value is relative to the learner's own view.

    Attributes:
        turn: Degrees by which the camera is moved round the model (azimuth).
        lift: Degrees by which it is lifted (elevation).
        zoom: Magnification.
        hue: Degrees by which every colour of the model is turned on the colour wheel.
        colours: Name of a geom or a material to its colour, red, green and blue from 0 to 255.
        background: Colour of the background; None: the model's own.

    Raises:
        UserError: a number out of its range, or an invalid colour.
    """

    turn: float = 0.0
    lift: float = 0.0
    zoom: float = 1.0
    hue: float = 0.0
    colours: Mapping[str, Colour] = field(default_factory=dict)
    background: Colour | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in MOST.items():
            given = getattr(self, name)
            if not _number(given, low, high):
                raise UserError(f"domain's {name} is {brief(given)}; allowed: {low} to {high}")
        if not isinstance(self.colours, Mapping):
            raise UserError(
                f"domain's colours are {brief(self.colours)}; allowed: names to colours, {{cpole: [179, 0, 0]}}"
            )
        for name, colour in [*self.colours.items(), *([("background", self.background)] if self.background else [])]:
            fits = isinstance(colour, list | tuple) and len(colour) == 3
            if not fits or not all(_number(value, 0, 255) for value in colour):
                raise UserError(f"domain's colour of {name} is {brief(colour)}; allowed: 3 numbers from 0 to 255")


def _number(value: Any, low: float, high: float) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high
    )


@dataclass(frozen=True)
class OwnView:
    """The learner's own view of a model.

    Attributes:
        camera: Values of MuJoCo's free camera (``azimuth``, ``elevation``, ``distance``, ``lookat``); values left out
            are the environment's own.
        sizes: Name of a geom to the factor by which it is drawn larger than it is, so that few pixels show it.
    """

    camera: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, float] = field(default_factory=dict)


OWN: dict[str, OwnView] = {
    "InvertedPendulum": OwnView({"azimuth": 90.0, "elevation": -10.0, "distance": 2.2, "lookat": (0.0, 0.0, 0.2)}),
    "Reacher": OwnView(
        {"azimuth": 90.0, "elevation": -90.0, "distance": 0.55, "lookat": (0.0, 0.0, 0.0)},
        {"target": 2.5, "fingertip": 2.0, "link0": 1.5, "link1": 1.5},
    ),
}
"""Name of an environment, without its version, to the learner's view of it."""

DOMAINS: dict[str, MujocoDomain] = {
    "own": MujocoDomain(),
    "expert": MujocoDomain(turn=30.0, lift=15.0, hue=120.0, background=(110, 110, 110)),
    "colour": MujocoDomain(hue=120.0, background=(110, 110, 110)),
    "camera": MujocoDomain(turn=30.0, lift=15.0),
    "test": MujocoDomain(turn=-20.0, lift=25.0, zoom=0.85, hue=-100.0, background=(40, 60, 90)),
}
"""The domains of any environment; ``test`` has values that no other has, to test models trained on the others."""

RED, DARK, GREEN = (179, 0, 0), (77, 77, 77), (51, 230, 51)
PAPER: dict[str, dict[str, MujocoDomain]] = {
    "InvertedPendulum": {
        "expert": MujocoDomain(colours={"cpole": RED}),
        "colour": MujocoDomain(colours={"cpole": RED}),
    },
    "Reacher": {
        "expert": MujocoDomain(lift=24.4, colours={"target": GREEN, "ground": DARK}),
        "colour": MujocoDomain(colours={"target": GREEN, "ground": DARK}),
        "camera": MujocoDomain(lift=24.4),
    },
}
"""The domains of the paper's two environments, where they differ: its pole is red for one and cyan for the other; its
cameras of the reacher stand 24.4 degrees apart, at -20.6 and at MuJoCo's -45, the target has another colour and the
ground is dark (Stadie et al. 2017, section 6 and their code)."""


def family(env_id: str) -> str:
    """``gymnasium:Reacher-v5`` to ``Reacher``."""
    return str(env_id).rpartition(":")[2].rpartition("/")[2].rpartition("-v")[0]


def mujoco_domain(given: str | MujocoDomain | Mapping[str, Any], env_id: str) -> MujocoDomain:
    """A domain from its name, or from ``own`` with other values: ``{"turn": 15.0}``; with ``name`` from that domain.

    Raises:
        UserError: an unknown name or value.
    """
    if isinstance(given, MujocoDomain):
        return given
    known = DOMAINS | PAPER.get(family(env_id), {})
    if isinstance(given, Mapping):
        values = dict(given)
        base = mujoco_domain(str(values.pop("name", "own")), env_id)
        names = [value.name for value in fields(MujocoDomain)]
        for name in values:
            if name not in names:
                raise suggest(str(name), ["name", *names], "key of a domain")
        return replace(base, **values)
    if not isinstance(given, str) or given not in known:
        raise suggest(str(given), known, "domain")
    return known[given]
