"""Write the pages about the registries: docs/environments/, a page for each id from the environment's docstring and an
index, and docs/names.md, the table of all names.

python docs/build.py
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "environments"
NAMES = FOLDER.parent / "names.md"
sys.path.insert(0, str(FOLDER.parents[1]))

from lhy_rl.cli.arguments import COMMANDS  # noqa: E402
from lhy_rl.cli.listing import REGISTRIES, listing  # noqa: E402
from lhy_rl.envs.registration import GAMES, TABLE, WRAPPED, GameRow, Row  # noqa: E402

NOTE = "<!-- python docs/build.py writes this page from {source}; change it there. -->\n\n"


def page(row: Row | GameRow) -> str:
    """Return the page of an environment or a game, made from its docstring."""
    module, _, name = (row.rules if isinstance(row, GameRow) else row.batched).partition(":")
    text = inspect.cleandoc(getattr(importlib.import_module(module), name).__doc__ or "")
    source = f"{module.replace('.', '/')}.py"
    head = f"{NOTE.format(source=source)}# {row.id}\n\n{row.summary[0].upper()}{row.summary[1:]}."
    film = film_of(row)
    picture = f"\n\n![An episode of {row.id}]({film})" if film else ""
    return f"{head}{picture}\n\n{text}\n"


def film_of(row: Row | GameRow) -> str | None:
    """Return the path of the film by docs/films.py, relative to the environment's page; None if there is none."""
    path = FOLDER / "films" / f"{row.id.partition('/')[2]}.gif"
    return path.relative_to(FOLDER).as_posix() if path.is_file() else None


def file_name(row: Row | GameRow) -> str:
    """Return the file name of a page: ``OracleText-v0.md`` for ``lhy_rl/OracleText-v0``."""
    return row.id.partition("/")[2] + ".md"


def index() -> str:
    """Return the page that lists all environments."""
    lines = []
    for row in TABLE + WRAPPED + GAMES:
        film = film_of(row)
        small = f'<img alt="{row.id}" src="{film}" width="150">' if film else ""
        lines.append(f"| {small} | [`{row.id}`]({file_name(row)}) | {row.summary} |")
    note = NOTE.format(source="lhy_rl/envs/registration.py")
    head = "# Environments\n\n| An episode | Id | What it is |\n|----|----|------------|\n"
    return f"{note}{head}" + "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """Return file name to content of all pages."""
    return {"index.md": index()} | {file_name(row): page(row) for row in TABLE + WRAPPED + GAMES}


def names() -> str:
    """Return the page of all names in the registries."""
    kinds = ("environments", *REGISTRIES, "configurations", "benchmarks")
    found = {kind: [name for name, _ in listing(kind)] for kind in kinds} | {"commands": list(COMMANDS)}
    rows = "".join(
        f"| {kind.replace('_', ' ')} | {', '.join(f'`{name}`' for name in known)} |\n" for kind, known in found.items()
    )
    head = "# Names\n\nWhat an option or a command takes by name; `lhy-rl list KIND` has a line on each.\n"
    return f"{NOTE.format(source='lhy_rl/cli/listing.py')}{head}\n| Kind | Names |\n|------|-------|\n{rows}"


def main() -> None:
    """Write the pages; delete those of environments that no longer exist."""
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    NAMES.write_text(names(), encoding="utf-8")


if __name__ == "__main__":
    main()
