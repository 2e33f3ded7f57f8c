"""A report shows what was learned: a film, the return between its marks, the recovered reward, the road."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure
from PIL import Image

from lhy_rl.cli.main import main
from lhy_rl.core.report_figures import EpisodeFrames
from lhy_rl.experiment import config
from lhy_rl.experiment.build import make_environment
from lhy_rl.experiment.evaluation import references
from lhy_rl.recording import film
from lhy_rl.reporting import agent_figures, plots, report

PPO: dict[str, Any] = {"name": "ppo", "num_envs": 2, "n_steps": 8, "batch_size": 16, "embedding_size": 8}


@pytest.fixture
def trained(tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Trains a tiny run with a report in the folder ``run``; gives its result."""
    monkeypatch.setattr(film, "MOST", 10)
    monkeypatch.setattr(plots, "curves", lambda *arguments: None)  # the small panels take half of the time

    def train(env: dict[str, Any], agent: dict[str, Any], **values: Any) -> dict[str, Any]:
        path = tiny(agent=agent, total_timesteps=32, run={"evaluation_episodes": 2, "plots": True})
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": env} | values))
        assert main(["train", str(path), "--run.folder", "run"]) == 0
        return dict(json.loads(Path("run/result.json").read_text()))

    return train


def page() -> str:
    return Path("run/report.html").read_text("utf-8")


def test_contract_a_report_begins_with_a_film_and_the_return(
    trained: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    result = trained({"id": "CartPole-v1"}, PPO)
    assert result["references"]["random"]["mean_return"] == 22.19, "the shipped score"
    assert {name: row["mean_return"] for name, row in result["references"].items() if name != "random"} == {
        "expert": 500.0,
        "threshold": 475.0,
    }
    out = capsys.readouterr().out
    assert all(name in out for name in ("ppo", "random", "expert", "threshold", "475"))
    text = page()
    assert text.index("data:image/gif;base64") < text.index('alt="return"') < text.index("<h2>Results</h2>")
    assert len(text) < 2_000_000
    Path("run/plots/film.gif").unlink()
    assert main(["report", "run"]) == 0
    assert "data:image/gif;base64" in page(), "it is filmed again"


def test_contract_where_nothing_can_be_drawn_the_report_has_no_film(
    trained: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == "pygame"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pygame", None)
    trained({"id": "CartPole-v1"}, PPO)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "no film" in line]
    assert "pygame is missing" in line and "pip install" in line
    assert "data:image/gif" not in page() and 'alt="return"' in page()


def test_contract_filming_leaves_the_agents_generators_alone(tiny: Callable[..., Path]) -> None:
    from lhy_rl.experiment.run import Run

    path = tiny(agent=PPO)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": {"id": "lhy_rl/Catch-v0"}}))
    run = Run(config.load(str(path)))
    owned = run.agent.generator, run.agent.predict_generator
    before = [generator.get_state() for generator in owned]
    gif = lambda: film.clip_of(run.agent, run.config).gif()  # noqa: E731
    assert report.draw_pictures(run, Path("plots"), gif) == [] and Path("plots/film.gif").stat().st_size > 500
    assert all((generator.get_state() == state).all() for generator, state in zip(owned, before, strict=True))


@pytest.mark.parametrize("name", ["irl", "maxent_irl"])
def test_contract_a_recovered_reward_is_shown_beside_the_true_one(
    name: str, trained: Callable[..., dict[str, Any]]
) -> None:
    env = {"id": "lhy_rl/Gridworld-v0", "size": 4, "max_episode_steps": 8, "walls": 0.1}
    result = trained(env, {"name": name, "num_envs": 1}, total_timesteps=5)
    assert result["references"]["random"]["mean_return"] < result["references"]["expert"]["mean_return"]
    assert result["timestep"] == "plans"
    assert "The recovered reward" in page()


def test_contract_dagger_shows_labels_agreement_and_the_road(trained: Callable[..., dict[str, Any]]) -> None:
    env = {"id": "lhy_rl/DriveCorridor-v0", "horizon": 30, "observation": "state"}
    agent = {"name": "dagger", "num_envs": 2, "n_steps": 8, "gradient_steps": 2, "max_labels": 32}
    result = trained(env, agent)
    assert result["labels"] == 32
    assert result["references"]["random"]["mean_return"] < -5 < result["references"]["expert"]["mean_return"] == 0
    for title in ("Labels given by the expert", "The same road, driven by the policy, the expert and a random policy"):
        assert title in page()


@pytest.mark.parametrize(
    ("env", "agent", "known"),
    [
        ({"id": "CartPole-v1", "sutton_barto_reward": True}, {}, {"random", "expert"}),  # another task: played
        ({"id": "Acrobot-v1"}, {}, {"random", "expert", "threshold"}),
        ({"id": "lhy_rl/RepeatPrevious-v0", "num_ranks": 2}, {}, {"random", "expert"}),
        ({"id": "lhy_rl/Catch-v0"}, {}, {"random"}),  # nobody knows how
        ({"id": "lhy_rl/FixedHorizon-v0", "env_id": "CartPole-v1"}, {}, {"random", "expert"}),
        ({"id": "CartPole-v1"}, {"name": "bc", "demonstrations": "cartpole-expert"}, {"random", "expert", "threshold"}),
    ],
)
def test_contract_references_that_are_known(
    env: dict[str, Any], agent: dict[str, Any], known: set[str], tiny: Callable[..., Path]
) -> None:
    path = tiny(agent=agent or PPO)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": env}))
    loaded = config.load(str(path))
    rows = references(loaded, lambda: make_environment(loaded, 2), 2)
    assert set(rows) == known
    if "sutton_barto_reward" in env:
        assert rows["random"]["mean_return"] == -1, "not the shipped score of the usual reward"
    if env["id"] == "lhy_rl/FixedHorizon-v0":
        assert rows["expert"]["mean_return"] == 500
    if env["id"] == "lhy_rl/RepeatPrevious-v0":
        assert rows["expert"]["mean_return"] == 1


def test_contract_names_of_marks_do_not_overlap() -> None:
    places = [0.5, 0.51, 0.9, 0.49, 0.0]
    moved = plots.spread(places, 0.065)
    np.testing.assert_allclose(np.sort(moved), [0, 0.435, 0.5, 0.565, 0.9])
    assert np.argsort(moved).tolist() == np.argsort(places).tolist()


def test_contract_the_curve_has_its_marks_and_a_legend() -> None:
    rows = [
        {"time/total_timesteps": str(100 * i), "rollout/ep_rew_mean": str(i), "eval/mean_return": str(2 * i)}
        for i in range(1, 5)
    ]
    result = {
        "agent": "ppo",
        "timesteps": 450,
        "timestep": "environment steps",
        "table": {"ppo": {"mean_return": 9.0}},
        "references": {"random": {"mean_return": 1.0}, "threshold": {"mean_return": 20.0}},
    }
    figure = plots.return_curve(rows, result)
    assert figure is not None
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.texts] == ["random 1", "threshold 20"]
    assert ax.get_ylim()[1] > 20 and ax.get_xlabel() == "environment steps"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["while training", "evaluation, deterministic"]
    x, y = ax.lines[1].get_data()
    assert list(x) == [100, 200, 300, 400, 450] and list(y) == [2, 4, 6, 8, 9]
    assert plots.return_curve(rows, result | {"table": {"mle": {"nll_test": 1.0}}}) is None
    games = {"self-play": {"mean_return": 7.0}, "with random": {"mean_return": 99.0}}
    curve = plots.return_curve(rows, result | {"table": games})
    assert curve is not None
    assert max(float(np.max(line.get_ydata())) for line in curve.axes[0].lines if len(line.get_xdata()) == 1) == 7.0


