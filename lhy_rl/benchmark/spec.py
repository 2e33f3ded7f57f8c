"""Benchmarks as data: rows of a configuration, what is changed in it, and the return that counts as solved.

A definition is a YAML file, ``configs/benchmark/<name>.yaml``:

    rows:
      - config: ppo/cartpole      # a shipped configuration or a path
        variant: no discount      # the row's name; the configuration's where left out
        overrides: {agent.gamma: 0.0}
        test: {env.k: 3}          # what is changed in the environment that evaluations play in; nothing where left out
        threshold: 475            # a mean return; Gymnasium's own where it has one
        evaluation_interval: 1_000   # steps between two evaluations; a 25th of the training where left out
        episodes: 100             # of an evaluation; 20 where left out
        stop: true                # a seed stops where it has reached the threshold, so that its last return is that
        reference: a peer's figure and where it is from

and of imitation:

      - config: gail/cartpole
        task: CartPole-v1, 500 steps         # what the task is called; the environment's id where left out
        expert: cartpole-expert              # shipped demonstrations whose scores are 1 and 0 of the normalised return
        trajectories: [1, 5, 10]             # a row for each, with that many demonstrations
        overrides: {agent.demonstrations: random}   # or scripted: recorded on the spot (experiment/demonstrations.py)

or, instead of rows, a matrix of networks and tasks (matrix.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from lhy_rl.benchmark.matrix import expand
from lhy_rl.benchmark.normalized_score import check_expert
from lhy_rl.core.errors import UserError, brief, renamed, suggest
from lhy_rl.experiment import config as configuration
from lhy_rl.experiment.config import Config
from lhy_rl.experiment.yaml_files import BENCHMARKS, config_names, find_configs, read_yaml
from lhy_rl.experiment.yaml_files import summary as first_sentence
from lhy_rl.rollouts.game_sources import is_game

FORMER_NAMES = {"every": "evaluation_interval"}  # of the keys of a row


@dataclass(frozen=True)
class Entry:
    """A row of a definition.

    Attributes:
        config: Name or path of a configuration.
        variant: What the row is called.
        overrides: Dotted keys of the configuration to other values.
        test: The same, for the environment of the evaluations only.
        threshold: Mean return that counts as solved.
        evaluation_interval: Steps between two evaluations.
        episodes: Of an evaluation.
        stop: A seed stops where it has reached the threshold.
        reference: A peer's or paper's figure and where it is from.
        task: What the task is called; empty takes the environment's id.
        expert: Name of shipped demonstrations; their scores normalise the returns. None leaves returns as they are.
        trajectories: How many demonstrations are shown, one after the other; empty leaves the configuration's number.
        score: The returns of chance and of the optimum, which normalise the row's; empty leaves returns as they are.
        elsewhere: By name what is changed in the environment of further evaluations, at the end of the training.
    """

    config: str
    variant: str = ""
    overrides: dict[str, Any] = field(default_factory=dict)
    test: dict[str, Any] = field(default_factory=dict)
    threshold: float | None = None
    evaluation_interval: int | None = None
    episodes: int | None = None
    stop: bool = False
    reference: str = ""
    task: str = ""
    expert: str | None = None
    trajectories: list[int] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    elsewhere: dict[str, dict[str, Any]] = field(default_factory=dict)

    def with_trajectories(self, count: int) -> Entry:
        """Return the row with one number of trajectories."""
        return replace(self, overrides=self.overrides | {"agent.trajectories": count}, trajectories=[count])

    def resolved(self, seed: int, quick: bool = False, changes: dict[str, Any] | None = None) -> Config:
        """The complete configuration of a seed, with further changes; ``quick`` trains a fiftieth of the steps."""
        loaded = configuration.load(self.config, self.overrides | (changes or {}) | {"seed": seed})
        if is_game(loaded.values["env"]["id"]):
            raise UserError(
                f"{self.config} is a game of several players, and a benchmark compares the returns of one; lhy-rl "
                "train and lhy-rl evaluate measure it"
            )
        if quick and loaded.values["total_timesteps"]:
            loaded.values["total_timesteps"] = max(1, loaded.values["total_timesteps"] // 50)
        return loaded


@dataclass(frozen=True)
class Definition:
    """A benchmark: its name, which is that of its results, and its rows."""

    name: str
    entries: list[Entry]
    shipped: bool = False


def names() -> list[str]:
    """The shipped benchmarks."""
    return sorted(path.stem for path in (find_configs() / BENCHMARKS).glob("*.yaml"))


def summary(name: str) -> str:
    """The comment at the top of a shipped benchmark."""
    return first_sentence(find_configs() / BENCHMARKS / f"{name}.yaml")


def find(given: list[str]) -> list[Definition]:
    """What the words on the command line mean: benchmarks by name or path, and one of all configurations named.

    Raises:
        UserError: a word means neither, or a definition is wrong.
    """
    found, alone = [], []
    for word in given:
        if word in names():
            found.append(read(find_configs() / BENCHMARKS / f"{word}.yaml", shipped=True))
        elif word.endswith((".yaml", ".yml")) and {"rows", "networks"} & set(read_yaml(Path(word))):
            found.append(read(Path(word)))
        elif word.endswith((".yaml", ".yml")) or word in config_names():
            alone.append(entry_of(word))
        else:
            raise suggest(word, [*names(), *config_names()], "benchmark or configuration")
    if alone:
        name = Path(given[0]).stem if given[0].endswith((".yaml", ".yml")) else given[0].replace("/", "-")
        found.append(Definition(name if len(alone) == 1 else "comparison", alone))
    return found


def entry_of(name: str) -> Entry:
    """The row that a shipped benchmark has for a configuration as it is, or one with defaults."""
    for benchmark in names():
        for entry in read(find_configs() / BENCHMARKS / f"{benchmark}.yaml").entries:
            if entry.config == name and not entry.overrides and not entry.trajectories:
                return entry
    return Entry(name)


def read(path: Path, shipped: bool = False) -> Definition:
    """A definition from its file.

    Raises:
        UserError: unknown or missing keys, a value of another type.
    """
    document = read_yaml(path)
    rows = expand(document, path) if "networks" in document else document.get("rows")
    if not isinstance(rows, list) or not rows:
        raise UserError(f"{str(path)!r} does not hold a benchmark: rows, a list of mappings with at least config")
    return Definition(path.stem, [_entry(row, i, path) for i, row in enumerate(rows, 1)], shipped)


def _entry(row: Any, number: int, path: Path) -> Entry:
    where = f"row {number} of {str(path)!r}"
    if not isinstance(row, dict) or not isinstance(row.get("config"), str):
        raise UserError(f"{where} needs config, the name or path of a configuration")
    row = renamed({str(key): value for key, value in row.items()}, FORMER_NAMES)
    known = {f.name for f in fields(Entry)}
    for key in row:
        if key not in known:
            raise suggest(key, known, f"key of {where}")
    for key, kinds, allowed in (
        ("variant", str, "a string"),
        ("reference", str, "a string"),
        ("overrides", dict, "a mapping of dotted keys to values"),
        ("test", dict, "a mapping of dotted keys to values"),
        ("threshold", (int, float), "a number"),
        ("evaluation_interval", int, "a whole number"),
        ("episodes", int, "a whole number"),
        ("stop", bool, "true or false"),
        ("task", str, "a string"),
        ("expert", str, "a string"),
        ("trajectories", list, "a list of whole numbers"),
        ("score", list, "two numbers, the returns of chance and of the optimum"),
        ("elsewhere", dict, "a mapping of names to mappings of dotted keys to values"),
    ):
        value = row.get(key)
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool) != (kinds is bool)):
            raise UserError(f"{key} in {where} is {brief(value)}; it must be {allowed}")
    for key in ("evaluation_interval", "episodes"):
        if row.get(key) is not None and row[key] < 1:
            raise UserError(f"{key} in {where} is {row[key]}; it must be at least 1")
    counts = row.get("trajectories")
    if counts is not None and (not counts or not all(type(count) is int and count >= 1 for count in counts)):
        raise UserError(f"trajectories in {where} is {counts}; it must be a list of whole numbers, each at least 1")
    score = row.get("score")
    if score is not None and (len(score) != 2 or not all(isinstance(x, (int, float)) for x in score)):
        raise UserError(
            f"score in {where} is {score}; it must be two numbers, the returns of chance and of the optimum"
        )
    if (counts is None) != (row.get("expert") is None):
        raise UserError(f"{where} needs both expert and trajectories, or neither")
    if row.get("expert") is not None:
        check_expert(row["expert"])
    return Entry(**{key: value for key, value in row.items() if value is not None})
