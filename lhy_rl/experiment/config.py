"""Make a checked, complete configuration from a name and the command line.

The schema is the constructors' signatures: the environment's, the agent's and :class:`RunOptions`'. jsonargparse
reads them with their docstrings; this file finds the YAML, reports errors in one line and writes the result.
"""

from __future__ import annotations

import argparse
import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lhy_rl.core.errors import UserError, brief, renamed, suggest
from lhy_rl.core.saved_states import MISFIT
from lhy_rl.experiment import yaml_files
from lhy_rl.experiment.schema import (
    Option,
    RunOptions,
    agent_class,
    environment_class,
    environment_schema,
    in_words,
    options_of,
)
from lhy_rl.experiment.yaml_files import find_config, read_yaml

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

SECTIONS = ("env", "agent", "run")
DEFAULT_TIMESTEPS = 100_000  # if only an agent and an environment are named
LARGEST = 2**63  # limit of whole numbers, which torch and numpy store in 64 bits
WITH_EXPONENT = re.compile(r"\d+(\.\d*)?[eE]\+?\d{1,2}|\d+\.0")  # whoever types 1e6 means a whole number
KEPT: dict[tuple[str, Any], tuple[ArgumentParser, dict[str, Any]]] = {}  # the oldest first
MOST_KEPT = 32  # making a parser takes as long as reading ten configurations


@dataclass(frozen=True)
class Config:
    """A complete configuration.

    Attributes:
        name: The name by which it was found; the run's folder is named after it.
        values: ``{seed, total_timesteps, device, threads, env: {id, ...}, agent: {name, ...}, run: {...}}``.
    """

    name: str
    values: dict[str, Any]

    def __repr__(self) -> str:
        agent, env = self.values["agent"]["name"], self.values["env"]["id"]
        return f"<Config {self.name}: {agent} on {env}, {self.values['total_timesteps']:,} timesteps>"

    def dump(self) -> str:
        """YAML from which this configuration can be read again."""
        head = "# complete and re-runnable: lhy-rl train <this file>\n"
        return head + yaml_files.dump(self.values)

    def section(self, name: str) -> dict[str, Any]:
        """A section's options, without the ``id`` or ``name`` that chose its constructor."""
        chooser = {"env": "id", "agent": "name"}.get(name)
        return {key: value for key, value in self.values[name].items() if key != chooser}


def load(name: str, overrides: dict[str, Any] | None = None) -> Config:
    """Read, override and check a configuration.

    Args:
        name: A shipped name or the path of a YAML file (also a run's ``config.yaml``).
        overrides: Dotted keys to values, which may be text: ``{"agent.learning_rate": "1e-3"}``.

    Raises:
        UserError: unknown name or key (with the nearest one), wrong type, broken file.
    """
    values = merge(name, overrides)
    parser, defaults = kept_parser(values)
    check_keys(values, parser)
    for key, option in options(parser).items():
        value = str(value_at(values, key))
        whole = WITH_EXPONENT.fullmatch(value) and float(value).is_integer()
        if whole and describe(option).startswith("a whole number"):
            set_value(values, key, int(float(value)))
    try:
        parsed = parser.parse_object(values, defaults=False)
    except argparse.ArgumentError as error:
        raise explain(error, values, parser) from None
    except MISFIT as error:  # errors without a message of their own, such as 400 digits for a number
        raise UserError(f"{first_unreadable(values, parser)} cannot be read: {brief(error)}") from error
    complete = copy.deepcopy(defaults)
    for key in options(parser):
        if key in parsed:
            set_value(complete, key, plain_values(parsed[key]))
    check_values(complete)
    if complete["run"]["name"] is None:
        found = f"{name}-{complete['env']['id']}" if agent_only(name, overrides) else name
        complete["run"]["name"] = Path(name).stem if name.endswith((".yaml", ".yml")) else re.sub(r"[/:]", "-", found)
    return Config(name, complete)


def check_values(values: Any, where: str = "") -> None:
    """Check that no number is NaN, that whole numbers fit into 64 bits, and that no text holds a NUL byte.

    Raises:
        UserError: a value fails a check; the message holds its key.
    """
    if isinstance(values, dict | list):
        for key, value in values.items() if isinstance(values, dict) else enumerate(values):
            check_values(value, f"{where}.{key}".lstrip("."))
    elif isinstance(values, float) and values != values:
        raise UserError(f"{where} is not a number (nan)")
    elif isinstance(values, int) and abs(values) >= LARGEST:
        raise UserError(f"{where} is {str(values)[:20]}..., {len(str(abs(values)))} digits; allowed: below 2**63")
    elif isinstance(values, str) and "\0" in values:
        raise UserError(f"{where} is {brief(values)}; a string must not contain NUL")


