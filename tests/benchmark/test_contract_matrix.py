"""A matrix of networks and tasks: rows are expanded, returns normalised, and trained policies tested elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lhy_rl.benchmark import results, runner, spec
from lhy_rl.benchmark.learning_curve import Curve, Point
from lhy_rl.cli.main import main

TASK: dict[str, Any] = {"task": "repeat", "config": "tiny.yaml", "score": [-1, 1], "elsewhere": {"k=3": {"env.k": 3}}}
MATRIX: dict[str, Any] = {
    "networks": {"no memory": {"agent.core": None}, "gru": {"agent.core": "gru"}},
    "tasks": [TASK, {**TASK, "task": "harder", "overrides": {"env.k": 2}, "elsewhere": {}, "networks": ["gru"]}],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    env = {"id": "lhy_rl/RepeatPrevious-v0", "num_ranks": 2, "k": 1}
    agent = {"name": "ppo", "num_envs": 4, "n_steps": 8, "batch_size": 32, "n_epochs": 1, "gamma": 0.0}
    Path("tiny.yaml").write_text(yaml.safe_dump({"env": env, "agent": agent, "total_timesteps": 64}))
    Path("matrix.yaml").write_text(yaml.safe_dump(MATRIX))
    return tmp_path


def test_contract_each_network_learns_each_of_its_tasks(folder: Path) -> None:
    assert main(["benchmark", "matrix.yaml", "--seeds", "1", "--jobs", "1", "--output", "out"]) == 0
    rows = {(row.variant, row.task, row.metric): row for row in results.load("matrix", folder / "out")}
    assert {key[:2] for key in rows} == {("no memory", "repeat"), ("gru", "repeat"), ("gru", "harder")}
    for name, task in (("no memory", "repeat"), ("gru", "repeat"), ("gru", "harder")):
        normalised, mean_return = rows[name, task, "normalised return"], rows[name, task, "mean return"]
        assert normalised.value == pytest.approx((mean_return.value + 1) / 2)
        assert normalised.reference == "chance -1, optimum 1"
    assert ("gru", "repeat", "normalised return, k=3") in rows and (
        "gru",
        "harder",
        "normalised return, k=3",
    ) not in rows
    assert (folder / "out/matrix.png").exists() and (folder / "out/matrix.curves.png").exists()


def test_contract_what_a_policy_is_worth_elsewhere_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = spec.find(["matrix.yaml"])
    monkeypatch.setattr(
        runner.SeedRun, "run", lambda run: Curve([Point(0, 0.0, 0.5)], dict.fromkeys(run.elsewhere, 0.2))
    )
    first = runner.run(found, Path("out"), seeds=1)
    monkeypatch.setattr(runner.SeedRun, "run", lambda run: pytest.fail("trained again"))
    assert runner.run(found, Path("out"), seeds=1) == first
    values = {(row.variant, row.metric): row.value for row in first if row.task == "repeat"}
    assert values["gru", "normalised return"] == pytest.approx(0.75)
    assert values["gru", "normalised return, k=3"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"networks": ["gru"]}, "networks in 'wrong.yaml' must be a mapping"),
        ({"networks": {"gru": "gru"}}, "networks in 'wrong.yaml' must be a mapping"),
        ({"tasks": "repeat"}, "tasks in 'wrong.yaml' must be a list"),
        ({"tasks": [{"config": "tiny.yaml", "task": "repeat"}]}, "task 1 in 'wrong.yaml' needs score"),
        ({"tasks": [{**TASK, "networks": ["grv"]}]}, "did you mean 'gru'?"),
        ({"tasks": [{**TASK, "score": [1]}]}, "score in row 1 of 'wrong.yaml' is [1]; it must be two numbers"),
        ({"tasks": [{**TASK, "elsewhere": {"k=3": {"env.kk": 3}}}]}, "kk"),
    ],
)
def test_contract_a_wrong_matrix_is_one_line(
    changes: dict[str, Any], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("wrong.yaml").write_text(yaml.safe_dump(MATRIX | changes))
    assert main(["benchmark", "wrong.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err, err
