"""A constructor's signature and docstring as a schema: name, type, default and meaning of every option."""

from __future__ import annotations

import ast
import enum
import inspect
import os
import re
import textwrap
import types
import typing
from collections import abc
from dataclasses import dataclass, is_dataclass, replace
from typing import Any

from lhy_rl.core.signatures import option_sources

HANDLED = {"self", "env", "seed", "device", "num_envs", "autoreset_mode", "render_mode"}  # given by the run itself


@dataclass(frozen=True)
class Option:
    """One parameter of a constructor.

    Attributes:
        name: The parameter's name.
        hint: Its type hint; ``Any`` where it has none.
        default: Its default; None where it has none.
        doc: What its class's docstring says about it.
    """

    name: str
    hint: Any
    default: Any
    doc: str


def options_of(constructor: Any, keep: set[str] | None = None) -> list[Option]:
    """The options of a class: its own parameters, then, behind ``**kwargs``, those of :func:`option_sources`.

    What a class gives to its base itself (an environment its spaces, say) is no option, nor is what no configuration
    could hold.

    Args:
        constructor: A class, or a function that makes an instance.
        keep: Names that are options although the run usually gives them.
    """
    found: dict[str, Option] = {}
    owners = (option_sources(constructor) if inspect.isclass(constructor) else []) or [constructor]
    given: set[str] = set()  # by the class before
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
            if parameter.name in found:  # a class that only changes a default leaves the meaning to its base
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
        given |= given_to_base(function, base)
    wanted = (option for name, option in found.items() if name not in HANDLED or name in (keep or ()))
    return [option for option in wanted if writable(option.default) and fits_yaml(option.hint)]


def given_to_base(function: Any, base: Any) -> set[str]:
    """The parameters of ``base.__init__`` that a constructor names or fills where it calls it, as its source says."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source: a compiled class
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
    """Whether something of this type can stand in a configuration; a space, an array or a function cannot."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return any(fits_yaml(part) for part in typing.get_args(hint) if part is not types.NoneType)
    kind = typing.get_origin(hint) or hint
    if hint is Any or not isinstance(kind, type):  # also a Literal, a type variable
        return True
    known = (bool, int, float, str, list, tuple, dict, set, enum.Enum, os.PathLike)
    return kind is object or issubclass(kind, known) or kind in (abc.Sequence, abc.Mapping, abc.Iterable)


def writable(value: Any) -> bool:
    """Whether YAML holds a value; MuJoCo's environments have a camera with an array as a default."""
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
