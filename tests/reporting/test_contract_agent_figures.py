"""The figures that an agent hands to the report of its run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from lhy_rl.agents.adversarial.third_person import ThirdPerson
from lhy_rl.cli.main import main
from lhy_rl.core.report_figures import EpisodeFrames, LinePlot, MetricCurves, principal_plane
from lhy_rl.reporting import agent_figures, plots
from tests.agents.adversarial.test_contract_third_person import SMALL, small

TITLES = ["Frames as the discriminator gets them", "What the discriminator tells apart", "The discriminator's features"]


def test_math_the_principal_plane_is_where_points_vary_most() -> None:
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(50, 2)) * [3, 1]
    turned, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    plane, shares = principal_plane(flat @ turned[:2] + 7)
    np.testing.assert_allclose(
        np.linalg.norm(plane[:, None] - plane, axis=-1), np.linalg.norm(flat[:, None] - flat, axis=-1)
    )
    assert shares.sum() == pytest.approx(1) and shares[0] > shares[1]
    assert principal_plane(np.ones((3, 4)))[1].tolist() == [0, 0]


def test_contract_third_persons_figures_have_all_kinds_of_frames() -> None:
    agent = ThirdPerson(small(), seed=1, **SMALL).learn(16)
    before = agent.state_dict()["generator"].clone()
    frames, curves, embedding = agent.report_figures()
    assert bool((agent.state_dict()["generator"] == before).all()), "showing changes nothing"
    assert isinstance(frames, EpisodeFrames) and isinstance(curves, MetricCurves)
    kinds = ["expert, its view", "failures, the expert's view", "random, the learner's view", "learner, its own view"]
    assert list(frames.rows) == list(embedding.points) == kinds  # type: ignore[attr-defined]
    assert all(film.shape == (9, 16, 16, 3) for film in frames.rows.values())
    assert all(np.isfinite(values[:-1]).all() and np.isnan(values[-1]) for values in frames.values.values())
    own, theirs = (frames.rows[kind][0].mean() for kind in (kinds[3], kinds[0]))
    assert own < 100 < theirs, "the learner's view is dark, the expert's bright"
    begin = embedding.values[kinds[0]]  # type: ignore[attr-defined]
    np.testing.assert_allclose(begin[:9], np.linspace(0, 1, 9))


def test_contract_a_report_shows_them_and_writes_them_anew(
    tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plots, "curves", lambda *arguments: None)
    agent = {**SMALL, "name": "third_person", "core": None}
    path = tiny(agent=agent, total_timesteps=32, run={"evaluation_episodes": 2, "plots": True})
    env = {"id": "lhy_rl/PointMassPixels-v0", "size": 16, "horizon": 8}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": env}))
    assert main(["train", str(path), "--run.folder", "run"]) == 0
    page = Path("run/report.html").read_text("utf-8")
    places = [page.index(title.replace("'", "&#39;")) for title in TITLES]
    assert places == sorted(places) and page.count("data:image/gif") == 2, (
        "the agent's film, and the expert's beside it"
    )
    with Image.open("run/plots/agent_1.gif") as film:
        assert film.n_frames == 9 and film.size == (4 * 144 + 3 * agent_figures.GAP, 144)
    Path("run/plots/agent_1.png").unlink()
    assert main(["report", "run"]) == 0
    assert Path("run/plots/agent_1.png").is_file()


def test_contract_numbers_of_things_are_whole_on_an_axis() -> None:
    series = {"mean": (np.arange(1.0, 4.0), np.zeros(3))}
    figure = LinePlot(title="Layers", caption="", series=series, axes=("layer", ""), counts=True)
    ticks = agent_figures.line_plot(figure).axes[0].get_xticks()
    assert len(ticks) >= 3 and (ticks == ticks.round()).all()


def test_contract_an_agent_without_figures_leaves_none(tmp_path: Path) -> None:
    assert agent_figures.drawn(tmp_path) == []
    curves = MetricCurves(title="A", caption="b", columns={"train/none": "none"})
    agent_figures.draw([curves], tmp_path, tmp_path / "metrics.csv")
    assert json.loads(agent_figures.list_of(tmp_path, agent_figures.AGENT).read_text()) == [], (
        "nothing was logged, nothing is drawn"
    )


@pytest.mark.parametrize("lengths", [(2, 5), (30, 3)])
def test_contract_episodes_of_any_length_make_strips(lengths: tuple[int, int], tmp_path: Path) -> None:
    rows = {str(n): np.full((n, 16, 20, 3), 40, np.uint8) for n in lengths}
    figure: Any = EpisodeFrames(title="A", caption="b", rows=rows)
    agent_figures.draw([figure], tmp_path, tmp_path / "metrics.csv")
    (entry,) = agent_figures.drawn(tmp_path)
    assert entry["files"] == ["agent_1.png", "agent_1.gif"]
    assert all((tmp_path / name).stat().st_size > 100 for name in entry["files"])
