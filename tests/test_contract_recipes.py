"""CONTRIBUTING.md is followed word for word, in a copy of the package."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RECIPES = re.findall(
    r"^## Add an? ([\w ]+)\n(.*?)(?=^## |\Z)",
    (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
TABLES = {
    "TABLE": r"^TABLE\b.*\(\n",
    "cores": r"^cores = Registry\(\n    \"core\",\n    \{\n",
    "agents": r"^agents = Registry\(\n    \"agent\",\n    \{\n",
}
"""Where the recipes say "in TABLE": the text behind which an entry goes."""
NEW = {"environment": "`lhy_rl/Corridor-v0`", "backbone": "`leaky`", "agent": "`elite/oracle`"}
TRAINED = {
    "environment": "ppo on lhy_rl/Corridor-v0",
    "backbone": "ppo on lhy_rl/RepeatPrevious-v0",
    "agent": "elite on lhy_rl/OracleText-v0",
    "reward model": "ppo on lhy_rl/Gridworld-v0",
}


def copy(folder: Path) -> None:
    """What the recipes change and what they need."""
    for part in ("lhy_rl", "configs", "docs", "tests", "benchmarks"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)


def follow(recipe: str, folder: Path) -> str:
    """Write the recipe's files and entries into a copy of the package; return the code to try it with."""
    try_it = ""
    for code in re.findall(r"^```(?:python|yaml)\n(.*?)^```$", recipe, re.MULTILINE | re.DOTALL):
        first, rest = code.split("\n", 1)
        entry = re.fullmatch(r"# (\S+), in (\w+)", first)
        if entry:
            path, table = folder / entry[1], TABLES[entry[2]]
            text, count = re.subn(table, lambda found, rest=rest: found[0] + rest, path.read_text(), flags=re.MULTILINE)
            assert count == 1, f"{entry[1]} has no {entry[2]} of the expected form"
            path.write_text(text)
        elif first.startswith(("# lhy_rl/", "# configs/")):
            path = folder / first.removeprefix("# ")
            assert not path.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(rest)
        else:
            try_it = code
    return try_it


def typed(shell: str) -> list[str]:
    """The commands of a recipe as lines of a program, so that torch is imported once."""
    lines = []
    for command in shell.replace("\\\n", " ").splitlines():
        match shlex.split(command):
            case ["lhy-rl", *words]:
                lines.append(f"assert main({words}) == 0, {command!r}")
            case ["python", "-m", "pytest", *words]:
                lines.append(f"assert pytest.main({words}) == 0, {command!r}")
            case ["python", script, *words]:
                lines.append(f"sys.argv = {[script, *words]}; runpy.run_path({script!r}, run_name='__main__')")
            case _:
                raise AssertionError(f"what is {command!r}?")
    return lines


def test_there_are_four_recipes():
    assert [name for name, _ in RECIPES] == ["environment", "backbone", "agent", "reward model"]


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A copy in which all recipes were followed, in one process; the copy and what each of them printed."""
    folder, program = tmp_path_factory.mktemp("copy"), ["import runpy, sys, pytest", "from lhy_rl.cli.main import main"]
    copy(folder)
    for name, recipe in RECIPES:
        try_it = follow(recipe, folder)
        (shell,) = re.findall(r"^```sh\n(.*?)^```$", recipe, re.MULTILINE | re.DOTALL)
        new = [line for line in typed(shell) if line not in program]  # docs/build.py once for all entries
        program += [f"print('recipe: {name}')", *new, f"exec({try_it!r}, {{'__name__': '__main__'}})"]
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", "\n".join(program)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "WANDB_MODE": "disabled"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    printed = re.split(r"^recipe: (.*)\n", done.stdout, flags=re.MULTILINE)
    return folder, dict(zip(printed[1::2], printed[2::2], strict=True))


@pytest.mark.parametrize(("name", "recipe"), RECIPES, ids=[name for name, _ in RECIPES])
def test_recipe_works(name, recipe, followed):
    folder, printed = followed
    expected = {
        "environment": "reward: ",
        "backbone": "torch.Size([10, 3, 16]) torch.Size([3, 16])",
        "agent": "'elite': 0.2",
        "reward model": "Stable-Baselines3: states reached 64",
    }
    assert expected[name] in printed[name] and TRAINED[name] in printed[name]
    if name in NEW:
        assert NEW[name] in (folder / "docs/names.md").read_text(), "docs/build.py enters it"


def test_what_the_recipes_write_is_in_style(followed):
    folder, _ = followed
    files = [name for _, recipe in RECIPES for name in re.findall(r"^# (lhy_rl/\S+\.py)$", recipe, re.MULTILINE)]
    assert len(files) == len(RECIPES)
    ruff = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), *files]
    found = subprocess.run(ruff, capture_output=True, text=True, cwd=folder)
    assert found.returncode == 0, found.stdout
