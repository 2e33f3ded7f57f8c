"""``lhy-rl benchmark`` on imitation: returns between chance and the expert, for several numbers of trajectories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lhy_rl.benchmark import results, runner, spec
from lhy_rl.benchmark.benchmark_row import COST, LABELS, NORMALISED, PLAYED, RETURN, BenchmarkRow, Imitation
from lhy_rl.benchmark.learning_curve import Curve, Point
from lhy_rl.benchmark.normalized_score import NormalizedScore, normalized_score_of
from lhy_rl.benchmark.seed_run import ResultCache
from lhy_rl.benchmark.trajectory_plots import draw
from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError
from lhy_rl.data import shipped
from lhy_rl.experiment import build, config, demonstrations
from lhy_rl.interop.demonstrations import load_demonstrations

BC: dict[str, Any] = {
    "env": {"id": "CartPole-v1"},
    "agent": {"name": "bc", "demonstrations": "cartpole-expert", "gradient_steps": 20},
    "total_timesteps": 16_000,
}
DAGGER: dict[str, Any] = {
    "env": {"id": "CartPole-v1"},
    "agent": {"name": "dagger", "num_envs": 4, "n_steps": 8, "max_labels": 50, "gradient_steps": 5},
    "total_timesteps": 10_000,
}
ROW: dict[str, Any] = {"config": "bc.yaml", "expert": "cartpole-expert", "trajectories": [1, 3]}
ROWS: list[dict[str, Any]] = [
    {**ROW, "episodes": 5},
    {**ROW, "variant": "random demonstrations", "overrides": {"agent.demonstrations": "random"}, "episodes": 5},
    {**ROW, "config": "dagger.yaml", "trajectories": [2], "overrides": {"agent.demonstrations": "scripted"}},
]
PNG = b"\x89PNG"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a benchmark: cloning, its control, and somebody who asks."""
    monkeypatch.chdir(tmp_path)
    for name, values in (("bc", BC), ("dagger", DAGGER), ("im", {"rows": ROWS})):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def test_contract_imitation_is_held_against_the_expert_and_chance(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["benchmark", "im.yaml", "--seeds", "1", "--jobs", "1", "--output", "out"]) == 0
    assert "random demonstrations, 3 trajectories" in capsys.readouterr().out
    assert (tiny / "out/im.png").read_bytes().startswith(PNG) and not (tiny / "out/im.curves.png").exists()
    rows = results.load("im", tiny / "out")
    found = {(row.agent, row.variant, row.metric): row for row in rows}
    named = [("bc", "1 trajectory"), ("bc", "3 trajectories"), ("dagger", "2 trajectories")]
    named += [("bc", "random demonstrations, 1 trajectory"), ("bc", "random demonstrations, 3 trajectories")]
    assert set(found) == {(*who, metric) for who in named for metric in (NORMALISED, RETURN, PLAYED, LABELS, COST)}
    scores = shipped.scores()["cartpole-expert"]
    for who in named:
        share = (found[*who, RETURN].value - scores["random_mean"]) / (scores["mean"] - scores["random_mean"])
        assert found[*who, NORMALISED].value == pytest.approx(share)
        assert found[*who, NORMALISED].reference == "expert 500, random 22.19"
        assert found[*who, COST].value > 0
    assert found["bc", "3 trajectories", NORMALISED].value > 0.9
    assert found["bc", "random demonstrations, 3 trajectories", NORMALISED].value < 0.3
    # cloning never acts, and knows what it was shown; the other acts, and asks until it may not
    assert found["bc", "3 trajectories", PLAYED].value == found["bc", "3 trajectories", PLAYED].steps == 0
    assert found["bc", "3 trajectories", LABELS].value == 1_500
    assert found["dagger", "2 trajectories", PLAYED].value >= 50
    assert found["dagger", "2 trajectories", LABELS].value == 1_050


def test_contract_who_is_looked_at_on_the_way_has_a_learning_curve(tiny: Path) -> None:
    rows = [{**ROWS[2], "evaluation_interval": 16, "episodes": 1}, {**ROW, "evaluation_interval": 8_000, "episodes": 1}]
    (tiny / "im.yaml").write_text(yaml.safe_dump({"rows": rows}))
    (im,) = spec.find(["im.yaml"])
    runner.run(im, Path("out"), seeds=1, quick=False)
    assert (tiny / "out/im.png").read_bytes().startswith(PNG)
    assert (tiny / "out/im.curves.png").read_bytes().startswith(PNG)
    dagger, *_ = runner.rows_of(im, 1)
    assert dagger.target == shipped.scores()["cartpole-expert"]["mean"]


