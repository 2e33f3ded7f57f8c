"""From a configuration's name and the command line to one checked, complete configuration.

The schema is the constructors' signatures: the environment's, the agent's and :class:`RunOptions`'. jsonargparse
reads them with their docstrings; this file finds the YAML, says what is wrong in one line and writes the result.
"""

from __future__ import annotations

import argparse
import importlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lhy_rl.core.errors import UserError, brief, renamed, suggest
from lhy_rl.core.registry import registered
from lhy_rl.core.saved_states import MISFIT
from lhy_rl.experiment import plain_yaml
from lhy_rl.experiment.signature import Option, options_of

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

SECTIONS = ("env", "agent", "run")
BENCHMARKS = "benchmark"  # the folder below configs/ with definitions of benchmarks, which are no configurations
BARE_TIMESTEPS = 100_000  # where only an agent and an environment are named
LARGEST = 2**63  # of whole numbers, which torch and numpy keep in 64 bits
WITH_EXPONENT = re.compile(r"\d+(\.\d*)?[eE]\+?\d{1,2}|\d+\.0")  # 1e6 is a whole number, too, to the one who types it


@dataclass(frozen=True)
class Config:
    """A complete configuration.

    Attributes:
        name: The name it was found by, for the run's folder.
        values: ``{seed, total_timesteps, device, threads, env: {id, ...}, agent: {name, ...}, run: {...}}``.
    """

    name: str
    values: dict[str, Any]

    def __repr__(self) -> str:
        agent, env = self.values["agent"]["name"], self.values["env"]["id"]
        return f"<Config {self.name}: {agent} on {env}, {self.values['total_timesteps']:,} timesteps>"

    def dump(self) -> str:
        """YAML that gives this configuration again."""
        head = "# complete and re-runnable: lhy-rl train <this file>\n"
        return head + plain_yaml.dump(self.values)

    def section(self, name: str) -> dict[str, Any]:
        """A section's options, without the ``id`` or ``name`` that chose its constructor."""
        chooser = {"env": "id", "agent": "name"}.get(name)
        return {key: value for key, value in self.values[name].items() if key != chooser}


def names() -> list[str]:
    """The shipped configurations: ``seqgan/chat``, ..."""
    from lhy_rl.experiment.paths import find_configs

    folder = find_configs()
    paths = (path.relative_to(folder) for path in folder.rglob("*.yaml"))
    return sorted(path.with_suffix("").as_posix() for path in paths if path.parts[0] != BENCHMARKS)


def find(name: str) -> Path:
    """The YAML of a shipped configuration's name or a path.

    Raises:
        UserError: neither; the message holds the nearest name.
    """
    from lhy_rl.experiment.paths import find_configs

    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise UserError(f"no configuration file {name!r}; give a path that exists or one of: {', '.join(names())}")
        return Path(name)
    if name not in names():
        from lhy_rl.agents import agents

        halves = [known for known in names() if name in known.split("/")]
        if halves:
            alone = "; alone it needs an environment, --env.id ID" if name in agents.names() else ""
            raise UserError(f"{name!r} is half a configuration's name; there are {', '.join(halves)}{alone}")
        if ":" in name:
            raise UserError(f"an agent of one's own needs an environment: lhy-rl train {name} --env.id ID")
        raise suggest(name, names(), "configuration")
    return find_configs() / f"{name}.yaml"


def load(name: str, overrides: dict[str, Any] | None = None) -> Config:
    """Read, override and check a configuration.

    Args:
        name: A shipped name or the path of a YAML file (also a run's ``config.yaml``).
        overrides: Dotted keys to values, also as typed: ``{"agent.learning_rate": "1e-3"}``.

    Raises:
        UserError: unknown name or key (with the nearest one), wrong type, broken file.
    """
    values = merge(name, overrides)
    parser = parser_for(values, name)
    check_keys(values, parser)
    for key, option in options(parser).items():
        value = str(reach(values, key))
        if describe(option) == "a whole number" and WITH_EXPONENT.fullmatch(value) and float(value).is_integer():
            place(values, key, int(float(value)))
    try:
        parsed = parser.parse_object(values)
    except argparse.ArgumentError as error:
        raise explain(error, values, parser) from None
    except MISFIT as error:  # that it has no words for: 400 digits where a number is due, say
        raise UserError(f"{unreadable(values, parser)} cannot be read: {brief(error)}") from error
    complete = plain(parsed.as_dict())
    check_values(complete)
    if complete["run"]["name"] is None:
        found = f"{name}-{complete['env']['id']}" if bare(name, overrides) else name
        complete["run"]["name"] = Path(name).stem if name.endswith((".yaml", ".yml")) else re.sub(r"[/:]", "-", found)
    return Config(name, complete)


