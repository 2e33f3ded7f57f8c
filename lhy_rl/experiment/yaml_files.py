"""Configurations as YAML files: where they are, and the plain values in them.

Plain values are dicts, lists, texts, numbers, true, false and null; whatever else a file holds is refused in one line.

Unlike in YAML 1.1 there are no dates, sets and bytes (a date is a text), ``1e-3`` is a number, and keys must not be
repeated; a text whose aliases expand to more than :data:`MOST` values is refused before they are expanded.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import yaml

import lhy_rl
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.saved_states import MISFIT

BENCHMARKS = "benchmark"  # the folder below configs/ with benchmarks, which are no configurations
DEPTH = 30  # greatest nesting of lists and mappings
MOST = 100_000  # values, with aliases expanded
TAG = "tag:yaml.org,2002:"
LEFT_OUT = ("timestamp", "binary", "set", "omap", "pairs")
NUMBER = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?)$"
    r"|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)


def _resolvers(owner: Any) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return the rules for resolving plain scalars, by their first character."""
    ours = {
        letter: [(tag, word) for tag, word in known if tag not in (f"{TAG}timestamp", f"{TAG}float")]
        for letter, known in owner.yaml_implicit_resolvers.items()
    }
    for letter in "-+.0123456789":
        ours[letter] = [(f"{TAG}float", NUMBER), *ours.get(letter, [])]
    return ours


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader, without what a configuration does not need."""

    yaml_implicit_resolvers = _resolvers(yaml.SafeLoader)
    yaml_constructors = {
        tag: made for tag, made in yaml.SafeLoader.yaml_constructors.items() if tag not in {TAG + x for x in LEFT_OUT}
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.sizes: dict[int, int] = {}  # of the nodes that are complete

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        self.depth += 1
        if self.depth > DEPTH:
            raise yaml.MarkedYAMLError(problem=f"it is nested deeper than {DEPTH}", problem_mark=mark)
        node: Any = super().compose_node(parent, index)
        self.depth -= 1
        if id(node) not in self.sizes:
            if node.end_mark is None:  # it is still being read
                raise yaml.MarkedYAMLError(problem="an alias is inside the value that it refers to", problem_mark=mark)
            self.sizes[id(node)] = self._size(node)
        return node

    def _size(self, node: Any) -> int:
        """Count the values in a node; refuse repeated keys."""
        if isinstance(node, yaml.ScalarNode):
            return 1
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            for i, (_, key) in enumerate(keys):
                if keys[i] in keys[:i]:
                    mark = node.value[i][0].start_mark
                    raise yaml.MarkedYAMLError(problem=f"the key {key!r} is given twice", problem_mark=mark)
            parts = [part for pair in node.value for part in pair]
        size = 1 + sum(self.sizes[id(part)] for part in parts)
        if size > MOST:
            problem = f"its aliases expand to more than {MOST:,} values"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        return size

    def construct_whole_number(self, node: yaml.ScalarNode) -> Any:
        """Read a whole number; a scalar that Python cannot read as one, such as 0x_ or 5,000 digits, is a text."""
        try:
            return self.construct_yaml_int(node)
        except ValueError:
            return self.construct_scalar(node)


Loader.add_constructor(f"{TAG}int", Loader.construct_whole_number)


class Dumper(yaml.SafeDumper):
    """Quotes texts that :class:`Loader` would read as numbers."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers


def parse(text: str) -> Any:
    """The plain values of a text.

    Raises:
        ValueError: it is not YAML, or more than plain values.
    """
    try:
        return Loader(text).get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}{' '.join(str(getattr(error, 'problem', None) or error).split())}") from error
    except MISFIT as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


def parse_option(key: str, text: str) -> Any:
    """The value of an option as it was typed.

    Raises:
        UserError: it is not YAML.
    """
    try:
        return parse(text)
    except ValueError as error:
        raise UserError(f"--{key} is {text!r}, which is not YAML: {error}; put a string in quotes") from error


def dump(values: dict[str, Any]) -> str:
    """The text that gives these plain values again."""
    return str(yaml.dump(values, Dumper=Dumper, sort_keys=False, allow_unicode=True))


def find_configs() -> Path:
    """The folder with ``<agent>/<task>.yaml``: inside the installed package, or beside the package in a checkout.

    Raises:
        UserError: there is neither.
    """
    package = Path(lhy_rl.__path__[0])
    for folder in (package / "configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise UserError(f"no configurations in {package / 'configs'}: reinstall lhy-rl, or give a path to a YAML file")


def config_names() -> list[str]:
    """The shipped configurations: ``seqgan/chat``, ..."""
    folder = find_configs()
    paths = (path.relative_to(folder) for path in folder.rglob("*.yaml"))
    return sorted(path.with_suffix("").as_posix() for path in paths if path.parts[0] != BENCHMARKS)


def find_config(name: str) -> Path:
    """The YAML of a shipped configuration's name or a path.

    Raises:
        UserError: it is neither; the message holds the nearest name.
    """
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise UserError(
                f"no configuration file {name!r}; give a path that exists or one of: {', '.join(config_names())}"
            )
        return Path(name)
    if name not in config_names():
        from lhy_rl.agents import agents

        halves = [known for known in config_names() if name in known.split("/")]
        if halves:
            alone = "; alone it needs an environment, --env.id ID" if name in agents.names() else ""
            raise UserError(f"{name!r} is only half of a configuration's name; there are {', '.join(halves)}{alone}")
        if ":" in name:
            raise UserError(f"an agent of your own needs an environment: lhy-rl train {name} --env.id ID")
        raise suggest(name, config_names(), "configuration")
    return find_configs() / f"{name}.yaml"


def summary(path: Path) -> str:
    """Return the description of a YAML file: the first sentence of the comment at its beginning."""
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = [line.lstrip("# ") for line in itertools.takewhile(lambda line: line.startswith("#"), lines)]
    if not comment:
        return ""
    whole, first = " ".join(comment), len(comment[0])
    end = re.search(r"[.!?](?=\s)|$", whole[first - 1 :])
    return whole[: first - 1 + end.end()] if end else whole


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file with a mapping in it.

    Raises:
        UserError: the file is unreadable, not UTF-8, not YAML or not a mapping, or has keys that are no names.
    """
    try:
        values = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{str(path)!r} is not text in UTF-8 (byte {error.start}); save it as UTF-8") from error
    except ValueError as error:
        raise UserError(f"{str(path)!r} is not YAML that a configuration can use: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{str(path)!r} does not hold a configuration: a mapping with env, agent, total_timesteps")
    for section in (values, *(part for part in values.values() if isinstance(part, dict))):
        for key in section:
            if not isinstance(key, str):
                raise UserError(f"{str(path)!r} has the key {key!r}, which is not a string; put it in quotes")
    return values
