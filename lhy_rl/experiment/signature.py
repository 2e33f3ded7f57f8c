"""A constructor's signature and docstring as a schema: name, type, default and meaning of every option."""

from __future__ import annotations

import inspect
import re
import typing
from dataclasses import dataclass, replace
from typing import Any

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
    """The options of a class: its own parameters, then, behind ``**kwargs``, those of its base classes.

    Those whose defaults no configuration could hold are left out.

    Args:
        constructor: A class, or a function that makes an instance.
        keep: Names that are options although the run usually gives them.
    """
    found: dict[str, Option] = {}
    for owner in inspect.getmro(constructor) if inspect.isclass(constructor) else (constructor,):
        function = vars(owner).get("__init__") if inspect.isclass(owner) else owner
        if function is None:
            continue
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
            default = None if parameter.default is parameter.empty else parameter.default
            hint = hints.get(parameter.name, Any)
            found[parameter.name] = Option(parameter.name, hint, default, docs.get(parameter.name, ""))
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            break
    wanted = (option for name, option in found.items() if name not in HANDLED or name in (keep or ()))
    return [option for option in wanted if writable(option.default)]


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