def test_contract_finished_imitations_are_used_again(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (im,) = spec.find(["im.yaml"])
    first = runner.run(im, Path("out"), seeds=1, quick=True)
    monkeypatch.setattr(runner.SeedRun, "run", lambda seed_run: pytest.fail("it had finished"))
    assert runner.run(im, Path("out"), seeds=1, quick=True) == first
    cache = ResultCache(tiny / "out/im.trials.json")
    assert sorted(curve.labels for curve in cache.curves.values())[-1] == 1_500


def test_a_file_without_labels_is_read_and_stays_as_it_is(tmp_path: Path) -> None:
    text = '{\n"a": [[0, 0.0, 1.0], [9, 0.5, 2.0]]\n}\n'
    (tmp_path / "kept.json").write_text(text)
    cache = ResultCache(tmp_path / "kept.json")
    assert cache.curves["a"].points[-1] == Point(9, 0.5, 2.0) and cache.curves["a"].labels == 0
    cache.add("a", cache.curves["a"])
    assert (tmp_path / "kept.json").read_text() == text


@pytest.mark.parametrize("text", ["[1]", '{"a": 3}', '{"a": []}', '{"a": [[0]]}', '{"a": [["0", 1, 2]]}', '{"a": {}}'])
def test_a_file_that_holds_no_curves_or_rows_is_a_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "kept.json").write_text(text)
    with pytest.raises(UserError, match=r"kept.json' holds no curves"):
        ResultCache(tmp_path / "kept.json")
    with pytest.raises(UserError, match=r"kept.json' holds no rows"):
        results.load("kept", tmp_path)


