"""``lhy-rl benchmark``: rows over seeds, what has finished is kept, and what was not solved is said."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium.vector import AutoresetMode

import lhy_rl
from lhy_rl.benchmark import results, runner, spec
from lhy_rl.benchmark.benchmark_row import RETURN, SECONDS, STEPS, BenchmarkRow, Imitation, ScoredRow
from lhy_rl.benchmark.learning_curve import Curve, Point, Recorder
from lhy_rl.benchmark.results import SOLVED
from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError
from lhy_rl.rollouts.evaluate_policy import play
from tests.processes import start

ROOT = Path(lhy_rl.__file__).parents[1]
CONFIG: dict[str, Any] = {
    "env": {"id": "lhy_rl/RepeatPrevious-v0", "num_ranks": 2, "k": 1},
    "agent": {"name": "ppo", "num_envs": 8, "n_steps": 14, "batch_size": 28, "n_epochs": 4, "learning_rate": 0.01}
    | {"gamma": 0.0},
    "total_timesteps": 1_600,
}
ROWS: list[dict[str, Any]] = [
    {
        "config": "tiny.yaml",
        "variant": "learns",
        "threshold": 0.8,
        "evaluation_interval": 500,
        "reference": "1 at best",
    },
    {"config": "tiny.yaml", "variant": "cannot", "threshold": 0.8, "overrides": {"env.k": 4}},
]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder with a benchmark of two rows: one that is learned, and one that needs memory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "two.yaml").write_text(yaml.safe_dump({"rows": ROWS}))
    return tmp_path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_contract_a_benchmark_writes_its_rows_and_a_picture(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "two.yaml", "--seeds", "2", "--jobs", "1", "--output", "out"]) == 0
    printed = capsys.readouterr().out
    assert "2 of 2" in printed and "0 of 2" in printed
    assert files(tiny / "out") == {"two.json", "two.png", "two.trials.json"}
    assert (tiny / "out/two.png").read_bytes().startswith(b"\x89PNG")
    rows = results.load("two", tiny / "out")
    assert {(row.task, row.agent) for row in rows} == {("RepeatPrevious-v0", "ppo")}
    found = {(row.variant, row.metric): row for row in rows}
    assert set(found) == {("learns", m) for m in (RETURN, SOLVED, STEPS, SECONDS)} | {
        ("cannot", RETURN),
        ("cannot", SOLVED),  # what none of the seeds reached has no steps and no seconds
    }
    assert found["learns", RETURN].value > 0.9 > 0 > found["cannot", RETURN].value
    assert found["learns", SOLVED].value == 1 and found["cannot", SOLVED].value == 0
    assert 500 <= found["learns", STEPS].value <= 1_700
    assert 0 < found["learns", SECONDS].value <= found["learns", SECONDS].high
    assert all(row.low <= row.value <= row.high and row.seeds == 2 and row.cpu_seconds for row in rows)
    assert found["learns", RETURN].reference == "threshold 0.8; 1 at best"


def test_contract_finished_seeds_are_used_again(
    tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    short = CONFIG | {"total_timesteps": 112}  # an update
    (tiny / "tiny.yaml").write_text(yaml.safe_dump(short))
    rows = [{name: value for name, value in row.items() if name != "evaluation_interval"} for row in ROWS]
    (tiny / "two.yaml").write_text(yaml.safe_dump({"rows": rows}))
    (two,) = spec.find(["two.yaml"])
    first = runner.run(two, Path("out"), seeds=1)
    ran: list[int] = []
    real = runner.SeedRun.run

    def counted(seed_run: runner.SeedRun) -> Curve:
        ran.append(seed_run.config.values["seed"])
        return real(seed_run)

    monkeypatch.setattr(runner.SeedRun, "run", counted)
    assert runner.run(two, Path("out"), seeds=1) == first
    assert ran == []
    runner.run(two, Path("out"), seeds=2)
    assert ran == [1, 1]
    (tiny / "tiny.yaml").write_text(yaml.safe_dump(short | {"total_timesteps": 224}))  # another configuration
    runner.run(two, Path("out"), seeds=1)
    assert ran == [1, 1, 0, 0]
    fresh = runner.run(two, Path("out"), seeds=1, fresh=True)
    assert ran == [1, 1, 0, 0, 0, 0]
    assert [row.value for row in fresh if row.metric == RETURN] == [
        curve.final for curve in (runner.SeedRun.run(t) for line in runner.rows_of(two, 1) for t in line.seed_runs)
    ]  # same seed, same curve


def heard(words: list[str]) -> None:
    """The command, as a shell starts it: what it prints of errors goes to a file, and Ctrl-C is heard."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
    with open("err.txt", "w") as sys.stderr:
        status = main(words)
    os._exit(status)


