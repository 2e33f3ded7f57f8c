"""What would fail when a training is over is refused before it begins, in one line, and nothing is made."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml

from lhy_rl.benchmark import runner, spec
from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError
from lhy_rl.experiment import run_folder
from lhy_rl.rollouts import evaluate_policy


def sentences(n: int) -> str:
    """Different ones of the same words."""
    who, sees = ["the cat", "a dog", "no bird"], ["sees", "hears", "eats"]
    return "".join(f"{who[i % 3]} {sees[i // 3 % 3]} {who[i // 9]}\n" for i in range(n))


@pytest.fixture
def text(tiny: Callable[..., Path]) -> Callable[[int], list[str]]:
    """The command that trains on a text of so many sentences."""

    def write(n: int, **run: Any) -> list[str]:
        Path("text.txt").write_text(sentences(n))
        path = tiny(total_timesteps=200, run=run)
        env = {"id": "lhy_rl/CorpusText-v0", "corpus": "text.txt", "max_length": 12, "reward": "none"}
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": env}))
        return ["train", str(path), "--run.folder", "run"]

    return write


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The line of a command that fails and leaves no run."""
    capsys.readouterr()
    assert main(words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert not Path("run").exists() and not list(Path().glob(".run*"))
    return err


def test_contract_a_corpus_too_small_to_evaluate_with(
    text: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    for n in (5, 12):
        message = refused(capsys, *text(n))
        assert "the text has 1 sentence for validation, and the evaluation needs at least 2" in message
    assert main(text(20)) == 0, "a tenth of 20 is enough"
    assert json.loads(Path("run/result.json").read_text())["table"]


def test_contract_an_oracle_with_one_sentence(tiny: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny(env={"validation_size": 1})
    assert "1 sentence for validation" in refused(capsys, "train", str(path), "--run.folder", "run")


def test_contract_the_report_and_the_disk(
    tiny: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["train", str(tiny()), "--run.folder", "run", "--run.plots", "true"]
    find = importlib.util.find_spec
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name))
        message = refused(capsys, *words)
        assert (
            "the report needs matplotlib: " in message
            and "pip install matplotlib, or go without: --run.plots" in message
        )
    usage = namedtuple("usage", "total used free")(10**9, 10**9, 20_000)
    monkeypatch.setattr(run_folder.shutil, "disk_usage", lambda path: usage)
    assert "0 MB are free" in refused(capsys, *words)


def test_contract_a_benchmark_that_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    (found,) = spec.find(["ppo/cartpole"])
    for place in ("file", "file/below", "/proc/results"):
        with pytest.raises(UserError, match=f"cannot write results to '{place}'"):
            runner.run(found, Path(place), seeds=1, quick=True)
    assert os.listdir() == ["file"]


class Endless(gymnasium.Env[np.ndarray, int]):
    """It never ends."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, **options: Any) -> tuple[np.ndarray, dict[str, Any]]:
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        return np.zeros(1, np.float32), 1.0, False, False, {}


def test_contract_an_evaluation_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_policy, "LONGEST", 50)
    env = gymnasium.vector.SyncVectorEnv([Endless])

    def predict(obs: Any, state: Any, start: Any, masks: Any) -> tuple[np.ndarray, None]:
        return np.zeros(1, int), None

    with pytest.raises(UserError, match=r"did not end within 50 steps; .* \(--env\.max_episode_steps 1000\)"):
        evaluate_policy.play(predict, env, 1, 0)
    limited = gymnasium.vector.SyncVectorEnv([lambda: gymnasium.wrappers.TimeLimit(Endless(), 50)])
    assert evaluate_policy.play(predict, limited, 1, 0)[1].tolist() == [50]


def test_contract_a_terminal_without_chinese_stops_no_command(
    text: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = text(20)
    Path("text.txt").write_text(sentences(20).replace("cat", "猫"))
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", latin)
    assert main(words) == 0
    assert main(["sample", "run", "-n", "2"]) == 0
