"""What there is, with a line on each: configurations, benchmarks, agents, environments and parts chosen by name."""

from __future__ import annotations

import inspect
import re
from typing import Any

from lhy_rl.cli.arguments import parser, table
from lhy_rl.core.errors import UserError
from lhy_rl.core.registry import Registry


def listing(kind: str) -> list[tuple[str, str]]:
    """Names and summaries of one kind: ``configurations``, ``benchmarks``, ``environments``, ``demonstrations``, or a
    registry."""
    if kind == "configurations":
        return _configurations()
    if kind == "benchmarks":
        from lhy_rl.benchmark import spec

        return [(name, spec.summary(name)) for name in spec.names()]
    if kind == "environments":
        return _environments()
    if kind == "demonstrations":
        return _demonstrations()
    found: Registry = REGISTRIES[kind]()
    return [(name, _summary(found.get(name))) for name in found.names()]


def _configurations() -> list[tuple[str, str]]:
    """Each with the comment at the top of its YAML."""
    from lhy_rl.experiment.yaml_files import config_names, find_config, summary

    return [(name, summary(find_config(name))) for name in config_names()]


def _agents() -> Registry:
    from lhy_rl.agents import agents

    return agents


def _environments() -> list[tuple[str, str]]:
    from lhy_rl.envs.registration import TABLE, WRAPPED

    return [(row.id, row.summary) for row in TABLE + WRAPPED]


def _demonstrations() -> list[tuple[str, str]]:
    """Those that are shipped, and Minari's local datasets where Minari is installed."""
    from lhy_rl.data import shipped

    rows = [(name, shipped.summary(name)) for name in shipped.names()]
    try:
        from lhy_rl.interop.minari import list_minari
    except UserError:
        return rows
    return rows + list_minari()


def _backbones() -> Registry:
    from lhy_rl.nn.backbones.base import cores

    return cores


def _discriminators() -> Registry:
    from lhy_rl.nn.discriminators.sequence import discriminators

    return discriminators


def _objectives() -> Registry:
    from lhy_rl.functional.adversarial import objectives

    return objectives


REGISTRIES = {
    "agents": _agents,
    "backbones": _backbones,
    "discriminators": _discriminators,
    "objectives": _objectives,
}


def _summary(thing: Any) -> str:
    """The first paragraph of a docstring, in one line, without Sphinx's roles."""
    first = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return re.sub(r":\w+:`([^`]*)`", r"\1", first)


def command_list(arguments: list[str]) -> int:
    made = parser("list", "lhy-rl list agents")
    kinds = ["configurations", "benchmarks", "agents", "environments", "demonstrations"]
    kinds += ["backbones", "discriminators", "objectives"]
    allowed = f"one of {', '.join(kinds)} (default: everything)"
    made.add_argument("kind", nargs="?", metavar="KIND", choices=kinds, help=allowed)
    chosen = made.parse_args(arguments).kind
    for kind in [chosen] if chosen else kinds:
        print(f"{kind}:\n{table(listing(kind))}")
    return 0
