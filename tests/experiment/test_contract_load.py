"""An agent comes back from a run's folder, its checkpoints and its own files; what cannot is said in a short line."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
import yaml

import lhy_rl
from lhy_rl.agents import A2C, BC, PPO, MaxEntIRL, SeqGAN
from lhy_rl.cli.main import main
from lhy_rl.core import archive
from lhy_rl.core.errors import LONGEST, UserError, brief
from lhy_rl.experiment import config
from lhy_rl.experiment.start_run import train
from lhy_rl.experiment.tracking import metric_columns

SHORT = 400  # characters of a message that names paths


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    options = {"tracker": "none", "plots": False, "evaluation_interval": 1, "evaluation_episodes": 1}
    values = {
        "env": {"id": "CartPole-v1", "sutton_barto_reward": True},
        "agent": {"name": "ppo", "n_steps": 16, "num_envs": 3, "normalize_observations": True},
        "total_timesteps": 96,
        "seed": 4,
        "run": options,
    }
    (place / "c.yaml").write_text(yaml.safe_dump(values))
    train(config.load(str(place / "c.yaml"), {"run.folder": str(place / "run")}))
    return place / "run"


def greedy(agent: Any) -> list[float]:
    """The most probable actions for some observations."""
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    return [int(action) for action in agent.predict(obs, deterministic=True)[0]]


def message(do: Any) -> str:
    with pytest.raises(UserError) as caught:
        do()
    text = str(caught.value)
    assert "\n" not in text and len(text) < SHORT, len(text)
    return text


def test_a_run_comes_back(run: Path) -> None:
    agent = lhy_rl.load(run)
    assert type(agent) is PPO and agent.num_timesteps == 96 and agent.seed == 4
    assert agent.env.num_envs == 3 and agent.env.unwrapped._sutton_barto_reward  # the run's own environment
    newest = max((run / "checkpoints").glob("update-*.zip"))
    for again in (PPO.load(run), PPO.load(newest), PPO.load(str(newest).removesuffix(".zip")), lhy_rl.load(newest)):
        assert type(again) is PPO and greedy(again) == greedy(agent)
        for a, b in zip(agent.policy.parameters(), again.policy.parameters(), strict=True):
            assert torch.equal(a, b)
    assert lhy_rl.load(run, checkpoint="best").num_timesteps <= 96
    assert PPO.load(newest, "CartPole-v1", n_steps=8).learn(48).env.unwrapped._sutton_barto_reward is False
    assert agent.learn(96).num_timesteps == 96


def test_a_run_is_not_another_agent(run: Path) -> None:
    newest = max((run / "checkpoints").glob("update-*.zip"))
    assert "is a run of PPO, not A2C" in message(lambda: A2C.load(newest))
    assert "did you mean 'best'?" in message(lambda: lhy_rl.load(run, checkpoint="bst"))


def test_a_run_in_an_environment_of_other_spaces_is_told_which_they_are(run: Path) -> None:
    for place in (run, max((run / "checkpoints").glob("update-*.zip"))):
        assert "was trained in CartPole-v1, whose spaces differ: Box of shape (4,) and float32 is not" in message(
            lambda place=place: lhy_rl.load(place, "Acrobot-v1")
        )


@pytest.mark.parametrize("odd", ["", "[1]", '{"table": 3}', '{"table": {}}'])
def test_a_damaged_result_is_one_line(run: Path, tmp_path: Path, odd: str, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run/result.json").write_text(odd)
    assert main(["report", str(tmp_path / "run")]) == 2
    assert "is damaged; delete it and resume the run" in capsys.readouterr().err


def test_cells_beyond_the_head_of_the_metrics_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("a,b\n1\n,,,\n2,3,4\n")
    assert metric_columns(tmp_path / "metrics.csv") == {"a": [(0, 1.0), (2, 2.0)], "b": [(2, 3.0)]}


def test_a_file_names_the_id_it_was_made_with(tmp_path: Path) -> None:
    agent = PPO("CartPole-v1", num_envs=2, n_steps=8, normalize_rewards=True).learn(32)
    agent.save(tmp_path / "ppo")
    for again in (PPO.load(tmp_path / "ppo"), lhy_rl.load(tmp_path / "ppo.zip")):
        assert again.env.num_envs == 2 and greedy(again) == greedy(agent)
        again.learn(16)
    other = PPO.load(tmp_path / "ppo", gymnasium.make_vec("CartPole-v1", num_envs=5))
    assert other.learn(80).num_timesteps == 80


def test_a_file_without_an_id_predicts_and_learns_later(tmp_path: Path) -> None:
    agent = PPO(gymnasium.make_vec("CartPole-v1", num_envs=2), n_steps=8, normalize_rewards=True).learn(32)
    agent.save(tmp_path / "ppo.zip")
    again = PPO.load(tmp_path / "ppo.zip")
    assert greedy(again) == greedy(agent)
    assert "set_env" in message(lambda: again.learn(16))
    again.set_env(gymnasium.make_vec("CartPole-v1", num_envs=4))
    assert again.learn(64).num_timesteps == 64


def test_an_agent_of_ours_continues_with_another_number_of_instances(tmp_path: Path) -> None:
    agent = PPO("lhy_rl/Catch-v0", num_envs=2, n_steps=8).learn(32)
    agent.save(tmp_path / "ppo.zip")
    assert PPO.load(tmp_path / "ppo.zip", num_envs=3).learn(24).num_timesteps == 24


def test_an_agent_that_needs_its_task_says_so(tmp_path: Path) -> None:
    env = gymnasium.make_vec("lhy_rl/OracleText-v0", num_envs=2, vocabulary_size=5, max_length=3, hidden_size=4)
    SeqGAN(env, hidden_size=4, pretrain_epochs=0).save(tmp_path / "seqgan.zip")
    assert "pass one to load" in message(lambda: SeqGAN.load(tmp_path / "seqgan.zip"))
    assert type(lhy_rl.load(tmp_path / "seqgan.zip", env)) is SeqGAN


def test_names_of_two_words_are_found(tmp_path: Path) -> None:
    MaxEntIRL("lhy_rl/Objectworld-v0").save(tmp_path / "irl.zip")
    assert type(lhy_rl.load(tmp_path / "irl.zip")) is MaxEntIRL


def test_files_of_older_versions_are_read(tmp_path: Path, run: Path) -> None:
    """They have no spaces, no id and no count of passes; runs' checkpoints neither."""
    agent = PPO("CartPole-v1", num_envs=2, n_steps=8).learn(32)
    agent.save(tmp_path / "ppo.zip")
    tree = archive.read(tmp_path / "ppo.zip")
    for name in ("passes", "predict_generator"):
        del tree["state"][name]
    archive.write(tmp_path / "old.zip", {name: tree[name] for name in ("agent", "options", "state")})
    old = PPO.load(tmp_path / "old.zip", "CartPole-v1")
    assert greedy(old) == greedy(agent) and old.learn(16).num_timesteps == 16
    assert "does not name its environment" in message(lambda: PPO.load(tmp_path / "old.zip"))
    shutil.copytree(run, tmp_path / "run")
    newest = max((tmp_path / "run/checkpoints").glob("update-*.zip"))
    tree = archive.read(newest)
    for name in ("passes", "predict_generator"):
        del tree["agent"][name]
    archive.write(newest, tree)
    assert greedy(lhy_rl.load(tmp_path / "run")) == greedy(lhy_rl.load(run))


