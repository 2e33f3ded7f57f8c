"""Draw the rooms of the package on their floors, and write the tables of docs/architecture.md, from the imports.

    python docs/architecture.py

It does not import the package, but parses its files. `tests/test_contract_layout.py` checks the floors with the
functions below, and `benchmarks/walks.py` uses them to count the climbs of a walk.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Container, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lhy_rl"
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "images" / "architecture.svg"

FLOORS = (
    ("cli",),
    ("benchmark", "recording"),
    ("reporting", "diagnostics"),
    ("experiment",),
    ("agents",),
    ("rollouts",),
    ("envs", "interop"),
    ("search",),
    ("nn",),
    ("functional", "data"),
    ("core",),
)
"""The rooms of the package from the top down: a file imports from its own room and from the floors below."""

HEIGHT = {room: height for height, rooms in enumerate(reversed(FLOORS)) for room in rooms}
"""Room to floor, counted from the bottom; rooms of one floor do not import each other."""

FORMER = {"lhy_rl.agents.sb3_gail", "lhy_rl.data.recording", "lhy_rl.nn.sequence", "lhy_rl.protocols"}
"""Former names of modules that the documentation has used; they re-export the names of the present modules."""


def room_of(module: str) -> str:
    """The room that a module belongs to; "" for the package itself."""
    return module.partition(".")[2].split(".")[0]


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Return module name to file."""
    return {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(package.rglob("*.py"))
    }


def imported_files(source: str, package: str, files: Container[str], lazily: bool = True) -> set[str]:
    """Return the modules among ``files`` that a file of ``package`` imports, also inside functions.

    Args:
        source: The text of the file.
        package: The package of the file, for relative imports.
        files: The existing modules.
        lazily: Whether to include the modules of "module:attribute" strings, which are imported when they are needed.
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


@functools.cache
def imports(lazily: bool = True) -> dict[str, set[str]]:
    """Return each module of the package to the other modules of the package that it imports."""
    files, graph = modules(), {}
    for module, path in files.items():
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        graph[module] = imported_files(path.read_text(encoding="utf-8"), package, files, lazily) - {module, "lhy_rl"}
    return graph


def circles() -> list[list[str]]:
    """Return the files in import cycles, each with the files of its cycle that it imports."""
    graph = imports(lazily=False)
    while free := {module for module, others in graph.items() if not others & graph.keys()}:
        graph = {module: others for module, others in graph.items() if module not in free}
    while top := graph.keys() - set().union(*graph.values()):  # not imported from a cycle
        graph = {module: others for module, others in graph.items() if module not in top}
    return sorted(sorted({module, *others & graph.keys()}) for module, others in graph.items())


def arrows() -> dict[tuple[str, str], int]:
    """Return pairs of rooms, the first of which imports the second, to the number of importing files."""
    found: Counter[tuple[str, str]] = Counter()
    for module, others in imports().items():
        here = room_of(module) if module not in FORMER else ""
        found.update(
            (here, there) for there in {room_of(other) for other in others} if here and there not in ("", here)
        )
    return dict(sorted(found.items()))


# ------------------------------------------------------------------ the picture
ABOUT = {
    "cli": "the command lhy-rl",
    "benchmark": "seeds, intervals, tables",
    "recording": "episodes played and filmed",
    "reporting": "plots, report.html",
    "diagnostics": "what a loss is like",
    "experiment": "configuration, run, checkpoints",
    "agents": "one file an algorithm",
    "rollouts": "steps the environments",
    "envs": "the tasks",
    "interop": "adapters to libraries",
    "search": "spaces, searchers",
    "nn": "networks and policies",
    "functional": "pure maths",
    "data": "demonstrations, corpora",
    "core": "errors, registry, protocols, archive: every room may use them",
}
"""Room to the text in its box."""

ACROSS = {
    "benchmark": 0.2,
    "recording": 0.8,
    "reporting": 0.62,
    "diagnostics": 0.2,
    "experiment": 0.36,
    "agents": 0.5,
    "rollouts": 0.7,
}
ACROSS |= {"envs": 0.15, "interop": 0.85, "nn": 0.5, "functional": 0.3, "data": 0.74}
"""Room to the centre of its box, as a share of the picture's width; the others are centred."""

BOX = 0.25, 0.6  # width and height of a box


def sizes() -> dict[str, tuple[int, int]]:
    """Return room to its number of files, without those that only re-export names, and of lines."""
    files: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for module, path in modules().items():
        if path.name != "__init__.py" and module not in FORMER:
            files[room_of(module)] += 1
            lines[room_of(module)] += len(path.read_text(encoding="utf-8").splitlines())
    return {room: (files[room], lines[room]) for room in sorted(HEIGHT, key=HEIGHT.__getitem__, reverse=True)}