def check_values(values: Any, where: str = "") -> None:
    """Every number is one, whole ones fit into 64 bits, and texts hold no NUL, which no name of a file can.

    Raises:
        UserError: one does not; the message holds its key.
    """
    if isinstance(values, dict | list):
        for key, value in values.items() if isinstance(values, dict) else enumerate(values):
            check_values(value, f"{where}.{key}".lstrip("."))
    elif isinstance(values, float) and values != values:
        raise UserError(f"{where} is not a number (nan)")
    elif isinstance(values, int) and abs(values) >= LARGEST:
        raise UserError(f"{where} is {str(values)[:20]}..., {len(str(abs(values)))} digits; allowed: below 2**63")
    elif isinstance(values, str) and "\0" in values:
        raise UserError(f"{where} is {brief(values)}; a text holds no NUL")


def help_parser(name: str, overrides: dict[str, str]) -> ArgumentParser:
    """The parser of a configuration, to print its help: the defaults shown are the configuration's values."""
    values = merge(name, overrides)
    parser = parser_for(values, name)
    check_keys(values, parser)
    parser.set_defaults({key: value for key in options(parser) if (value := reach(values, key)) is not None})
    return parser


def bare(name: str, overrides: dict[str, Any] | None) -> dict[str, Any] | None:
    """The configuration of an agent's name (or ``module:Class``) and an environment's id, defaults for the rest.

    None where the name is no agent's, or no environment is given: then it is a configuration's.
    """
    from lhy_rl.agents import agents

    if "env.id" not in (overrides or {}) or not (name in agents.names() or ":" in name):
        return None
    return {"agent": {"name": name}, "total_timesteps": BARE_TIMESTEPS}


def merge(name: str, overrides: dict[str, Any] | None) -> dict[str, Any]:
    """A configuration's YAML with what the command line replaces."""
    values = bare(name, overrides) or read_yaml(find(name))
    overrides = dict(overrides or {})
    if isinstance(values.get("agent"), dict) and isinstance(values["agent"].get("name"), str):
        former = agent_class(str(overrides.get("agent.name", values["agent"]["name"]))).former_names
        values["agent"], overrides = renamed(values["agent"], former), renamed(overrides, former, "agent.")
    for key, value in overrides.items():
        place(values, key, value)
    for section in SECTIONS:
        if values.get(section) is None:
            values[section] = {}
        if not isinstance(values[section], dict):
            raise UserError(f"{section} is {brief(values[section])}; it must hold options: {section}.NAME")
    return values


def reach(values: Any, key: str) -> Any:
    """The value at a dotted key, or None."""
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file with a mapping in it.

    Raises:
        UserError: unreadable, not UTF-8, not YAML, not a mapping, keys that are no names.
    """
    try:
        values = plain_yaml.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{str(path)!r} is not text in UTF-8 (byte {error.start}); save it as UTF-8") from error
    except ValueError as error:
        raise UserError(f"{str(path)!r} is not YAML as a configuration needs it: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{str(path)!r} holds no configuration: a mapping with env, agent, total_timesteps")
    for section in (values, *(part for part in values.values() if isinstance(part, dict))):
        for key in section:
            if not isinstance(key, str):
                raise UserError(f"{str(path)!r} has the key {key!r}, which is no text; a text that looks so is quoted")
    return values


def place(values: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key."""
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise UserError(f"unknown key {key!r}: {section!r} is an option and holds no others")
    values[last] = value


def parser_for(values: dict[str, Any], name: str = "CONFIG") -> ArgumentParser:
    """The parser whose options are the chosen environment's, the chosen agent's and the run's."""
    from jsonargparse import ArgumentParser, set_loader

    from lhy_rl.experiment.run_options import RunOptions

    set_loader("plain", plain_yaml.parse, (ValueError,))

    environment = environment_schema(choice(values, "env", "id"), values["env"])
    agent = agent_class(choice(values, "agent", "name"))
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
    parser.add_argument("--total_timesteps", type=int, help="How long to train; the agent says what it counts.")
    parser.add_argument("--device", type=str, default="auto", help="cpu, cuda, ..., or auto: a GPU for large networks.")
    threads = "Torch's threads, and numpy's while it learns; 1 is best for small networks."
    parser.add_argument("--threads", type=int, default=1, help=threads)
    env_options, agent_options = parser.add_argument_group("environment"), parser.add_argument_group("agent")
    env_options.add_argument("--env.id", type=str, help="The environment (lhy-rl list environments).")
    add(env_options, "env", environment)
    agent_options.add_argument("--agent.name", type=str, help="The agent (lhy-rl list agents).")
    add(agent_options, "agent", options_of(agent, keep={"num_envs"}))
    add(parser.add_argument_group("run"), "run", options_of(RunOptions))
    return parser


def add(group: Any, section: str, found: list[Option]) -> None:
    """Options as ``--section.option``."""
    for option in found:
        meaning = option.doc or "(its class says nothing of it)"
        group.add_argument(f"--{section}.{option.name}", type=option.hint, default=option.default, help=meaning)


def choice(values: dict[str, Any], section: str, key: str) -> str:
    """The name that chooses a section's constructor."""
    chosen = values.get(section, {}).get(key)
    if not isinstance(chosen, str):
        raise UserError(f"the configuration needs {section}.{key}, a name; it has {brief(chosen)} (see lhy-rl list)")
    return chosen


