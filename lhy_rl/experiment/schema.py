"""The schema of a configuration: the options of constructors, from signatures and docstrings, and those of a run."""

from __future__ import annotations

import ast
import enum
import functools
import importlib
import inspect
import os
import re
import textwrap
import types
import typing
from collections import abc
from dataclasses import dataclass, is_dataclass, replace
from typing import Any, Literal

from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.core.registry import game_spec_of, registered
from lhy_rl.core.signatures import option_sources

HANDLED = {"self", "env", "seed", "device", "num_envs", "autoreset_mode", "render_mode"}  # passed by the run itself


@dataclass(frozen=True)
class Option:
    """One parameter of a constructor.

    Attributes:
        name: The parameter's name.
        hint: Its type hint; ``Any`` where it has none.
        default: Its default value, or None.
        doc: Its description in the class's docstring.
    """

    name: str
    hint: Any
    default: Any
    doc: str


@functools.cache  # parsing docstrings and sources takes a fifth of the time to read a configuration
def options_of(constructor: Any, keep: frozenset[str] = frozenset()) -> tuple[Option, ...]:
    """The options of a class: its own parameters, then, for ``**kwargs``, those of :func:`option_sources`.

    Parameters that a class passes to its base class itself (such as an environment's spaces) are no options, nor are
    those whose values YAML cannot hold.

    Args:
        constructor: A class, or a function that makes an instance.
        keep: Names that are options although the run usually passes them.
    """
    found: dict[str, Option] = {}
    owners = (option_sources(constructor) or [object]) if inspect.isclass(constructor) else [constructor]
    given: set[str] = set()  # arguments that the previous class passes to its base
    for owner, base in zip(owners, [*owners[1:], None], strict=True):
        function = vars(owner)["__init__"] if inspect.isclass(owner) else owner
        parameters = inspect.signature(function).parameters.values()
        docs = documentation(owner)
        try:
            hints = typing.get_type_hints(function)
        except NameError:  # a hint that exists only for type checkers
            hints = {}
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                continue
            if parameter.name in found:  # a class that only changes a default is documented by its base
                if not found[parameter.name].doc:
                    found[parameter.name] = replace(found[parameter.name], doc=docs.get(parameter.name, ""))
                continue
            if parameter.name in given:
                continue
            default = None if parameter.default is parameter.empty else parameter.default
            hint = hints.get(parameter.name, Any)
            found[parameter.name] = Option(parameter.name, hint, default, docs.get(parameter.name, ""))
        passes_on = is_dataclass(owner) or any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        if base is None or not passes_on:
            break
        given |= given_to_base(function, next_constructor(constructor, owner))
    wanted = (option for name, option in found.items() if name not in HANDLED or name in keep)
    return tuple(option for option in wanted if writable(option.default) and fits_yaml(option.hint))


def next_constructor(constructor: Any, owner: Any) -> Any:
    """The class whose ``__init__`` the owner's ``super().__init__`` calls when an instance of the constructor is
    made."""
    order = constructor.__mro__ if owner in getattr(constructor, "__mro__", ()) else owner.__mro__
    return next(base for base in order[order.index(owner) + 1 :] if "__init__" in vars(base))


def given_to_base(function: Any, base: Any) -> set[str]:
    """The parameters of ``base.__init__`` to which a constructor's source passes arguments where it calls it."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # a compiled class has no source
        return set()
    names = list(inspect.signature(base.__init__).parameters)  # self first
    given: set[str] = set()
    for call in ast.walk(tree):
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__")):
                positional = names[1:]
            case ast.Call(func=ast.Attribute(value=ast.Name(id=base.__name__), attr="__init__")):
                positional = names
            case _:
                continue
        plain = [not isinstance(argument, ast.Starred) for argument in call.args]
        count = plain.index(False) if False in plain else len(plain)
        given |= set(positional[:count]) | {keyword.arg for keyword in call.keywords if keyword.arg is not None}
    return given


def fits_yaml(hint: Any) -> bool:
    """Whether a configuration can hold a value of this type; spaces, arrays and functions it cannot."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return any(fits_yaml(part) for part in typing.get_args(hint) if part is not types.NoneType)
    kind = typing.get_origin(hint) or hint
    if hint is Any or not isinstance(kind, type):  # also a Literal, a type variable
        return True
    known = (bool, int, float, str, list, tuple, dict, set, enum.Enum, os.PathLike)
    return kind is object or issubclass(kind, known) or kind in (abc.Sequence, abc.Mapping, abc.Iterable)