def test_contract_an_interrupted_benchmark_goes_on(tiny: Path) -> None:
    long = CONFIG | {"total_timesteps": 2_000_000}
    (tiny / "long.yaml").write_text(yaml.safe_dump(long))
    rows = [ROWS[0], {"config": "long.yaml", "variant": "long", "overrides": {"env.k": 4}}]
    (tiny / "two.yaml").write_text(yaml.safe_dump({"rows": rows}))
    words = ["benchmark", "two.yaml", "--seeds", "1", "--output", "out"]
    running = start(heard, [*words, "--jobs", "2"])
    cache = tiny / "out/two.trials.json"
    deadline = time.monotonic() + 90
    while not (cache.exists() and len(json.loads(cache.read_text())) == 1):
        assert running.is_alive() and time.monotonic() < deadline
        time.sleep(0.1)
    assert running.pid is not None
    os.kill(running.pid, signal.SIGINT)
    running.join(30)
    assert running.exitcode == 130
    err = (tiny / "err.txt").read_text()
    assert err.splitlines()[-1].startswith("lhy-rl: interrupted; 1 of 2 seeds of two have finished and are kept in out")
    before = cache.read_bytes()
    (tiny / "two.yaml").write_text(yaml.safe_dump({"rows": ROWS[:1]}))  # the row that had finished
    begun = time.process_time()
    assert main(words) == 0
    assert time.process_time() - begun < 8 and cache.read_bytes() == before
    assert files(tiny / "out") == {"two.json", "two.png", "two.trials.json"}


def test_contract_a_seed_stops_and_is_tested_elsewhere_where_the_row_says_so(tiny: Path) -> None:
    rows = [
        {**ROWS[0], "evaluation_interval": 100, "stop": True},
        {
            **ROWS[0],
            "evaluation_interval": 100,
            "variant": "tested on another task",
            "test": {"env.k": 4},
            "episodes": 5,
        },
    ]
    (tiny / "two.yaml").write_text(yaml.safe_dump({"rows": rows}))
    (two,) = spec.find(["two.yaml"])
    found = {(row.variant, row.metric): row for row in runner.run(two, tiny / "out", seeds=1)}
    assert found["learns", STEPS].value == found["learns", RETURN].steps < 1_600
    assert found["learns", RETURN].value >= 0.8
    assert found["tested on another task", RETURN].value < 0 and found["tested on another task", SOLVED].value == 0
    assert found["tested on another task", RETURN].steps >= 1_600


