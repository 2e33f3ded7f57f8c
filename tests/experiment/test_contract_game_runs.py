"""A run of self-play: held-out contexts in its table, dialogues in its report, resumed bit for bit, nothing filmed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lhy_rl.agents import SelfPlay
from lhy_rl.agents.dialogue import self_play
from lhy_rl.cli.main import main
from lhy_rl.cli.policy import command_play
from lhy_rl.core.errors import UserError
from lhy_rl.envs.registration import GAMES
from lhy_rl.experiment import config, start_run
from lhy_rl.experiment.evaluation import Evaluator
from lhy_rl.reporting.report import write_report
from lhy_rl.rollouts.game_sources import make_games
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
    with pytest.raises(UserError, match="--output writes a film"):
        command_play([str(tmp_path / "run"), "--output", str(tmp_path / "x.gif")])
    assert main(["evaluate", str(tmp_path / "run"), "--episodes", "4"]) == 0
    assert "with random" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["diagnose", "run"], "SelfPlay's loss is not known here"),
        (["record", "run", "--output", "d.npz"], "plays a game of several players"),
        (["benchmark", "selfplay/negotiation", "--output", "b"], "is a game of several players, and a benchmark"),
    ],
)
def test_what_is_for_one_player_says_so(
    command: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    start_run.train(config.load("selfplay/negotiation", {**OPTIONS, "total_timesteps": 1, "run.folder": "run"}))
    assert main(command) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_agent_of_another_librarys_game_has_a_name() -> None:
    agent = SelfPlay("classic/tictactoe-v3", num_envs=1, n_games=2, embedding_size=8)
    assert repr(agent).startswith("<SelfPlay on tictactoe_v3, num_envs=1: 0 timesteps, ")


def test_other_agents_are_refused_at_once() -> None:
    chosen = config.load("ppo", {"env.id": "lhy_rl/negotiation_v0"})
    with pytest.raises(UserError, match=r"negotiation_v0 is a game of several players; agent\.name must be selfplay"):
        start_run.prepare(chosen)


@pytest.mark.parametrize("name", ["negotiation", "negotiation_selfish", "negotiation_tokens"])
def test_the_configurations_make_agents(name: str) -> None:
    run = start_run.prepare(config.load(f"selfplay/{name}", {"agent.n_games": 2}))
    reported, chosen_by = (
        games.batched.contexts for games in (run.agent.games.held_out(), run.agent.games.validation())
    )
    assert len(reported) == 1037
    assert len(np.unique(np.concatenate([rows_of(reported), rows_of(chosen_by)]), axis=0)) == 1037 + len(chosen_by)


def rows_of(contexts: Any) -> np.ndarray:
    return np.concatenate([contexts.pool, contexts.values.reshape(len(contexts), -1)], 1)


@pytest.mark.parametrize("row", [row for row in GAMES if row.held_out], ids=lambda row: row.id)
def test_a_checkpoint_is_chosen_in_other_games_than_are_reported(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No game has the reported split, nor the reported games' seed."""
    agent = SelfPlay(make_games(row.id, **row.small), n_games=2, embedding_size=8, hidden_sizes=[8])
    played: list[tuple[Any, int]] = []

    def play(games: Any, *others: Any) -> tuple[dict[str, float], list[str]]:
        played.append((games.batched, others[3]))
        return {"mean_return": 0.0}, []

    monkeypatch.setattr(self_play, "evaluate_policies", play)
    evaluator = Evaluator(agent, agent.env, lambda: None, episodes=2)
    evaluator.quick()
    evaluator.full()
    (quick, one), (full, other) = played
    assert one != other
    assert quick is agent.games.validated
    assert full is agent.games.evaluated
    assert row.validation["split"] != row.held_out["split"]
