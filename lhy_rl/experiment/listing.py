"""What there is, with a line on each: configurations, agents, environments, backbones."""

from __future__ import annotations

import inspect
from typing import Any


def listing(kind: str) -> list[tuple[str, str]]:
    """Names and summaries of one kind: ``configurations``, ``agents``, ``environments`` or ``backbones``."""
    return {
        "configurations": _configurations,
        "agents": _agents,
        "environments": _environments,
        "backbones": _backbones,
    }[kind]()


def _configurations() -> list[tuple[str, str]]:
    """Each with the comment at the top of its YAML."""
    from lhy_rl.experiment.config import find, names

    rows = []
    for name in names():
        first = find(name).read_text(encoding="utf-8").split("\n", 1)[0]
        rows.append((name, first.lstrip("# ") if first.startswith("#") else ""))
    return rows


def _agents() -> list[tuple[str, str]]:
    from lhy_rl.agents import agents

    return [(name, _summary(agents.get(name))) for name in agents.names()]


def _environments() -> list[tuple[str, str]]:
    from lhy_rl.envs.registration import TABLE

    return [(row.id, row.summary) for row in TABLE]


def _backbones() -> list[tuple[str, str]]:
    from lhy_rl.nn.sequence import cores

    return [(name, _summary(cores.get(name))) for name in cores.names()]


def _summary(thing: Any) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
