"""The number of files that four typical runs go through: the files that are called, in the order of the first call.

    an observation to a gradient     PPO on CartPole, one update
    a demonstration to a clone       BC from the shipped cartpole-expert, from loading it to the first update
    a command line to a run folder   `lhy-rl train ppo/cartpole`, until it returns
    a sentence through SeqGAN        one adversarial round on a small synthetic language

Each is a real run under `sys.setprofile`. A file of the package counts when one of its functions is called, and not for
being imported. A climb is a step of the walk to a file on a higher floor than the file before it, for a reader who
follows this order. Only public names are used, so that older checkouts can be measured, too:

    python -m benchmarks.walks [--quick] [--json]
    PYTHONPATH=CHECKOUT python benchmarks/walks.py    # the lhy_rl of another checkout
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import gymnasium

import lhy_rl
from benchmarks.harness import Row, save

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PACKAGE = Path(lhy_rl.__file__ or "").resolve().parent
OURS = re.compile(re.escape(f"{PACKAGE}/") + r".*\.py")  # not the report's template, which is run as code, too
MOVED = "3d66b52"  # a commit that only moved files, which gives the files of older checkouts their present floors


@dataclass(frozen=True)
class Walk:
    """The files that were called, in the order of the first call.

    Attributes:
        files: Path in the package to the function of it that was called first.
        heights: The floor of each file, counted from the bottom.
        lines: The number of lines of each file.
    """

    files: dict[str, str]
    heights: list[int]
    lines: list[int]

    @property
    def climbs(self) -> int:
        """The number of files that are on a higher floor than the file before them."""
        return sum(a < b for a, b in zip(self.heights, self.heights[1:], strict=False))


def traced(run: Callable[[], object], floor: Callable[[str], int]) -> Walk:
    """Run a function and record the files that it calls; ``floor`` returns the height of a file."""
    first: dict[str, str] = {}
    seen: dict[int, CodeType] = {}  # by id, since hashing a code object reads all of it
    importing = 0

    def note(frame: FrameType, event: str, arg: Any) -> None:
        nonlocal importing
        code = frame.f_code
        if id(code) in seen or event not in ("call", "return"):
            return
        if code.co_filename == "<frozen importlib._bootstrap>" and code.co_name == "_find_and_load":
            importing += (event == "call") - (event == "return")
        elif event == "call" and not importing:
            seen[id(code)] = code
            if OURS.fullmatch(code.co_filename):
                first.setdefault(code.co_filename[len(f"{PACKAGE}/") :], code.co_qualname)

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    lines = [len((PACKAGE / file).read_bytes().splitlines()) for file in first]
    return Walk(first, [floor(file) for file in first], lines)


# ------------------------------------------------------------------ the four walks, ready to run
def observation_to_gradient(quick: bool) -> Callable[[], object]:
    """PPO on CartPole, one update."""
    from lhy_rl.agents import PPO

    agent = PPO("CartPole-v1", num_envs=8, n_steps=32, seed=0)
    return lambda: agent.learn(8 * 32)


def demonstration_to_clone(quick: bool) -> Callable[[], object]:
    """BC from the shipped expert of CartPole, from loading it to the first update."""
    from lhy_rl.agents import BC

    return lambda: BC("CartPole-v1", demonstrations="cartpole-expert", trajectories=1, seed=0).learn(1)


def command_line_to_run_folder(quick: bool) -> Callable[[], object]:
    """A short training by the command line, with its evaluation, pictures and report."""
    cli = PACKAGE / "cli" / "main.py"
    main = importlib.import_module("lhy_rl.cli.main" if cli.exists() else "lhy_rl.cli").main
    words = ["train", "ppo/cartpole", "--total_timesteps", "500" if quick else "2000", "--run.tracker", "none"]

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            assert main([*words, "--run.folder", f"{folder}/run"]) == 0

    return run


def sentence_through_seqgan(quick: bool) -> Callable[[], object]:
    """One adversarial round: sentences, their credit, and a step of the generator and the discriminator."""
    from lhy_rl.agents import SeqGAN

    task = gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=8, vocabulary_size=10, max_length=5)
    agent = SeqGAN(task, pretrain_epochs=0, discriminator_pretrain_steps=0, discriminator_steps=1, rollouts=2, seed=0)
    return lambda: agent.learn(1)


WALKS = {
    "an observation to a gradient": observation_to_gradient,
    "a demonstration to a clone": demonstration_to_clone,
    "a command line to a run folder": command_line_to_run_folder,
    "a sentence through SeqGAN": sentence_through_seqgan,
}


def walks(quick: bool = False) -> dict[str, Walk]:
    """Run all four walks."""
    floor, found = floors(), {}
    for name, prepare in WALKS.items():
        run = prepare(quick)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found[name] = traced(run, floor)
    return found


# ------------------------------------------------------------------ floors, also of older checkouts
def architecture() -> Any:
    """Import docs/architecture.py of this checkout, which defines the floors."""
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "docs" / "architecture.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def floors() -> Callable[[str], int]:
    """Return a function from a file of the measured package to its height; moved files have that of their new place."""
    height: dict[str, int] = architecture().HEIGHT
    moved = {} if (PACKAGE / "core").is_dir() else renames()

    def floor(file: str) -> int:
        room = moved.get(file, file).split("/")[0].removesuffix(".py")
        return height.get(room, height["cli"])  # the package's own __init__ is at the top

    return floor


def git(*words: str) -> str:
    """Return the output of git in the measured checkout, or "" if it is not a repository."""
    done = subprocess.run(["git", "-C", str(PACKAGE.parent), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def renames() -> dict[str, str]:
    """Return old to new path in the package, for the files that ``MOVED`` moved."""
    pairs = [
        line.split("\t") for line in git("diff", "-M", "--name-status", "HEAD", MOVED, "--", "lhy_rl").splitlines()
    ]
    return {p[1].removeprefix("lhy_rl/"): p[2].removeprefix("lhy_rl/") for p in pairs if len(p) == 3}


# ------------------------------------------------------------------ output
def text_of(found: dict[str, Walk]) -> str:
    """Return the walks as text."""
    lines = []
    for name, walk in found.items():
        lines.append(f"{name}: {len(walk.files)} files, {sum(walk.lines):,} lines, {walk.climbs} climbs")
        lines += [f"    {file:<45} {function}" for file, function in walk.files.items()]
    return "\n".join(lines)


def rows_of(found: dict[str, Walk], label: str) -> list[Row]:
    """Return the walks as rows of a benchmark."""
    return [
        Row(name, "", label, metric, value, value, value, 1)
        for name, walk in found.items()
        for metric, value in (("files", len(walk.files)), ("lines", sum(walk.lines)), ("climbs", walk.climbs))
    ]


def draw(trees: dict[str, dict[str, Walk]], path: Path) -> None:
    """Plot each walk as a line over the floors, with a line for each checkout."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8.3, 11), layout="constrained")
        names = [", ".join(rooms) for rooms in reversed(architecture().FLOORS)]
        for axes, name in zip(figure.subplots(len(WALKS), sharex=True), WALKS, strict=True):
            for number, (label, found) in enumerate(trees.items()):
                walk, colour = found[name], ("#a0aec0", "#2b6cb0", "#c05621")[number % 3]
                text = f"{label}: {len(walk.files)} files, {sum(walk.lines):,} lines, {walk.climbs} climbs"
                axes.plot(range(1, len(walk.files) + 1), walk.heights, "o-", markersize=3, color=colour, label=text)
            axes.set_title(name, loc="left", weight="bold", pad=4 + 11 * len(trees))
            axes.set_yticks(range(len(names)), names, fontsize=8)
            axes.set_ylim(-0.5, len(names) - 0.5)
            axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(-0.01, 0.97), borderpad=0)
        axes.set_xlabel("files in the order of the first call")
        figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a shorter training; the tests run this")
    parser.add_argument("--json", action="store_true", help="print the files as JSON and write nothing")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="FOLDER", help=f"default: {RESULTS}")
    parser.add_argument("--label", help="name of the checkout in the results (default: its commit)")
    options = parser.parse_args()
    label = options.label or git("rev-parse", "--short", "HEAD") or "here"
    found = walks(options.quick)
    if options.json:
        print(json.dumps({name: asdict(walk) for name, walk in found.items()}))
        return
    print(text_of(found))
    kept = options.output / "walks.files.json"
    trees = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    trees[label] = {name: asdict(walk) for name, walk in found.items()}
    options.output.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(trees, indent=1) + "\n", "utf-8")
    all_walks = {tree: {name: Walk(**walk) for name, walk in of.items()} for tree, of in trees.items()}
    save("walks", [row for tree, of in all_walks.items() for row in rows_of(of, tree)], options.output)
    draw(all_walks, options.output / "walks.png")


if __name__ == "__main__":
    main()
