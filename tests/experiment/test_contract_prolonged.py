"""A finished run goes on, and a run is measured over as many episodes as one asks for."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lhy_rl.cli.arguments import starting
from lhy_rl.cli.main import main
from tests.experiment.test_contract_interrupted import final_state, rows
from tests.recording.test_contract_play import PPO


@pytest.fixture
def game(tiny: Callable[..., Path]) -> str:
    """The configuration of a run of 64 steps, in an environment whose state is in a checkpoint."""
    path = tiny(agent={**PPO, "learning_rate_schedule": "constant"}, total_timesteps=64, run={"evaluation_episodes": 2})
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": {"id": "lhy_rl/Reverse-v0"}}))
    return str(path)


def test_contract_a_finished_run_goes_on_as_if_it_had_never_ended(
    game: str, same: Callable[[Any, Any], bool], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", game, "--run.folder", "long", "--total_timesteps", "128"]) == 0
    assert main(["train", game, "--run.folder", "short"]) == 0
    assert "ppo on lhy_rl/Reverse-v0: 64 timesteps, seed 0, on the CPU, in short" in capsys.readouterr().err
    assert main(["resume", "short"]) == 0
    assert "to train on: lhy-rl resume short --total_timesteps N" in capsys.readouterr().out
    assert main(["resume", "short", "--total_timesteps", "64"]) == 2
    assert "is 64, but 'short' already has 64" in capsys.readouterr().err
    assert Path("short/result.json").is_file()
    assert main(["resume", "short", "--total_timesteps", "1.28e2"]) == 0
    err = capsys.readouterr().err
    assert "128 timesteps, 64 of them done" in err
    assert "training 128/128" in err.splitlines()[-2], "a log's last line is the last update's"
    assert same(final_state(Path("short")), final_state(Path("long")))
    assert rows(Path("short")) == rows(Path("long"))
    assert yaml.safe_load(Path("short/config.yaml").read_text())["total_timesteps"] == 128


def test_contract_an_evaluation_plays_as_many_episodes_as_asked_for(
    game: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lhy_rl.rollouts import evaluate_policy

    played: list[int] = []
    play = evaluate_policy.play
    monkeypatch.setattr(evaluate_policy, "play", lambda *given: played.append(given[2]) or play(*given))
    assert main(["train", game, "--run.folder", "run"]) == 0
    assert "--checkpoint best" not in capsys.readouterr().out, "there is none, so it is not what to try next"
    played.clear()
    assert main(["evaluate", "run", "--episodes", "3"]) == 0
    assert "3 episodes" in capsys.readouterr().out
    assert set(played) == {3}, "also the random policy's and the expert's, for comparison"
    assert main(["evaluate", "run"]) == 0
    assert played[-1] == 2
    assert not Path("run/samples").exists(), "of a task that is not text"
    for options, message in [
        (["--episodes", "0"], "--episodes is 0; it must be at least 1"),
        (["--episodes", "1.5"], "--episodes: invalid whole number value: '1.5'"),
        (["--sentences", "9"], "--sentences has no effect: lhy_rl/Reverse-v0 is not a text task"),
    ]:
        capsys.readouterr()
        assert main(["evaluate", "run", *options]) == 2
        assert message in capsys.readouterr().err


def test_contract_a_terminal_says_at_once_that_something_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, line in ((Terminal(), "ppo/cartpole: starting ...\r"), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", stream)
        with contextlib.suppress(ZeroDivisionError), starting("ppo/cartpole"):
            assert stream.getvalue() == line
            raise ZeroDivisionError
        assert stream.getvalue() == line + (" " * (len(line) - 1) + "\r" if line else ""), "gone, also after an error"
