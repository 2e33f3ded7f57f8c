"""Networks, agents and environments that stand in the working directory, from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from lhy_rl.cli.main import main
from lhy_rl.experiment import yaml_files

TOYS = """
import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from torch import nn

from lhy_rl.agents import PPO
from lhy_rl.nn.encoders.base import Encoder


class Toy(gymnasium.Env):
    observation_space = Box(-1, 1, (2,), np.float32)
    action_space = Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.zeros(2, np.float32), float(action), False, self.t == 5, {}


class Mine(Encoder):
    def __init__(self, space, options):
        super().__init__()
        self.layer = nn.Linear(2, options.embedding_size)
        self.output_size = options.embedding_size

    def forward(self, obs):
        return self.layer(obs.float())


class Own(PPO):
    \"\"\"An agent of one's own.\"\"\"

    def __init__(self, env, *, n_steps=8, **ppo):
        super().__init__(env, n_steps=n_steps, **ppo)


gymnasium.register("Toy-v0", Toy)
""".replace('\\"', '"')
RUN = ["--run.tracker", "none", "--run.plots", "false", "--run.evaluation_episodes", "2"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: Any) -> Path:
    (tmp_path / "own_toys.py").write_text(TOYS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in ("", str(tmp_path))])
    monkeypatch.delitem(sys.modules, "own_toys", raising=False)
    return tmp_path


def test_an_agent_a_network_and_an_environment_of_ones_own(here: Path, capsys: Any) -> None:
    options = ["--total_timesteps", "64", "--agent.num_envs", "2", "--agent.encoder", "own_toys:Mine", *RUN]
    options += ["--agent.embedding_size", "4", "--run.folder", "first"]
    assert main(["train", "own_toys:Own", "--env.id", "own_toys:Toy-v0", *options]) == 0, capsys.readouterr().err
    written = yaml_files.parse((here / "first" / "config.yaml").read_text())
    assert written["agent"]["name"] == "own_toys:Own" and written["agent"]["encoder"] == "own_toys:Mine"
    assert main(["resume", "first", "--total_timesteps", "96"]) == 0, capsys.readouterr().err
    assert main(["evaluate", "first"]) == 0, capsys.readouterr().err


def test_a_bare_agent_takes_defaults_for_the_rest(here: Path) -> None:
    from lhy_rl.experiment import config

    made = config.load("ppo", {"env.id": "CartPole-v1", "agent.hidden_sizes": "[64, 32]"})
    assert made.values["agent"]["name"] == "ppo" and made.values["total_timesteps"] == 100_000
    assert made.values["agent"]["hidden_sizes"] == [64, 32] and made.values["run"]["name"] == "ppo-CartPole-v1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ppo"], "alone it needs an environment, --env.id ID"),
        (["own_toys:Own"], "needs an environment: lhy-rl train own_toys:Own --env.id ID"),
        (["own_toys:Onw", "--env.id", "CartPole-v1"], "unknown name in 'own_toys', 'Onw'; did you mean 'Own'"),
        (["ppo", "--env.id", "no_such_toys:Toy-v0"], "its folder must be the working directory or in PYTHONPATH"),
        (
            ["ppo", "--env.id", "CartPole-v1", "--agent.encoder", "own_toys:Toy"],
            "is not a lhy_rl.nn.encoders.base.Encoder",
        ),
        (["ppo", "--env.id", "CartPole-v1", "--agent.hidden_sizes", "[a]"], "agent.hidden_sizes is"),
    ],
)
def test_what_cannot_be_used_is_one_line(here: Path, arguments: list[str], message: str, capsys: Any) -> None:
    assert main(["train", *arguments, *RUN]) == 2
    err = capsys.readouterr().err.strip()
    assert message in err and "pip install" not in err
    assert not (here / "runs").exists()
