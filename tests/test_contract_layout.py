"""The house stays as design.md draws it: links, direction of imports, nothing unsafe, nothing imported too early."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts import script

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lhy_rl"
FILES = sorted(PACKAGE.rglob("*.py"))

architecture = script("architecture")  # it has the floors, and reads the imports
MODULES = architecture.modules()


def name_of(path: Path) -> str:
    """The name by which a file is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


FRONT_DOOR = {"core", "envs", "experiment"}  # `import lhy_rl` registers the environments; `lhy_rl.load` is lazy


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("import lhy_rl.agents.supervised.mle", {"lhy_rl.agents.supervised.mle"}),
        ("from lhy_rl.envs.text.base import TextEnv", {"lhy_rl.envs.text.base"}),
        ("from lhy_rl import nn, data", {"lhy_rl.nn", "lhy_rl.data"}),
        ("def f():\n    from lhy_rl.cli.main import main", {"lhy_rl.cli.main"}),
        ("from . import decoding", {"lhy_rl.nn.decoding"}),
        ("from ..data import npz", {"lhy_rl.data.npz"}),
        ("place = 'lhy_rl.agents.supervised.mle:MLE'", {"lhy_rl.agents.supervised.mle"}),
        ("import_module('lhy_rl.agents.supervised.mle')", {"lhy_rl.agents.supervised.mle"}),
        ("import torch, lhy_rlx.agents", set()),
        ("'''How lhy_rl.agents use this.'''", set()),
    ],
)
def test_imports_are_found(line, files):
    assert architecture.imported_files(line, "lhy_rl.nn", MODULES) == files


def test_every_room_has_a_floor():
    assert {architecture.room_of(module) for module in MODULES.keys() - architecture.FORMER} - {
        ""
    } == architecture.HEIGHT.keys()


def test_imports_run_downward():
    room_of, height, upward = architecture.room_of, architecture.HEIGHT, set()
    for module, others in architecture.imports().items():
        for other in others if module not in architecture.FORMER else ():
            here, there = room_of(module), room_of(other)
            if there not in FRONT_DOOR if here == "" else here != there and height[there] >= height[here]:
                upward.add((module.removeprefix("lhy_rl."), other.removeprefix("lhy_rl.")))
    assert upward == set()


def test_no_files_know_each_other_in_a_circle():
    assert architecture.circles() == []


def test_no_room_is_empty():
    folders = [path for path in PACKAGE.rglob("*") if path.is_dir() and path.name != "__pycache__"]
    code = [folder for folder in folders if any(folder.rglob("*.py"))]
    assert all((folder / "__init__.py").is_file() for folder in code), "a folder that no import finds"
    empty = [str(folder) for folder in code if not any(p.name != "__init__.py" for p in folder.rglob("*.py"))]
    assert empty == []


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.name == "__init__.py" or name_of(path) in architecture.FORMER], ids=name_of
)
def test_a_folders_init_only_hands_names_on(path):
    """Imports, tables of names, and ``__getattr__`` for those that are imported when asked for."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name):
                assert name == "__getattr__", f"{name} belongs into a file of its own"
            case _:
                kinds = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.If)
                assert isinstance(node, kinds), ast.unparse(node)


LONGEST = 350
"""Lines of a file: what is longer has more than one idea in it, as a rule."""


def test_files_are_short():
    assert {name_of(path) for path in FILES if len(path.read_bytes().splitlines()) > LONGEST} == set()


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
HEAVY += ("minari", "h5py", "scipy")


@pytest.mark.parametrize(
    "program",
    [
        "import lhy_rl",
        "from lhy_rl.cli.main import main; main(['--help'])",
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
    from lhy_rl.experiment.yaml_files import find_configs

    assert find_configs() == ROOT / "configs"
    assert (find_configs() / "seqgan" / "chat.yaml").is_file()


def test_configurations_are_found_inside_an_installed_package(tmp_path, monkeypatch):
    import lhy_rl
    from lhy_rl.core.errors import UserError
    from lhy_rl.experiment.yaml_files import find_configs

    monkeypatch.setattr(lhy_rl, "__path__", [str(tmp_path / "lhy_rl")])
    with pytest.raises(UserError, match="reinstall lhy-rl"):
        find_configs()
    (tmp_path / "configs").mkdir()
    (tmp_path / "lhy_rl" / "configs").mkdir(parents=True)
    assert find_configs() == tmp_path / "lhy_rl" / "configs"
