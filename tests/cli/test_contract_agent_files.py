"""The file that ``agent.save`` wrote in Python is evaluated, filmed and recorded on the command line, too."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import lhy_rl
from lhy_rl.agents import PPO
from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError

SMALL = {"num_envs": 2, "n_steps": 16, "n_epochs": 1, "hidden_size": 8, "embedding_size": 8, "seed": 0}


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own with ``ppo.zip``, and a module that registers Toy-v0."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    PPO("CartPole-v1", **SMALL).learn(32).save("ppo.zip")
    (tmp_path / "toy_of_a_file.py").write_text(
        "import gymnasium\n"
        "from gymnasium.envs.classic_control import CartPoleEnv\n"
        "gymnasium.register('ToyOfAFile-v0', entry_point=CartPoleEnv, max_episode_steps=9)\n"
    )
    return tmp_path


def test_it_is_evaluated_filmed_and_recorded_where_it_was_trained(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "ppo.zip", "--episodes", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 episodes of ppo.zip" in out and "threshold" in out
    assert main(["play", "ppo.zip", "--output", "film.gif"]) == 0
    assert (there / "film.gif").stat().st_size > 0
    assert main(["record", "ppo.zip", "--episodes", "2", "--output", "demonstrations.npz"]) == 0
    assert "use it  --agent.demonstrations" in capsys.readouterr().out


def test_what_a_file_names_is_not_imported_and_what_is_typed_is(
    there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = "toy_of_a_file:ToyOfAFile-v0"
    agent = PPO(toy, **SMALL)
    agent.save("toy.zip")
    del sys.modules["toy_of_a_file"], gymnasium.registry["ToyOfAFile-v0"]
    for command in (["play", "toy.zip", "--output", "toy.gif"], ["evaluate", "toy.zip"], ["record", "toy.zip"]):
        assert main(command) == 2
        assert f"name it yourself: load(path, '{toy}'), or --env {toy}" in capsys.readouterr().err
    with pytest.raises(UserError, match="a file may not choose what is imported"):
        lhy_rl.load("toy.zip")
    assert "toy_of_a_file" not in sys.modules
    assert main(["play", "toy.zip", "--env", toy, "--output", "toy.gif"]) == 0
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    same = [one.predict(obs, deterministic=True)[0] for one in (agent, lhy_rl.load("toy.zip", toy))]
    assert np.array_equal(*same)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("report ppo.zip", "is a file, not a run folder; lhy-rl evaluate, sample and play take an agent's file"),
        ("diagnose ppo.zip", "is a file, not a run folder"),
        ("resume ppo.zip", "is a file, not a run folder"),
        ("play toy_of_a_file.py", "is not an archive of lhy_rl"),
        ("play ppo.zip --env Pendulum-v1 --output film.gif", "was saved with other spaces"),
        ("evaluate noid.zip", "does not name its agent's environment; give --env ID"),
        ("record noid.zip", "does not name its policy's environment; give --env ID"),
        ("sample ppo.zip", "is not a text task"),
    ],
)
def test_what_cannot_be_done_with_it_is_one_line(
    command: str, line: str, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "noid" in command:
        PPO(gymnasium.make("CartPole-v1"), **SMALL).save("noid.zip")
    assert main(command.split()) == 2
    error = capsys.readouterr().err.strip()
    assert line in error and "Traceback" not in error