def in_words(hint: Any) -> str:
    """Describe a type in words: ``int | None`` is a whole number, or null."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, types.UnionType) or origin is typing.Union:
        words = [in_words(part) for part in parts if fits_yaml(part)]
        return ", or ".join(dict.fromkeys([*words, *(["null"] if types.NoneType in parts else [])]))
    if origin is Literal:
        return f"one of {', '.join(map(repr, parts))}"
    kind = origin or hint
    if kind in (abc.Sequence, list, tuple):
        return "a list, [a, b]" + (f", each {in_words(parts[0])}" if parts else "")
    if kind in (abc.Mapping, dict):
        return "a mapping, {name: value}"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}.get(
        kind, f"of type {hint}"
    )


def writable(value: Any) -> bool:
    """Whether YAML can hold a value; MuJoCo's environments have a camera with an array as a default."""
    if isinstance(value, dict):
        return all(writable(key) and writable(part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return all(map(writable, value))
    return value is None or isinstance(value, bool | int | float | str)


def documentation(thing: Any) -> dict[str, str]:
    """Parameter to meaning, from a Google-style ``Args:`` section or an environment's ``## Arguments`` table."""
    text = inspect.getdoc(thing) or ""
    _, _, table = text.partition("## Arguments")
    rows = re.findall(r"^\|\s*`(\w+)`\s*\|(?:[^|\n]*\|)*?([^|\n]*)\|\s*$", table.partition("\n## ")[0], re.MULTILINE)
    docs = {name: meaning.replace("`", "") for name, meaning in rows}
    section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n)+)", text, re.MULTILINE)
    if section:
        for entry in re.split(r"\n(?=    \S)", section[1].rstrip()):
            name, _, meaning = entry.strip().partition(":")
            docs[name.strip("*` ")] = meaning.replace("``", "")
    return {name: " ".join(meaning.split()).replace("%", "%%") for name, meaning in docs.items()}


def environment_schema(env_id: str, given: dict[str, Any]) -> list[Option]:
    """The options of an environment's section: its constructor's options, with the defaults of its id.

    Environments other than ours also have a time limit; a wrapper (with ``env_id``) also has the inner one's options.

    Args:
        given: The section, which may hold ``env_id``.

    Raises:
        UserError: unknown id, with the nearest one.
    """
    import gymnasium

    constructor, preset = environment_class(env_id)
    found = [replace(option, default=preset.get(option.name, option.default)) for option in options_of(constructor)]
    known = {option.name: option for option in found}
    if not env_id.startswith("lhy_rl/") and game_spec_of(env_id) is None:
        spec = gymnasium.registry.get(registered(env_id))
        limit = known.get("max_episode_steps") or Option("max_episode_steps", int | None, None, "")
        default = spec.max_episode_steps if spec is not None else limit.default
        known[limit.name] = replace(limit, default=default, doc="Truncates episodes after this many steps.")
    if "env_id" in known:
        inner = environment_schema(given.get("env_id") or known["env_id"].default, {})
        known = {option.name: option for option in inner if option.name != "max_episode_steps"} | known
    return list(known.values())