def test_contract_a_configuration_alone_and_several(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tiny / "other.yaml").write_text(yaml.safe_dump(CONFIG | {"total_timesteps": 500}))
    assert main(["benchmark", "tiny.yaml", "--quick", "--jobs", "1"]) == 0
    assert files(tiny / "runs/benchmarks") == {"tiny.json", "tiny.png", "tiny.trials.json"}
    assert {row.seeds for row in results.load("tiny", tiny / "runs/benchmarks")} == {2}
    assert main(["benchmark", "tiny.yaml", "other.yaml", "--quick", "--jobs", "1", "--output", "o"]) == 0
    rows = results.load("comparison", tiny / "o")
    assert [(row.variant, row.metric) for row in rows] == [("tiny.yaml", RETURN), ("other.yaml", RETURN)]
    assert "runs/benchmarks/tiny.json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("controll", "unknown benchmark or configuration 'controll'; did you mean 'control'?"),
        ("ppo/cartpol", "did you mean 'ppo/cartpole'?"),
        ("none.yaml", "none.yaml"),
        ("seqgan/oracle", "seqgan/oracle is a text task"),
        ("two.yaml --seeds 0", "--seeds is 0; it must be at least 1"),
        ("two.yaml --jobs 0", "--jobs is 0; it must be at least 1"),
        ("two.yaml --sedes 1", "unrecognized arguments"),
        ("empty.yaml", "'empty.yaml' does not hold a benchmark"),
        ("key.yaml", "did you mean 'threshold'?"),
        ("threshold.yaml", "threshold in row 1 of 'threshold.yaml' is 'high'; it must be a number"),
        ("every.yaml", "evaluation_interval in row 1 of 'every.yaml' is 0; it must be at least 1"),
        ("episodes.yaml", "episodes in row 1 of 'episodes.yaml' is 2.5; it must be a whole number"),
        ("stop.yaml", "stop in row 1 of 'stop.yaml' is 1; it must be true or false"),
        ("bare.yaml", "row 1 of 'bare.yaml' needs config"),
        ("override.yaml", "did you mean 'gamma'?"),
        ("damaged.yaml --output damaged", "'damaged/damaged.trials.json' is damaged"),
        ("", "the following arguments are required: NAME"),
    ],
)
def test_contract_bad_input_is_one_line(
    arguments: str, message: str, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong: dict[str, Any] = {
        "empty": [],
        "key": [{"config": "tiny.yaml", "treshold": 1}],
        "threshold": [{"config": "tiny.yaml", "threshold": "high"}],
        "every": [{"config": "tiny.yaml", "evaluation_interval": 0}],
        "episodes": [{"config": "tiny.yaml", "episodes": 2.5}],
        "stop": [{"config": "tiny.yaml", "stop": 1}],
        "bare": [{"threshold": 1}],
        "override": [{"config": "tiny.yaml", "overrides": {"agent.gama": 1}}],
        "damaged": ROWS,
    }
    for name, rows in wrong.items():
        (tiny / f"{name}.yaml").write_text(yaml.safe_dump({"rows": rows}))
    (tiny / "damaged").mkdir()
    (tiny / "damaged/damaged.trials.json").write_text('{"x": ')
    before = sorted(tiny.rglob("*"))
    assert main(["benchmark", *arguments.split()]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and message in err, err
    assert sorted(tiny.rglob("*")) == before


@pytest.mark.parametrize("name", spec.names())
def test_contract_the_shipped_benchmarks_can_be_made(name: str) -> None:
    pytest.importorskip("Box2D")
    pytest.importorskip("mujoco")
    (found,) = spec.find([name])
    assert found.shipped and spec.summary(name)
    for line in runner.rows_of(found, 1):
        if isinstance(line, (Imitation, ScoredRow)):
            continue  # held against its expert, or the optimum, at the end
        assert line.threshold is not None
        assert line.seed_runs[0].interval * 10 <= line.seed_runs[0].config.values["total_timesteps"]


def test_a_row_counts_seeds_that_were_not_solved_with_all_they_took() -> None:
    line = BenchmarkRow("game", "ppo", "mine", 10.0, [])
    solved = Curve([Point(0, 0.0, 11.0), Point(100, 1.0, 9.0), Point(200, 2.0, 10.0), Point(300, 3.0, 8.0)])
    not_solved = Curve([Point(0, 0.0, 0.0), Point(300, 4.0, 9.9)])
    assert solved.first(10.0) == Point(200, 2.0, 10.0)  # the untrained policy's luck does not count
    rows = {row.metric: row for row in line.rows([solved, not_solved])}
    assert (rows[SOLVED].value, rows[SOLVED].seeds) == (0.5, 2)
    assert (rows[STEPS].low, rows[STEPS].high) == (200, 300)
    assert (rows[SECONDS].low, rows[SECONDS].high) == (2.0, 4.0)
    assert rows[RETURN].value == pytest.approx((8.0 + 9.9) / 2)
    assert set({row.metric for row in line.rows([not_solved])}) == {RETURN, SOLVED}


def test_a_recorder_evaluates_where_due_and_leaves_its_time_out() -> None:
    values = iter([5.0, 1.0, 2.0, 5.0, 9.0])

    def evaluate() -> float:
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        return next(values)

    recorder = Recorder(evaluate, interval=100, until=5.0)
    recorder.begin()
    assert [recorder.after_update(steps) for steps in (60, 120, 180, 240, 299, 300)] == [True] * 5 + [False]
    curve = recorder.end(300)
    assert [point.steps for point in curve.points] == [0, 120, 240, 300]
    assert curve.steps == 300 and curve.cpu_seconds < 0.1


class Countdown:
    """Two instances whose episodes have 1 and 3 steps, a reward of 1 each; as a vector environment does it."""

    num_envs, single_action_space = 2, gymnasium.spaces.Discrete(2)
    single_observation_space = gymnasium.spaces.Discrete(4)

    def __init__(self, mode: AutoresetMode) -> None:
        self.metadata = {"autoreset_mode": mode}

    def reset(self, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
        self.left, self.over = np.array([1, 3]), np.zeros(2, bool)
        return self.left.copy(), {}

    def step(self, action: np.ndarray) -> tuple[Any, ...]:
        resets = self.over if self.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP else np.zeros(2, bool)
        self.left = np.where(resets, [1, 3], self.left - 1)
        self.over = (self.left == 0) & ~resets
        reward = np.where(resets, 0.0, 1.0)
        if self.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP:
            self.left = np.where(self.over, [1, 3], self.left)
        return self.left.copy(), reward, self.over.copy(), np.zeros(2, bool), {}


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_each_instance_plays_its_share_however_long_its_episodes_are(mode: AutoresetMode) -> None:
    starts: list[tuple[int, ...]] = []

    def predict(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[np.ndarray, Any]:
        starts.append(tuple(np.flatnonzero(start)))
        return np.zeros(2, np.int64), state

    returns, lengths = play(predict, Countdown(mode), 5, 0)  # type: ignore[arg-type]
    assert sorted(returns) == sorted(lengths) == [1, 1, 1, 3, 3]  # 3 of the first instance, 2 of the second
    begun_again = starts[1 if mode is AutoresetMode.SAME_STEP else 2]  # the step between only resets
    assert starts[0] == (0, 1) and begun_again == (0,)


def test_errors_of_a_definition_are_the_users() -> None:
    with pytest.raises(UserError, match="unknown benchmark or configuration 'memry'; did you mean 'memory'"):
        spec.find(["memry"])


def test_masks_in_the_infos_reach_the_policy() -> None:
    """An illegal action raises in this environment."""
    from gymnasium.vector import SyncVectorEnv

    class Choosy(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (2,))
        action_space = gymnasium.spaces.Discrete(3)

        def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
            super().reset(seed=seed)
            self.time, self.action_mask = 0, self.np_random.integers(3)
            return np.zeros(2, np.float32), {"action_mask": np.arange(3) == self.action_mask}

        def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            assert action == self.action_mask
            self.time, self.action_mask = self.time + 1, self.np_random.integers(3)
            return (
                np.zeros(2, np.float32),
                1.0,
                self.time == 4,
                False,
                {"action_mask": np.arange(3) == self.action_mask},
            )

    env = SyncVectorEnv([Choosy] * 3)

    def predict(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[np.ndarray, Any]:
        assert masks is not None
        return masks.argmax(1), None

    returns, _ = play(predict, env, 6, 0)
    assert (returns == 4).all()
