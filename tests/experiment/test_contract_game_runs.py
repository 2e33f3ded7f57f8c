"""A run of self-play: held-out contexts in its table, dialogues in its report, resumed bit for bit, nothing filmed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from lhy_rl.cli.main import main
from lhy_rl.cli.policy import command_play
from lhy_rl.core.errors import UserError
from lhy_rl.experiment import config, start_run
from lhy_rl.reporting.report import write_report
from tests.agents.common.test_contract_agents import tensors

OPTIONS = {
    "agent.n_games": 8, "agent.hidden_sizes": [8], "agent.partners": ["random"], "total_timesteps": 150,
    "run.evaluation_episodes": 8, "run.tracker": "none", "run.evaluation_interval": 1, "run.samples": 2,
}  # fmt: skip


def test_a_run_is_reported_and_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = config.load("selfplay/negotiation", {**OPTIONS, "run.folder": str(tmp_path / "run")})
    run = start_run.train(chosen, report=lambda run, result: write_report(start_run.RunFolder(run.folder), result))
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert set(result["table"]) == {"self-play", "with random"}
    assert set(result["references"]) == {"random"}
    assert {"joint", "agreement", "pareto", "first_mover_return"} <= result["table"]["self-play"].keys()
    assert set(result["samples"]) == {"before training", "self-play", "with random"}
    assert result["samples"]["self-play"][0].startswith("pool: ")
    page = (tmp_path / "run/report.html").read_text()
    assert "Dialogues" in page
    assert "lhy-rl play" in page
    resumed = start_run.reopen(tmp_path / "run", total_timesteps=300)
    assert resumed is not None
    first, second = tensors(run.agent.state_dict()), tensors(resumed.agent.state_dict())
    assert all(torch.equal(first[place], second[place]) for place in first)
    with pytest.raises(UserError, match="--output makes films"):
        command_play([str(tmp_path / "run"), "--output", str(tmp_path / "x.gif")])
    assert main(["evaluate", str(tmp_path / "run"), "--episodes", "4"]) == 0
    assert "with random" in capsys.readouterr().out


def test_other_agents_are_refused_at_once() -> None:
    chosen = config.load("ppo", {"env.id": "lhy_rl/negotiation_v0"})
    with pytest.raises(UserError, match=r"negotiation_v0 is a game of several players; agent\.name must be selfplay"):
        start_run.prepare(chosen)


@pytest.mark.parametrize("name", ["negotiation", "negotiation_selfish", "negotiation_tokens"])
def test_the_configurations_make_agents(name: str) -> None:
    run = start_run.prepare(config.load(f"selfplay/{name}", {"agent.n_games": 2}))
    assert run.agent.games.held_out().batched.contexts.pool.shape[0] == 1037