def draw(path: Path = PICTURE) -> None:
    """Draw the rooms on their floors; arrows are as wide as the number of imports, without those of core."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    with matplotlib.rc_context({"svg.hashsalt": "floors", "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=(8.3, 8.8))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, 1), ylim=(-0.5, len(FLOORS) - 0.5))
        axes.axis("off")
        for height in range(len(FLOORS)):
            axes.axhspan(height - 0.5, height + 0.5, color=("#edf2f7", "#f7fafc")[height % 2], linewidth=0, zorder=0)
        width, tall = BOX
        for (upper, lower), count in arrows().items():
            if lower == "core":
                continue
            begin, end = ACROSS.get(upper, 0.5), ACROSS.get(lower, 0.5)
            aside = max(-1.0, min(1.0, (end - begin) / 0.35)) * 0.4 * width  # arrows start on the side of their target
            down = HEIGHT[lower] < HEIGHT[upper]
            edge = tall / 2 if down else -tall / 2
            axes.add_patch(
                FancyArrowPatch(
                    (begin + aside, HEIGHT[upper] - edge),
                    (end - aside, HEIGHT[lower] + edge),
                    arrowstyle="-|>",
                    mutation_scale=7 + 1.5 * count**0.5,
                    linewidth=0.7 + 0.8 * count**0.5,
                    color="#2b6cb0" if down else "#c53030",
                    alpha=min(0.85, 0.25 + 0.04 * count) if down else 0.8,
                    shrinkA=0,
                    shrinkB=0,
                    zorder=1,
                )
            )
        for room, (files, lines) in sizes().items():
            middle, wide = ACROSS.get(room, 0.5), 0.96 if room == "core" else width
            corner = (middle - wide / 2, HEIGHT[room] - tall / 2)
            box = FancyBboxPatch(
                corner, wide, tall, boxstyle="round,pad=0,rounding_size=0.015", fc="white", ec="#2d3748"
            )
            axes.add_patch(box)
            box.set_zorder(2)
            text = {"ha": "center", "va": "center", "zorder": 3}
            axes.text(middle, HEIGHT[room] + 0.16, room, weight="bold", fontsize=11, **text)
            axes.text(middle, HEIGHT[room] - 0.02, ABOUT[room], fontsize=8, **text)
            axes.text(
                middle, HEIGHT[room] - 0.19, f"{files} files, {lines:,} lines", fontsize=7.5, color="#4a5568", **text
            )
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=100)


# ------------------------------------------------------------------ the table of docs/architecture.md
ROOMS = re.compile(r"(<!-- rooms -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def table() -> str:
    """Return a row for each room: its floor, files and lines, and the rooms that it imports with numbers of files."""
    lines = ["| floor | room | files | lines | imports (files that do) |", "| --- | --- | --- | --- | --- |"]
    pairs = arrows()
    for room, (files, length) in sizes().items():
        below = sorted((other for upper, other in pairs if upper == room), key=lambda other: -pairs[room, other])
        imported = ", ".join(f"{other} ({pairs[room, other]})" for other in below)
        lines.append(f"| {HEIGHT[room]} | `{room}` | {files} | {length:,} | {imported} |")
    return "\n".join(lines) + "\n"


def stale(page: str) -> list[str]:
    """Return the rows of the table that a page lacks; numbers may differ by a quarter, or by 3."""
    marked = ROOMS.search(page)
    written = dict(map(numbers, (marked[2] if marked else "").splitlines()[2:]))
    return [row for row in table().splitlines()[2:] if not near(written.get(numbers(row)[0]), numbers(row)[1])]


def numbers(row: str) -> tuple[frozenset[str], dict[str, int]]:
    """Return the words of a row and the number of each; the floor is a word, since it has to be exact."""
    _, floor, room, files, lines, imported, _ = (cell.strip() for cell in row.split("|"))
    counts = {name: int(count) for name, count in re.findall(r"(\w+) \((\d+)\)", imported)}
    words = frozenset({f"floor {floor}", room, *counts})
    return words, {**counts, "files": int(files), "lines": int(lines.replace(",", ""))}


def near(written: dict[str, int] | None, now: dict[str, int]) -> bool:
    """Whether the written numbers are close to the present ones."""
    return written is not None and all(abs(written[key] - now[key]) <= max(3, now[key] / 4) for key in now)


def main() -> None:
    """Draw the picture and rewrite the table."""
    draw()
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(ROOMS.sub(lambda found: found[1] + table() + found[3], text), encoding="utf-8")


if __name__ == "__main__":
    main()