def test_each_number_of_trajectories_is_a_row_and_the_rest_of_the_configuration_stays(tiny: Path) -> None:
    (im,) = spec.find(["im.yaml"])
    lines = runner.rows_of(im, 2)
    assert all(isinstance(line, Imitation) and line.threshold is None for line in lines)
    agents = [[seed_run.config.values["agent"] for seed_run in line.seed_runs] for line in lines]
    assert [[options["trajectories"] for options in seeds] for seeds in agents] == [[1] * 2, [3] * 2] * 2 + [[2] * 2]
    assert [seed_run.config.values["seed"] for seed_run in lines[0].seed_runs] == [0, 1]
    assert agents[0][0] | {"trajectories": 3} == agents[1][0]
    assert len({seed_run.key for line in lines for seed_run in line.seed_runs}) == 10
    assert lines[0].seed_runs[0].interval == 16_000  # looked at when it is done
    assert len(runner.rows_of(spec.find(["bc/cartpole"])[0], 1)) == 1  # alone it is what it says


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"trajectories": 5}, "trajectories in row 1 of 'bad.yaml' is 5; it must be a list of whole numbers"),
        ({"trajectories": []}, "trajectories in row 1 of 'bad.yaml' is []; it must be a list of whole numbers"),
        ({"trajectories": [1, 0]}, "is [1, 0]; it must be a list of whole numbers, each at least 1"),
        ({"trajectories": [True]}, "is [True]; it must be a list of whole numbers, each at least 1"),
        ({"trajectories": [1, 99]}, "the number of demonstrations is 99; allowed: 1 to 50"),
        ({"trajectories": None}, "row 1 of 'bad.yaml' needs both expert and trajectories, or neither"),
        ({"expert": None}, "row 1 of 'bad.yaml' needs both expert and trajectories, or neither"),
        ({"expert": 1}, "expert in row 1 of 'bad.yaml' is 1; it must be a string"),
        ({"expert": "cartpole-exprt"}, "unknown expert 'cartpole-exprt'; did you mean 'cartpole-expert'?"),
        (
            {"expert": "pendulum-expert"},
            "expert 'pendulum-expert' was recorded in Pendulum-v1, but the row's environment is",
        ),
        ({"task": 3}, "task in row 1 of 'bad.yaml' is 3; it must be a string"),
        ({"config": "ppo/cartpole"}, "unknown option 'trajectories' of agent 'ppo'"),
        ({"overrides": {"agent.demonstrations": "rndom"}}, "no demonstrations 'rndom'"),
        (
            {
                "expert": "acrobot-expert",
                "overrides": {"env.id": "Acrobot-v1", "agent.demonstrations": "scripted"},
            },
            "Acrobot-v1 has no expert of its own",
        ),
    ],
)
def test_contract_bad_input_is_one_line(
    row: dict[str, Any], message: str, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / "bad.yaml").write_text(yaml.safe_dump({"rows": [ROW | row]}))
    before = sorted(tiny.rglob("*"))
    assert main(["benchmark", "bad.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err, err
    assert sorted(tiny.rglob("*")) == before


def test_recorded_demonstrations_are_of_the_seed_and_as_many_as_are_shown(tiny: Path) -> None:
    def recorded(who: str, seed: int, count: int | None = 2, agent: str = "bc") -> Any:
        changes = {"agent.demonstrations": who, "agent.trajectories": count, "seed": seed}
        made = config.load(f"{agent}.yaml", changes)
        env = build.make_environment(made)
        build.make_agent(made, env)  # as in lhy-rl train
        return demonstrations.resolve_demonstrations(made, env)

    one, again, other = recorded("random", 0), recorded("random", 0), recorded("random", 1)
    assert len(one) == 2 and len(recorded("random", 0, None)) == demonstrations.EPISODES
    assert np.array_equal(one.transitions.obs, again.transitions.obs)
    assert not np.array_equal(one.episodes[0].observations[0], other.episodes[0].observations[0])
    assert one.about["expert"] == "random" and one.returns.max() < 200
    assert (recorded("scripted", 0).returns == 500).all()


def test_labels_are_the_steps_that_are_known(tiny: Path) -> None:
    given = load_demonstrations("cartpole-expert")
    made = config.load("bc.yaml", {"agent.trajectories": 2, "agent.subsample": 20})
    assert demonstrations.count(made, given) == 50 and demonstrations.count(made, None) == 0
    env = build.make_environment(made)
    assert int(build.make_agent(made, env).demonstrated.labelled.sum()) == 50
    assert demonstrations.count(config.load("bc.yaml"), given) == 25_000


def test_math_the_scale_is_0_at_chance_and_1_at_the_expert() -> None:
    score = NormalizedScore(expert=-100.0, random=-200.0)
    assert [score.of(x) for x in (-200.0, -150.0, -100.0, -90.0)] == pytest.approx([0, 0.5, 1, 1.1])
    shipped_score = shipped.scores()["cartpole-expert"]
    inside = {"id": "lhy_rl/FixedHorizon-v0", "env_id": "CartPole-v1"}
    assert normalized_score_of("cartpole-expert", inside) == NormalizedScore(
        shipped_score["mean"], shipped_score["random_mean"]
    )


def test_the_picture_takes_rows_that_some_tasks_do_not_have(tmp_path: Path) -> None:
    def line(task: str, agent: str, series: str, count: int) -> tuple[BenchmarkRow, list[Curve]]:
        made = Imitation(
            task,
            agent,
            f"{count}",
            None,
            [],
            trajectories=count,
            score=NormalizedScore(1, 0),
            series=series,
            interacts=True,
        )
        return made, [Curve([Point(9, 1.0, 0.1 * count)])] * 5

    rows = [line("a", "bc", "bc", 10), line("a", "bc", "bc", 1), line("b", "gail", "gail", 1)]
    draw([*rows, line("b", "gail", "gail, random demonstrations", 5)], tmp_path / "x/few.png")
    assert (tmp_path / "x/few.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("control", ["gail", "airl"])
def test_each_adversary_stands_beside_its_control(control: str) -> None:
    pytest.importorskip("Box2D")
    (found,) = spec.find(["imitation"])
    made = [(entry, entry.resolved(0).values) for entry in found.entries]
    own_rows = [(entry, values) for entry, values in made if values["agent"]["name"] == control]
    assert own_rows
    for (entry, honest), (useless, other) in zip(own_rows[::2], own_rows[1::2], strict=True):
        assert useless.variant and not entry.variant and useless.trajectories == [max(entry.trajectories)]
        assert other["agent"]["demonstrations"] == "random" != honest["agent"]["demonstrations"]
        other["agent"]["demonstrations"] = honest["agent"]["demonstrations"]
        assert other == honest