def test_contract_sentences_that_are_pictures_are_drawn(trained: Callable[..., dict[str, Any]]) -> None:
    agent = {"name": "mle", "core": "grid_lstm_2d", "hidden_size": 4, "embedding_size": 4, "gradient_steps": 1}
    result = trained({"id": "lhy_rl/PixelDigits-v0"}, agent | {"batch_size": 2})
    assert len(result["samples"]["mle"][0].splitlines()) == 8
    text = page()
    assert "<h2>Sentences as pictures</h2>" in text and "<h2>Sentences</h2>" not in text
    assert text.count("data:image/png;base64") >= 1


def test_contract_a_picture_is_whole_or_not_there_and_a_full_disk_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    figure = Figure()
    figure.subplots().plot([1, 2])
    episodes = EpisodeFrames(title="a film", caption="", rows={"expert": np.zeros((3, 8, 8, 3), np.uint8)})
    plots.write(figure, tmp_path / "a.png")
    agent_figures.write_film(episodes, tmp_path / "a.gif")
    assert Image.open(tmp_path / "a.png").format == "PNG" and Image.open(tmp_path / "a.gif").n_frames >= 1
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"b\.png"):
        plots.write(figure, tmp_path / "b.png")
    with pytest.raises(OSError, match=r"b\.gif"):
        agent_figures.write_film(episodes, tmp_path / "b.gif")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", "a.png"]