def environment_schema(env_id: str, given: dict[str, Any]) -> list[Option]:
    """What an environment's section may hold: its constructor's options, with the defaults of its id.

    Any environment of others has a time limit, too; what stands around another (``env_id``) has that one's options.

    Args:
        given: The section, in which ``env_id`` may stand.

    Raises:
        UserError: unknown id, with the nearest one.
    """
    import gymnasium

    constructor, preset = environment_class(env_id)
    found = [replace(option, default=preset.get(option.name, option.default)) for option in options_of(constructor)]
    known = {option.name: option for option in found}
    if not env_id.startswith("lhy_rl/"):
        spec = gymnasium.registry.get(registered(env_id))
        limit = known.get("max_episode_steps") or Option("max_episode_steps", int | None, None, "")
        default = spec.max_episode_steps if spec is not None else limit.default
        known[limit.name] = replace(limit, default=default, doc="Truncates episodes after so many steps.")
    if "env_id" in known:
        inner = environment_schema(given.get("env_id") or known["env_id"].default, {})
        known = {option.name: option for option in inner if option.name != "max_episode_steps"} | known
    return list(known.values())


def environment_class(env_id: str) -> tuple[Any, dict[str, Any]]:
    """The class behind an environment id (the batched one where there is one) and the id's preset arguments.

    Raises:
        UserError: unknown id, with the nearest one.
    """
    import gymnasium

    spec = gymnasium.registry.get(registered(env_id))
    if spec is None:
        ours = [known for known in gymnasium.registry if known.startswith("lhy_rl/")]
        known = sorted(gymnasium.registry) if not env_id.startswith("lhy_rl/") else ours
        error = suggest(env_id, known, "environment")
        said = str(error).split(" allowed:")[0].rstrip(";")
        raise UserError(said + (" " if said.endswith("?") else "; ") + f"ours: {', '.join(sorted(ours))}")
    entry = spec.vector_entry_point or spec.entry_point
    if isinstance(entry, str):
        module, _, attribute = entry.partition(":")
        entry = getattr(importlib.import_module(module), attribute)
    return entry, dict(spec.kwargs)


def environment_arguments(env_id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Options of an environment, checked as a configuration's are.

    Raises:
        UserError: unknown id, an option that it has not, or a value of another type.
    """
    from jsonargparse import ArgumentParser, set_loader

    set_loader("plain", plain_yaml.parse, (ValueError,))
    parser = ArgumentParser(exit_on_error=False, parser_mode="plain")
    add(parser.add_argument_group("environment"), "env", environment_schema(env_id, given))
    values = {"env": given}
    check_keys({"env": given}, parser)
    try:
        parsed = plain(parser.parse_object(values).as_dict())["env"]
    except argparse.ArgumentError as error:
        raise explain(error, values, parser) from None
    except MISFIT as error:
        raise UserError(f"{unreadable(values, parser)} cannot be read: {brief(error)}") from error
    check_values(parsed, "env")
    return {key: parsed[key] for key in given}


def agent_class(name: str) -> Any:
    """The agent of that name, or a user's own at ``module:Class``.

    Raises:
        UserError: unknown name, with the nearest one.
    """
    from lhy_rl.agents import Agent, agents

    return agents.choose(name, Agent)


def options(parser: ArgumentParser) -> dict[str, Any]:
    """Dotted key to the parser's action, for every key that takes a value."""
    return {a.dest: a for a in parser._actions if a.dest not in ("help", "print_shtab")}


def check_keys(values: dict[str, Any], parser: ArgumentParser, prefix: str = "") -> None:
    """Every key is an option.

    Raises:
        UserError: one is not; the message holds the nearest option.
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
    """jsonargparse's message of several lines, in one."""
    found = re.search(r'key "([^"]+)"', str(error))
    if not found or found[1] not in options(parser):
        return UserError(" ".join(str(error).split()))
    key = found[1]
    return UserError(f"{key} is {brief(reach(values, key))}; it must be {describe(options(parser)[key])}")


def unreadable(values: dict[str, Any], parser: ArgumentParser) -> str:
    """The first option whose value cannot be read, with that value."""
    for key in options(parser):
        alone: dict[str, Any] = {}
        place(alone, key, reach(values, key))
        try:
            parser.parse_object(alone)
        except (argparse.ArgumentError, *MISFIT):
            return f"{key}, {brief(reach(values, key))},"
    return "the configuration"


def describe(action: Any) -> str:
    """An option's type, for a reader."""
    hint = getattr(action, "_typehint", None) or action.type
    text = hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__args__") else str(hint)
    literal = re.fullmatch(r"typing\.Literal\[(.*)\]", text)
    if literal:
        return f"one of {literal[1]}"
    text = re.sub(r"typing\.Optional\[(.*)\]", r"\1 | None", text).replace("typing.", "").replace("NoneType", "None")
    return {"int": "a whole number", "float": "a number", "bool": "true or false"}.get(text, f"of type {text}")


def plain(value: Any) -> Any:
    """Only what YAML's safe form holds."""
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value if isinstance(value, bool | int | float | str | type(None)) else str(value)