def test_what_a_file_cannot_hold_must_be_given_again(tmp_path: Path) -> None:
    agent = BC("CartPole-v1", demonstrations="cartpole-expert")
    agent.hyperparameters = {**agent.hyperparameters, "dropout": lambda share: share}
    agent.save(tmp_path / "bc.zip")
    assert "made with dropout, which a file cannot hold" in message(lambda: BC.load(tmp_path / "bc.zip"))
    assert type(BC.load(tmp_path / "bc.zip", dropout=0.0)) is BC


def test_foreign_and_odd_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "sb3.zip", "w") as file:
        file.writestr("data", "{}")
        file.writestr("policy.pth", b"")
    for load in (PPO.load, lhy_rl.load):
        assert "lhy_rl.interop.sb3.load_expert" in message(lambda load=load: load(tmp_path / "sb3.zip"))
        assert "cannot read" in message(lambda load=load: load(tmp_path / "nothing"))
    long = ["x" * 50] * 1000
    for tree in (long, {"agent": long}, {"agent": {"a": long}}, {"agent": "x" * 9999, "options": {}, "state": {}}):
        archive.write(tmp_path / "odd.zip", tree)
        message(lambda: PPO.load(tmp_path / "odd.zip"))
        message(lambda: lhy_rl.load(tmp_path / "odd.zip"))
    archive.write(tmp_path / "odd.zip", {"format": 1, "agent": {"policy": {}}})
    assert "config.yaml" in message(lambda: PPO.load(tmp_path / "odd.zip"))
    assert "is not a run" in message(lambda: lhy_rl.load(tmp_path))


def test_messages_hold_no_contents() -> None:
    assert str(UserError("short")) == "short"
    long = str(UserError("begin " + "x" * 100_000 + " end"))
    assert len(long) <= LONGEST and long.startswith("begin") and long.endswith("end")
    assert len(brief(np.zeros((50, 50)))) <= 100 and "\n" not in brief(np.zeros((50, 50)))
    for wrong in (["x"] * 10_000, {"a": "x" * 10_000}):
        message(lambda wrong=wrong: PPO(wrong))  # type: ignore[misc]
