"""Draw the rooms of the package on their floors, and write the tables of docs/architecture.md, from the imports.

    python docs/architecture.py

It imports nothing of the package: what it says of the files it reads from them. `tests/test_contract_layout.py` keeps
the floors with the functions below, and `benchmarks/walks.py` counts a walk's climbs by them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lhy_rl"
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "images" / "architecture.svg"

FLOORS = (
    ("cli",),
    ("benchmark", "recording"),
    ("reporting",),
    ("experiment",),
    ("agents",),
    ("rollouts",),
    ("envs", "interop"),
    ("nn",),
    ("functional", "data"),
    ("core",),
)
"""The rooms of the package from the top down: a file imports from its own room and from the floors below."""

HEIGHT = {room: height for height, rooms in enumerate(reversed(FLOORS)) for room in rooms}
"""Room to floor, counted from the bottom; rooms of one floor do not import each other."""


def room_of(module: str) -> str:
    """The room that a module belongs to; "" for the package itself."""
    return module.partition(".")[2].split(".")[0]


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """The name by which each file is imported, and the file."""
    return {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(package.rglob("*.py"))
    }


def imported_files(source: str, package: str, files: Container[str], lazily: bool = True) -> set[str]:
    """The modules among ``files`` that a file of ``package`` imports, inside functions too.

    Args:
        source: The file's text.
        package: The package that it stands in, for relative imports.
        files: The modules that there are.
        lazily: With what it names as "module:attribute", to be imported when it is asked for.
    """
    names = set(_imported_names(ast.parse(source), package, lazily))
    found = {name if name in files else name.rpartition(".")[0] for name in names}
    return {name for name in found if name.split(".")[0] == "lhy_rl"}


def _imported_names(tree: ast.AST, package: str, lazily: bool) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = ".".join(package.split(".")[: len(package.split(".")) - level + 1]) if level else ""
                base = ".".join(part for part in (base, module) if part)
                yield from (f"{base}.{alias.name}" for alias in names)
            case ast.Constant(value=str(text)) if lazily and re.fullmatch(r"lhy_rl(\.\w+)+(:\w+)?", text):
                yield text.split(":")[0]


def imports(lazily: bool = True) -> dict[str, set[str]]:
    """Each module of the package to the other modules of it that it imports."""
    files, graph = modules(), {}
    for module, path in files.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        graph[module] = imported_files(path.read_text(encoding="utf-8"), package, files, lazily) - {module, "lhy_rl"}
    return graph


def circles() -> list[list[str]]:
    """The files that stand in a circle of imports, each with those of its circle that it imports."""
    graph = imports(lazily=False)
    while free := {module for module, others in graph.items() if not others & graph.keys()}:
        graph = {module: others for module, others in graph.items() if module not in free}
    while top := graph.keys() - set().union(*graph.values()):  # nobody in a circle imports these
        graph = {module: others for module, others in graph.items() if module not in top}
    return sorted(sorted({module, *others & graph.keys()}) for module, others in graph.items())