def help_parser(name: str, overrides: dict[str, str]) -> ArgumentParser:
    """The parser of a configuration, to print its help: the defaults shown are the configuration's values."""
    values = merge(name, overrides)
    parser = parser_for(values, name)
    check_keys(values, parser)
    parser.set_defaults({key: value for key in options(parser) if (value := value_at(values, key)) is not None})
    return parser


def agent_only(name: str, overrides: dict[str, Any] | None) -> dict[str, Any] | None:
    """The configuration for an agent's name (or ``module:Class``) and an environment's id, with defaults for the rest.

    None if the name is no agent's, or no environment is given: then it is the name of a configuration.
    """
    from lhy_rl.agents import agents

    if "env.id" not in (overrides or {}) or not (name in agents.names() or ":" in name):
        return None
    return {"agent": {"name": name}, "total_timesteps": DEFAULT_TIMESTEPS}


def merge(name: str, overrides: dict[str, Any] | None) -> dict[str, Any]:
    """A configuration's YAML with the overrides of the command line."""
    values = agent_only(name, overrides) or read_yaml(find_config(name))
    overrides = dict(overrides or {})
    if isinstance(values.get("agent"), dict) and isinstance(values["agent"].get("name"), str):
        former = agent_class(str(overrides.get("agent.name", values["agent"]["name"]))).former_names
        values["agent"], overrides = renamed(values["agent"], former), renamed(overrides, former, "agent.")
    for key, value in overrides.items():
        set_value(values, key, value)
    for section in SECTIONS:
        if values.get(section) is None:
            values[section] = {}
        if not isinstance(values[section], dict):
            raise UserError(f"{section} is {brief(values[section])}; it must hold options: {section}.NAME")
    return values


def value_at(values: Any, key: str) -> Any:
    """Return the value at a dotted key, or None where there is none."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def set_value(values: dict[str, Any], key: str, value: Any) -> None:
    """Set the value at a dotted key."""
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise UserError(f"unknown key {key!r}: {section!r} is an option and has no options itself")
    values[last] = value


def kept_parser(values: dict[str, Any]) -> tuple[ArgumentParser, dict[str, Any]]:
    """The cached parser for the chosen environment and agent, and all defaults as it parses them."""
    schema = repr(environment_schema(chosen_name(values, "env", "id"), values["env"]))  # repr: defaults may be lists
    key = schema, agent_class(chosen_name(values, "agent", "name"))
    if key not in KEPT:
        if len(KEPT) == MOST_KEPT:
            del KEPT[next(iter(KEPT))]
        parser = parser_for(values)
        KEPT[key] = parser, plain_values(parser.parse_object({}).as_dict())
    return KEPT[key]


def parser_for(values: dict[str, Any], name: str = "CONFIG") -> ArgumentParser:
    """The parser whose options are the chosen environment's, the chosen agent's and the run's."""
    from jsonargparse import ArgumentParser, set_loader

    set_loader("plain", yaml_files.parse, (ValueError,))

    environment = environment_schema(chosen_name(values, "env", "id"), values["env"])
    agent = agent_class(chosen_name(values, "agent", "name"))
    parser = ArgumentParser(
        prog=f"lhy-rl train {name}",
        usage=f"lhy-rl train {name} [--option VALUE ...]",
        description=f"Train {values['agent']['name']} on {values['env']['id']}.",
        epilog=f"example: lhy-rl train {name} --seed 3 --run.folder runs/mine",
        exit_on_error=False,
        allow_abbrev=False,
        parser_mode="plain",
    )
    parser.add_argument("--seed", type=int, default=0, help="Same seed, same run, bit for bit, on one device.")
    parser.add_argument("--total_timesteps", type=int, help="How long to train; what it counts depends on the agent.")
    parser.add_argument("--device", type=str, default="auto", help="cpu, cuda, ..., or auto: a GPU for large networks.")
    threads = "Torch's threads, and numpy's while it learns; 1 is best for small networks."
    parser.add_argument("--threads", type=int, default=1, help=threads)
    env_options, agent_options = parser.add_argument_group("environment"), parser.add_argument_group("agent")
    env_options.add_argument("--env.id", type=str, help="The environment (lhy-rl list environments).")
    add_options(env_options, "env", environment)
    agent_options.add_argument("--agent.name", type=str, help="The agent (lhy-rl list agents).")
    add_options(agent_options, "agent", options_of(agent, keep=frozenset({"num_envs"})))
    add_options(parser.add_argument_group("run"), "run", options_of(RunOptions))
    return parser


