"""The house stays as design.md draws it: links, direction of imports, nothing unsafe, nothing imported too early."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lhy_rl"
FILES = sorted(PACKAGE.rglob("*.py"))

NEUTRAL = {"errors", "registry", "protocols", "archive", "trees", "states"}
ALLOWED = {
    "errors": set(),
    "registry": {"errors"},
    "protocols": set(),
    "archive": {"errors"},
    "trees": set(),
    "states": {"errors", "trees"},
    "functional": NEUTRAL,
    "data": NEUTRAL,
    "nn": NEUTRAL | {"functional"},
    "envs": NEUTRAL | {"data", "nn", "functional"},
    "agents": NEUTRAL | {"data", "nn", "functional", "interop"},  # Stable-Baselines3's callbacks run on them
    "interop": NEUTRAL | {"nn", "functional", "data"},
    "experiment": NEUTRAL | {"functional", "data", "nn", "envs", "agents", "interop"},
    "cli": NEUTRAL | {"functional", "data", "nn", "envs", "agents", "interop", "experiment"},
    "__init__": NEUTRAL | {"envs", "experiment"},  # `import lhy_rl` registers the environments; `lhy_rl.load` is lazy
    "__main__": {"cli"},
}
"""Part of the package to the parts that it may import."""


def part_of(path: Path) -> str:
    """The part that a file belongs to: its folder under lhy_rl/, or its own name at the top."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_parts(source: str, package: str) -> set[str]:
    """The parts of lhy_rl that a module of ``package`` imports, also lazily and by "module:attribute" strings."""
    return {name.split(".")[1] for name in _imported_names(ast.parse(source), package) if name.startswith("lhy_rl.")}


def _imported_names(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = ".".join(package.split(".")[: len(package.split(".")) - level + 1]) if level else ""
                base = ".".join(part for part in (base, module) if part)
                yield from ([f"{base}.{alias.name}" for alias in names] if base == "lhy_rl" else [base])
            case ast.Constant(value=str(text)) if re.fullmatch(r"lhy_rl(\.\w+)+(:\w+)?", text):
                yield text


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("import lhy_rl.agents.mle", {"agents"}),
        ("from lhy_rl.envs.text import x", {"envs"}),
        ("from lhy_rl import nn, data", {"nn", "data"}),
        ("def f():\n    from lhy_rl.cli import main", {"cli"}),
        ("from . import x", {"nn"}),
        ("from ..agents import x", {"agents"}),
        ("from .. import agents", {"agents"}),
        ("place = 'lhy_rl.agents.mle:MLE'", {"agents"}),
        ("import_module('lhy_rl.agents.mle')", {"agents"}),
        ("import torch, lhy_rlx.agents", set()),
        ("'''How lhy_rl.agents use this.'''", set()),
    ],
)
def test_imports_are_found(line, parts):
    assert imported_parts(line, "lhy_rl.nn") == parts


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    part = part_of(path)
    assert part in ALLOWED, f"{part} is no part of the house; give it a place in ALLOWED"
    package = ".".join(path.relative_to(ROOT).parts[:-1])
    wrong = imported_parts(path.read_text(encoding="utf-8"), package) - ALLOWED[part] - {part}
    assert not wrong, f"{part} must not know {', '.join(sorted(wrong))}"


def test_the_table_has_no_circle():
    below: set[str] = set()
    left = {part: allowed - {part} for part, allowed in ALLOWED.items()}
    while left:
        free = {part for part, allowed in left.items() if allowed <= below}
        assert free, f"these know each other in a circle: {sorted(left)}"
        below |= free
        left = {part: allowed for part, allowed in left.items() if part not in free}


@pytest.mark.parametrize("name", ["envs", "agents"])
def test_links_at_the_front_door(name):
    link = ROOT / name
    assert link.is_symlink()
    assert os.readlink(link) == f"lhy_rl/{name}"
    assert link.resolve() == PACKAGE / name


UNSAFE = re.compile(
    r"^\s*(import|from) +(pickle|cloudpickle|dill|joblib)\b"
    r"|\byaml\.(unsafe_|full_)?load(_all)?\("
    r"|weights_only *= *False"
    r"|allow_pickle *= *True",
    re.MULTILINE,
)


@pytest.mark.parametrize(
    ("line", "unsafe"),
    [
        ("import pickle", True),
        ("    from cloudpickle import loads", True),
        ("yaml.load(text)", True),
        ("torch.load(path, weights_only=False)", True),
        ("np.load(path, allow_pickle=True)", True),
        ("yaml.safe_load(text)", False),
        ("np.load(path, allow_pickle=False)", False),
        ("# nothing is ever unpickled", False),
    ],
)
def test_unsafe_loading_is_found(line, unsafe):
    assert bool(UNSAFE.search(line)) == unsafe


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_is_unpickled(path):
    found = UNSAFE.search(path.read_text(encoding="utf-8"))
    assert found is None, f"unsafe loading: {found.group()!r}"


HEAVY = ("torch", "wandb", "matplotlib", "stable_baselines3", "tensorboard", "pettingzoo", "sacrebleu", "pandas")
HEAVY += ("minari", "h5py")


@pytest.mark.parametrize(
    "program",
    [
        "import lhy_rl",
        "from lhy_rl.cli import main; main(['--help'])",
    ],
    ids=["import", "help"],
)
def test_heavy_packages_are_not_imported_early(program):
    watch = (
        "import atexit, json, sys\n"
        f"atexit.register(lambda: print('\\n' + json.dumps([m for m in {HEAVY!r} if m in sys.modules])))\n"
    )
    done = subprocess.run([sys.executable, "-c", watch + program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_configurations_are_found_beside_the_package():
    from lhy_rl.experiment.places import find_configs

    assert find_configs() == ROOT / "configs"
    assert (find_configs() / "seqgan" / "chat.yaml").is_file()


def test_configurations_are_found_inside_an_installed_package(tmp_path, monkeypatch):
    import lhy_rl
    from lhy_rl.errors import UserError
    from lhy_rl.experiment.places import find_configs

    monkeypatch.setattr(lhy_rl, "__path__", [str(tmp_path / "lhy_rl")])
    with pytest.raises(UserError, match="reinstall lhy-rl"):
        find_configs()
    (tmp_path / "configs").mkdir()
    (tmp_path / "lhy_rl" / "configs").mkdir(parents=True)
    assert find_configs() == tmp_path / "lhy_rl" / "configs"
