"""``lhy-rl list``: everything that has a name, described in a line: configurations, agents, environments and so on."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from lhy_rl.cli.arguments import parser, table
from lhy_rl.core.errors import UserError

REGISTRIES = {
    "agents": "lhy_rl.agents:agents",
    "generators": "lhy_rl.agents.adversarial.gail:GENERATORS",
    "wrappers": "lhy_rl.envs.wrappers:wrappers",
    "corpora": "lhy_rl.data.corpora:CORPORA",
    "experts": "lhy_rl.rollouts.scripted_controllers:EXPERTS",
    "partners": "lhy_rl.envs.dialogue.negotiation_bots:partners",
    "backbones": "lhy_rl.nn.backbones.base:cores",
    "encoders": "lhy_rl.nn.encoders.select:encoders",
    "source_encoders": "lhy_rl.nn.sources.base:source_encoders",
    "attentions": "lhy_rl.nn.sources.attention:attentions",
    "activations": "lhy_rl.nn.layers.activations:activations",
    "discriminators": "lhy_rl.nn.discriminators.sequence:discriminators",
    "sample_networks": "lhy_rl.nn.generative.sample_networks:sample_networks",
    "transition_discriminators": "lhy_rl.nn.discriminators.transition:transition_discriminators",
    "language_models": "lhy_rl.nn.language_models.base:language_models",
    "objectives": "lhy_rl.functional.adversarial:objectives",
    "reward_models": "lhy_rl.agents.common.reward_model:reward_models",
    "reply_rewards": "lhy_rl.envs.dialogue.chat.rewards:rewards",
    "reply_scorers": "lhy_rl.envs.dialogue.chat.rewards:scorers",
    "searchers": "lhy_rl.experiment.searchers:searchers",
    "children": "lhy_rl.search.children:children",
    "printers": "lhy_rl.search.printers:printers",
    "rewards": "lhy_rl.functional.discriminator_rewards:FORMS",
}
"""Kind of thing to its :class:`lhy_rl.core.registry.Registry`; of corpora and experts, to a dict."""

KINDS = ("configurations", "benchmarks", "agents", "environments", "demonstrations", *list(REGISTRIES)[1:], "choices")


def listing(kind: str) -> list[tuple[str, str]]:
    """Names and summaries of one of :data:`KINDS`."""
    if kind in REGISTRIES:
        module, _, attribute = REGISTRIES[kind].partition(":")
        found = getattr(importlib.import_module(module), attribute)
        return [(name, _summary(found[name])) for name in sorted(found)]
    rows: list[tuple[str, str]] = {
        "configurations": _configurations,
        "benchmarks": _benchmarks,
        "environments": _environments,
        "demonstrations": _demonstrations,
        "choices": _choices,
    }[kind]()
    return rows


def _configurations() -> list[tuple[str, str]]:
    """The shipped configurations, each with the comment at the top of its YAML."""
    from lhy_rl.experiment.yaml_files import config_names, find_configs, summary

    folder = find_configs()
    return [(name, summary(folder / f"{name}.yaml")) for name in config_names()]


def _benchmarks() -> list[tuple[str, str]]:
    from lhy_rl.benchmark import spec

    return [(name, spec.summary(name)) for name in spec.names()]


def _environments() -> list[tuple[str, str]]:
    from lhy_rl.envs.registration import GAMES, TABLE, WRAPPED

    return [(row.id, row.summary) for row in TABLE + WRAPPED + GAMES]


def _demonstrations() -> list[tuple[str, str]]:
    """The demonstrations that are shipped, and Minari's local datasets where Minari is installed."""
    from lhy_rl.data import shipped

    rows = [(name, shipped.summary(name)) for name in shipped.names()]
    try:
        from lhy_rl.interop.minari import list_minari
    except UserError:
        return rows
    return rows + list_minari()


def _choices() -> list[tuple[str, str]]:
    """The agents' options that take one of several words, with these words from their documentation and the agents."""
    from lhy_rl.agents import agents
    from lhy_rl.experiment.schema import options_of

    owners: dict[tuple[str, str], list[str]] = {}
    for agent in agents:
        for option in options_of(agents[agent]):
            if isinstance(option.default, str) and option.default in option.doc:
                owners.setdefault((option.name, option.doc), []).append(agent)
    return [(name, f"{meaning} ({', '.join(found)})") for (name, meaning), found in sorted(owners.items())]


def _summary(thing: Any) -> str:
    """The description of a row, or the first paragraph of a docstring, in one line, without Sphinx's roles."""
    text = getattr(thing, "about", None) or inspect.getdoc(thing) or ""
    return re.sub(r":\w+:`([^`]*)`", r"\1", " ".join(text.split("\n\n")[0].split()))


def command_list(arguments: list[str]) -> int:
    made = parser("list", "lhy-rl list agents")
    allowed = f"one of {', '.join(KINDS)} (default: everything)"
    made.add_argument("kind", nargs="?", metavar="KIND", choices=KINDS, help=allowed)
    chosen = made.parse_args(arguments).kind
    for kind in [chosen] if chosen else KINDS:
        print(f"{kind}:\n{table(listing(kind))}")
    return 0