def add_options(group: Any, section: str, found: Iterable[Option]) -> None:
    """Add options to a parser, as ``--section.option``."""
    for option in found:
        meaning = option.doc or "(not documented)"
        group.add_argument(f"--{section}.{option.name}", type=option.hint, default=option.default, help=meaning)


def chosen_name(values: dict[str, Any], section: str, key: str) -> str:
    """The name that chooses a section's constructor."""
    chosen = values.get(section, {}).get(key)
    if not isinstance(chosen, str):
        raise UserError(f"the configuration needs {section}.{key}, a name; it has {brief(chosen)} (see lhy-rl list)")
    return chosen


def environment_arguments(env_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Options of an environment, checked as a configuration's are.

    Raises:
        UserError: unknown id, an unknown option, or a value of another type.
    """
    from jsonargparse import ArgumentParser, set_loader

    set_loader("plain", yaml_files.parse, (ValueError,))
    parser = ArgumentParser(exit_on_error=False, parser_mode="plain")
    add_options(parser.add_argument_group("environment"), "env", environment_schema(env_id, given))
    values = {"env": given}
    check_keys({"env": given}, parser)
    try:
        parsed = plain_values(parser.parse_object(values).as_dict())["env"]
    except argparse.ArgumentError as error:
        raise explain(error, values, parser) from None
    except MISFIT as error:
        raise UserError(f"{first_unreadable(values, parser)} cannot be read: {brief(error)}") from error
    check_values(parsed, "env")
    return {key: parsed[key] for key in given}


def options(parser: ArgumentParser) -> dict[str, Any]:
    """Dotted key to the parser's action, for every key that takes a value."""
    return {a.dest: a for a in parser._actions if a.dest not in ("help", "print_shtab")}


def check_keys(values: dict[str, Any], parser: ArgumentParser, prefix: str = "") -> None:
    """Check that every key is an option.

    Raises:
        UserError: a key is no option; the message holds the nearest option.
    """
    allowed = options(parser)
    for key, value in values.items():
        dotted = prefix + key
        if dotted in allowed:
            continue
        if dotted in SECTIONS and not prefix:
            check_keys(value, parser, f"{key}.")
            continue
        if prefix:
            section = prefix.rstrip(".")
            owner = f"{section} {values.get({'env': 'id', 'agent': 'name'}.get(section, ''), '')!r}".removesuffix(" ''")
            inside = [name.removeprefix(prefix) for name in allowed if name.startswith(prefix)]
            error = str(suggest(key, inside, "option"))
            raise UserError(error.replace(repr(key), f"{key!r} of {owner}", 1))
        same = [name for name in allowed if name.partition(".")[2] == dotted]
        if same:
            raise UserError(f"unknown key {brief(dotted)}; did you mean {' or '.join(map(repr, same))}?")
        raise suggest(dotted, [*(name for name in allowed if "." not in name), *SECTIONS], "key")


def explain(error: argparse.ArgumentError, values: dict[str, Any], parser: ArgumentParser) -> UserError:
    """Turn jsonargparse's message of several lines into one line."""
    found = re.search(r'key "([^"]+)"', str(error))
    if not found or found[1] not in options(parser):
        return UserError(" ".join(str(error).split()))
    key = found[1]
    return UserError(f"{key} is {brief(value_at(values, key))}; it must be {describe(options(parser)[key])}")


def first_unreadable(values: dict[str, Any], parser: ArgumentParser) -> str:
    """The first option whose value cannot be read, with that value."""
    for key in options(parser):
        alone: dict[str, Any] = {}
        set_value(alone, key, value_at(values, key))
        try:
            parser.parse_object(alone)
        except (argparse.ArgumentError, *MISFIT):
            return f"{key}, {brief(value_at(values, key))},"
    return "the configuration"


def describe(action: Any) -> str:
    """Describe an option's type in words."""
    return in_words(getattr(action, "_typehint", None) or action.type)


def environment_options(config: Config) -> dict[str, Any]:
    """Return the options to make the environment with: all options for our own environments, the changed ones for
    others."""
    options = config.section("env")
    env_id = config.values["env"]["id"]
    usual = {option.name: option.default for option in environment_schema(env_id, options)}
    own = {option.name for option in options_of(environment_class(env_id)[0])} if env_id.startswith("lhy_rl/") else ()
    return {key: value for key, value in options.items() if key in own or plain_values(usual.get(key)) != value}


def plain_values(value: Any) -> Any:
    """Convert a value to what YAML's safe form can hold."""
    if isinstance(value, dict):
        return {key: plain_values(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(v) for v in value]
    return value if isinstance(value, bool | int | float | str | type(None)) else str(value)