def environment_class(env_id: str) -> tuple[Any, dict[str, Any]]:
    """The class behind an environment id (the batched one where there is one) and the id's preset arguments.

    PettingZoo's games have ids, too, such as ``classic/tictactoe-v3``.

    Raises:
        UserError: unknown id, with the nearest one.
    """
    import gymnasium

    from lhy_rl.envs.registration import GAMES

    for row in GAMES:
        if row.id == env_id:
            module, _, attribute = row.rules.partition(":")
            return getattr(importlib.import_module(module), attribute), {}
    if (game := game_spec_of(env_id)) is not None:
        module, _, attribute = game[1].entry_point.partition(":")
        try:
            made = importlib.import_module(module)
        except ModuleNotFoundError as lacking:
            needed = f"pip install 'pettingzoo[{game[1].namespace}]'"
            raise UserError(f"{lacking}, which {env_id} needs: {needed}") from lacking
        return getattr(made, "raw_env", getattr(made, attribute)), dict(game[1].kwargs)
    spec = gymnasium.registry.get(registered(env_id))
    if spec is None:
        import pettingzoo

        ours = [known for known in gymnasium.registry if known.startswith("lhy_rl/")] + [row.id for row in GAMES]
        known = [*sorted(gymnasium.registry), *pettingzoo.aec_registry] if not env_id.startswith("lhy_rl/") else ours
        error = suggest(env_id, known, "environment")
        message = str(error).split(" allowed:")[0].rstrip(";")
        raise UserError(message + (" " if message.endswith("?") else "; ") + f"in lhy_rl: {', '.join(sorted(ours))}")
    entry = spec.vector_entry_point or spec.entry_point
    if isinstance(entry, str):
        module, _, attribute = entry.partition(":")
        entry = getattr(importlib.import_module(module), attribute)
    return entry, dict(spec.kwargs)


def agent_class(name: str) -> Any:
    """The agent of that name, or a user's own at ``module:Class``.

    Raises:
        UserError: unknown name, with the nearest one.
    """
    from lhy_rl.agents import agents
    from lhy_rl.agents.common.agent import Agent

    return agents.choose(name, Agent)


@dataclass
class RunOptions:
    """Options of a run: where it writes, how often, and what it does at the end.

    Args:
        name: Name of the run: of its folder below runs/ and in the tracker. None takes the configuration's name.
        folder: The run folder; it must be new or empty. None takes runs/<name>, with -2, -3, ... where that exists.
        checkpoint_seconds: Save a checkpoint at the first update this many seconds after the last one. Smaller loses
            less work when the run is killed.
        checkpoint_updates: Also save a checkpoint after this many updates. None saves by time only.
        keep_checkpoints: How many of the newest checkpoints are kept (the best one is kept besides).
        evaluation_interval: Updates between two evaluations, which give the eval/ columns and choose the best
            checkpoint. 0 evaluates only at the end.
        evaluation_sentences: Sentences that an evaluation samples from each policy and takes from each split.
        evaluation_episodes: Episodes of an evaluation, where the task is not text.
        samples: Sentences shown for each policy.
        plots: Draw plots and write report.html at the end.
        tracker: Where else the metrics are logged: wandb (offline unless you are logged in or set WANDB_MODE),
            tensorboard or none; auto is wandb where it is installed.
        project: The tracker's project.
    """

    name: str | None = None
    folder: str | None = None
    checkpoint_seconds: float = 30.0
    checkpoint_updates: int | None = None
    keep_checkpoints: int = 2
    evaluation_interval: int = 10
    evaluation_sentences: int = 1000
    evaluation_episodes: int = 20
    samples: int = 10
    plots: bool = True
    tracker: Literal["auto", "wandb", "tensorboard", "none"] = "auto"
    project: str = "lhy_rl"

    def __post_init__(self) -> None:
        least = {
            "checkpoint_seconds": 0,
            "checkpoint_updates": 1,
            "keep_checkpoints": 1,
            "evaluation_interval": 0,
            "evaluation_sentences": 2,
            "evaluation_episodes": 1,
            "samples": 0,
        }
        for name, least_value in least.items():
            value = getattr(self, name)
            if value is not None and not value >= least_value:
                raise UserError(f"run.{name} is {value}; it must be at least {least_value}")
        if self.name is not None and (self.name in ("", ".", "..") or "/" in self.name or not self.name.isprintable()):
            raise UserError(f"run.name is {brief(self.name)}; it must be a plain name: no '/', not '.' or '..'")
