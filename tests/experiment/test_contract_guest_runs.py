"""Runs in environments of other packages: their options, texts and pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lhy_rl.cli.main import main
from lhy_rl.experiment import config
from tests.recording.test_contract_play import PPO

MINIGRID = "minigrid:MiniGrid-Empty-5x5-v0"


@pytest.fixture
def guest(tiny: Callable[..., Path]) -> Callable[..., str]:
    """Writes the configuration of a run in somebody else's environment."""

    def write(env_id: str, **agent: Any) -> str:
        path = tiny(agent={**PPO, **agent}, total_timesteps=32, run={"evaluation_episodes": 2})
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": {"id": env_id}}))
        return str(path)

    return write


def test_contract_minigrid_trains_resumes_evaluates_and_plays(
    guest: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("minigrid")
    path = guest(MINIGRID)
    options = ["--env.max_steps", "7", "--run.folder", "run"]
    with pytest.warns(UserWarning, match="'mission' of the observations is text"):
        assert main(["train", path, *options]) == 0
    result = json.loads(Path("run/result.json").read_text())
    assert result["table"]["ppo"]["mean_episode_length"] == 7
    (Path("run") / "result.json").unlink()
    with pytest.warns(UserWarning, match="'mission'"):
        assert main(["resume", "run"]) == 0
    with pytest.warns(UserWarning, match="'mission'"):
        assert main(["play", "run", "--output", "room.gif"]) == 0
    assert "episode 1: return 0, 7 steps" in capfd.readouterr().out


def test_contract_only_what_was_changed_is_given_to_a_guest(guest: Callable[..., str]) -> None:
    """Its class gives some of its base's options itself; ours get all of them."""
    pytest.importorskip("minigrid")
    path = guest(MINIGRID)
    assert config.environment_options(config.load(path)) == {}
    changed = config.load(path, {"env.size": "6", "env.max_steps": "9"})
    assert config.environment_options(changed) == {"size": 6, "max_steps": 9}
    assert changed.values["env"]["agent_view_size"] == 7, "the configuration is complete"
    ours = config.load("ppo/repeat_previous")
    assert config.environment_options(ours) == ours.section("env") != {}


def test_contract_popgym_trains_with_a_memory(guest: Callable[..., str]) -> None:
    pytest.importorskip("popgym")
    path = guest("popgym:popgym-RepeatPreviousEasy-v0", core="gru", hidden_size=8)
    assert main(["train", path, "--run.folder", "run"]) == 0
    assert json.loads(Path("run/result.json").read_text())["table"]["ppo"]["mean_episode_length"] == 51


def test_contract_a_guest_that_is_not_there_is_one_line(
    guest: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    for env_id, message in (
        ("minigird:MiniGrid-Empty-5x5-v0", "No module named 'minigird'; if it is your own, its folder must be"),
        ("minigrid:MiniGrid-Emty-5x5-v0", "unknown environment 'minigrid:MiniGrid-Emty-5x5-v0'; did you mean"),
    ):
        capsys.readouterr()
        assert main(["train", guest(env_id)]) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
