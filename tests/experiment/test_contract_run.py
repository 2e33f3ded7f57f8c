"""A run leaves a complete folder: report, plots, samples, tracker; and evaluation disturbs nothing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError
from lhy_rl.experiment import build, config, tracking
from lhy_rl.experiment.run import Run
from lhy_rl.experiment.run_folder import Checkpoints
from lhy_rl.experiment.schema import RunOptions
from lhy_rl.experiment.start_run import load, train
from lhy_rl.experiment.text_evaluation import REAL, overlap
from lhy_rl.functional.text_metrics import BleuScorer
from lhy_rl.nn.decoding import sample
from lhy_rl.reporting import report

VOID = {"meta", "img", "br", "link", "hr"}


class Balanced(HTMLParser):
    """Fails on tags that are not closed in order; gathers what the page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_contract_a_run_leaves_everything(tiny: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tiny(run={"plots": True, "evaluation_interval": 2}))]) == 0
    run = Path("runs") / config.load("tiny.yaml").values["run"]["name"]
    made = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {"config.yaml", "metrics.csv", "result.json", "report.html", "checkpoints/best.zip"} <= made
    assert {"plots/evaluation.png", "plots/policies.png", "plots/training.png", "samples/mle.txt"} <= made
    assert len([name for name in made if name.startswith("checkpoints/update")]) == 2

    result = json.loads((run / "result.json").read_text())
    assert set(result["table"]) == {"mle", REAL}
    table = result["table"]["mle"]
    assert 0 < table["nll_test"] < 2 * np.log(12)
    assert 0 <= table["self_bleu2"] <= 1
    assert set(result["samples"]) == {"before training", "mle", REAL}

    out = capsys.readouterr().out
    for word in ("nll_test", "bleu4", "self_bleu2", REAL, "report.html", "lhy-rl sample", *result["samples"]["mle"]):
        assert word in out

    page = Balanced()
    page.feed((run / "report.html").read_text())
    assert page.open == []
    assert len(page.sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in page.sources), "self-contained"
    for word in (*result["samples"]["mle"], "OracleText", "vocabulary_size: 12", torch.__version__):
        assert word in page.text

    columns = tracking.metric_columns(run / "metrics.csv")
    assert [number for number, _ in columns["eval/nll_validation"]] == list(range(1, len(columns["train/nll"]), 2))
    best = min(a + b for (_, a), (_, b) in zip(columns["eval/nll_validation"], columns["eval/nll_oracle"], strict=True))
    assert load(run, "best").best == best

    assert main(["train", str(run / "config.yaml")]) == 0  # re-runnable; a second folder
    again = json.loads(next(path for path in Path("runs").glob("*-2")).joinpath("result.json").read_text())
    assert again["table"] == result["table"]

    for arguments in (["-n", "2"], ["--method", "greedy"], ["--method", "beam", "-n", "3", "--policy", "mle"]):
        capsys.readouterr()
        assert main(["sample", str(run), *arguments]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == {"-n": 2, "greedy": 1, "beam": 3}[arguments[1] if arguments[0] != "-n" else "-n"]
        assert all(re.fullmatch(r"\d+( \d+){4}", line) for line in lines)
    assert main(["evaluate", str(run), "--sentences", "10", "--checkpoint", "best"]) == 0
    (run / "report.html").unlink()
    assert main(["report", str(run)]) == 0
    assert (run / "report.html").exists()


def test_contract_evaluation_disturbs_nothing(tiny: Callable[..., Path], same: Callable[[Any, Any], bool]) -> None:
    run = Run(config.load(str(tiny())))
    run.agent.learn(500)
    before, generator = run.agent.state_dict(), torch.get_rng_state()
    copy = [tensor.clone() for tensor in before["policy"].values()]
    first, second = run.evaluator.quick(), run.evaluator.quick()
    assert first == second
    assert run.evaluator.full() == run.evaluator.full()
    assert all(torch.equal(a, b) for a, b in zip(copy, run.agent.state_dict()["policy"].values(), strict=True))
    assert torch.equal(torch.get_rng_state(), generator)
    assert same(before["generator"], run.agent.state_dict()["generator"])
    assert run.agent.policy.training


def test_math_likelihoods_of_an_evaluation(tiny: Callable[..., Path]) -> None:
    """nll_oracle of real sentences is the entropy rate that the oracle itself gives; a uniform policy has log V."""
    run = Run(config.load(str(tiny(env={"validation_size": 3000}, run={"evaluation_sentences": 3000}))))
    task = run.env.unwrapped
    log_probs = task.oracle.enumerate(5).log_probs
    entropy = -(np.exp(log_probs) * log_probs).sum() / 5
    with torch.no_grad():
        for parameter in run.agent.policy.parameters():
            parameter.zero_()
    table = run.evaluator.full().table
    assert table[REAL]["nll_oracle"] == pytest.approx(entropy, abs=0.03)
    assert table["mle"]["nll_test"] == pytest.approx(np.log(12), rel=1e-5)
    assert table["mle"]["nll_oracle"] > entropy + 0.5


def test_contract_other_tasks_are_evaluated_by_their_return(
    tiny: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = tiny(
        agent={"name": "reinforce", "num_envs": 2, "hidden_size": 8},
        total_timesteps=60,
        run={"evaluation_interval": 1, "evaluation_episodes": 20},
    )
    values = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(values | {"env": {"id": "CartPole-v1"}}))
    assert main(["train", str(path), "--run.folder", "run", "--run.plots", "true"]) == 0
    result = json.loads(Path("run/result.json").read_text())
    row = result["table"]["reinforce"]
    assert 5 <= row["mean_return"] <= 500
    assert row["mean_episode_length"] == row["mean_return"]  # 1 a step; the step that resets is none
    assert result["samples"] == {}
    (_, last) = tracking.metric_columns(Path("run/metrics.csv"))["eval/mean_return"][-1]
    assert last != row["mean_return"], "a checkpoint is chosen in other episodes than those that are reported"
    assert main(["sample", "run"]) == 2
    assert "not a text task" in capsys.readouterr().err


@pytest.mark.parametrize("split", ["train", "test"])
def test_contract_what_an_environment_holds_out_is_evaluated_at_the_end(split: str, tiny: Callable[..., Path]) -> None:
    path = tiny(
        agent={"name": "ppo", "num_envs": 2, "hidden_size": 8, "core": None, "n_steps": 2},
        total_timesteps=4,
        run={"evaluation_episodes": 3},
    )
    small = {"id": "lhy_rl/LRSchedule-v0", "decisions": 2, "batch_size": 200, "hidden_size": 4, "split": split}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": small}))
    assert main(["train", str(path), "--run.folder", "run"]) == 0
    result = json.loads(Path("run/result.json").read_text())
    for row in (result["table"]["ppo"], result["references"]["random"]):
        assert row.get("held_out_return") != row["mean_return"]
        assert ("held_out_return" in row) == (split == "train")  # who trains on the test instances has none left


@pytest.mark.parametrize(
    ("tables", "expected"),
    [("hpobench-train", "hpobench-test"), ("fcnet-train", "fcnet-test"), ("hpobench-test", None), (["a.npz"], None)],
)
def test_contract_what_is_held_out_depends_on_what_is_trained_on(tables: Any, expected: str | None) -> None:
    chosen = config.load("ppo", {"env.id": "lhy_rl/HPOTrial-v0", "env.tables": tables})
    assert build.held_out(chosen) == ({} if expected is None else {"tables": expected})


def test_contract_report_escapes_what_the_data_say(tiny: Callable[..., Path]) -> None:
    assert main(["train", str(tiny()), "--run.folder", "run"]) == 0
    from lhy_rl.experiment.run_folder import RunFolder

    place = RunFolder(Path("run"))
    result = place.result()
    assert result is not None
    result["samples"] = {"<b>bold</b>": ["<script>alert(1)</script>", "a & b", "你 好"]}
    text = report.write_report(place, result).read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "a &amp; b" in text
    assert "你 好" in text


def test_contract_two_runs_that_begin_together_get_a_folder_each(
    tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lhy_rl.experiment import config, run_folder

    monkeypatch.chdir(tiny().parent)
    settings = config.load(str(tiny()), {})

    def another_begins(temporary: Path) -> None:
        Path("runs/twin").mkdir()
        Path("runs/twin/config.yaml").touch()

    assert run_folder.create("twin", None, settings, another_begins).path == Path("runs/twin-2")
    assert sorted(path.name for path in Path("runs").iterdir()) == ["twin", "twin-2"]
    with pytest.raises(UserError, match="not empty"):
        run_folder.create("twin", "runs/twin", settings, lambda temporary: None)


def test_contract_checkpoints_keep_the_newest(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", keep=2)
    assert checkpoints.load() is None
    with pytest.raises(UserError, match="no best checkpoint yet"):
        checkpoints.load("best")
    for update in (1, 9, 10, 11):
        checkpoints.save({"update": update}, update)
    checkpoints.save({"update": 9}, 11, best=True)
    assert [path.name for path in checkpoints.newest()] == ["update-00000011.zip", "update-00000010.zip"]
    assert checkpoints.load("best") == {"update": 9}
    assert checkpoints.load() == {"update": 11}
    (tmp_path / "c/update-00000011.zip").write_bytes(b"PK")
    warnings: list[str] = []
    for set_aside in (False, True, False):
        assert checkpoints.load(warn=warnings.append, set_aside=set_aside) == {"update": 10}
    assert len(warnings) == 2


def test_contract_tensorboard_gets_the_metrics(tiny: Callable[..., Path]) -> None:
    pytest.importorskip("tensorboard")
    assert main(["train", str(tiny(run={"tracker": "tensorboard"})), "--run.folder", "run"]) == 0
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator("run/tensorboard").Reload()
    rows = tracking.metric_columns(Path("run/metrics.csv"))["train/nll"]
    assert [e.value for e in events.Scalars("train/nll")] == pytest.approx([value for _, value in rows], rel=1e-6)
    assert "result/mle/nll_test" in events.Tags()["scalars"]


def test_contract_wandb_writes_its_run_offline_into_the_run_folder(
    tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    agent = {"name": "ppo", "num_envs": 2, "n_steps": 8, "batch_size": 16}
    path = tiny(agent=agent, total_timesteps=32, run={"tracker": "wandb", "plots": True, "evaluation_episodes": 2})
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"env": {"id": "lhy_rl/Catch-v0"}}))
    assert main(["train", str(path), "--run.folder", "run"]) == 0
    identity = load(Path("run")).tracker_id
    (written,) = Path("run/wandb").glob(f"offline-run-*-{identity}/run-{identity}.wandb")
    content = written.read_bytes()
    table = (b"ppo/mean_return", b"random/mean_return")
    for name in (b"train/policy_gradient_loss", b"time/total_timesteps", *table, b"num_envs"):
        assert name in content
    media = Path("run/wandb").glob(f"offline-run-*-{identity}/files/media/**/*.*")
    assert {path.name.partition("_")[0] for path in media} >= {"film", "return", "result"}
    wandb.teardown()  # else its settings, offline for one, outlive this test


def test_contract_wandb_is_offline_and_resumes_the_same_run(
    tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for wandb: what it is asked to do (the real one takes seconds to start)."""
    calls: list[tuple[str, Any]] = []

    class FakeRun:
        summary: dict[str, float] = {}

        def log(self, row: dict[str, Any], step: int | None = None) -> None:
            calls.append(("log", row if step is None else step))

        def finish(self) -> None:
            calls.append(("finish", None))

    class FakeWandb:
        Settings = dict

        @staticmethod
        def Table(columns: list[str], data: list[Any]) -> Any:
            return columns, data

        @staticmethod
        def Image(path: str) -> str:
            return f"image {path}"

        @staticmethod
        def Video(path: str, format: str) -> str:
            return f"{format} {path}"

        @staticmethod
        def setup(settings: Any) -> None:
            assert settings == {"silent": True}

        @staticmethod
        def login(prompt: bool, verify: bool) -> bool:
            assert (prompt, verify) == (False, False)  # nobody is asked, nothing is sent
            return False

        @staticmethod
        def init(**options: Any) -> FakeRun:
            calls.append(("init", options))
            return FakeRun()

    monkeypatch.setattr(tracking, "require", lambda package: FakeWandb)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    values = config.load(str(tiny())).values
    options = RunOptions(tracker="wandb")
    tracker = tracking.make_tracker(options, Path("runs/a"), values, "abc123", 0)
    tracker.log({"train/nll": 1.0}, 1)
    Path("plots").mkdir()
    for name in ("film.gif", "return.png", "notes.txt"):
        Path("plots", name).touch()
    tracker.finish({"mle": {"nll_test": 2.0}, "random": {"nll_test": 3.0, "bleu2": 0.5}}, Path("plots"))
    tracker.close()
    first = calls[0][1]
    assert (first["mode"], first["id"], first["resume"]) == ("offline", "abc123", "allow")
    assert FakeRun.summary == {"mle/nll_test": 2.0, "random/nll_test": 3.0, "random/bleu2": 0.5}
    table = ["policy", "nll_test", "bleu2"], [["mle", 2.0, None], ["random", 3.0, 0.5]]
    media = {"result": table, "film": "gif plots/film.gif", "return": "image plots/return.png"}
    assert calls[1:] == [("log", 1), ("log", media), ("finish", None)]
    monkeypatch.setenv("WANDB_MODE", "disabled")
    tracking.make_tracker(options, Path("runs/a"), values, "abc123", 5)
    assert calls[-1][1]["mode"] == "disabled"


class Wandb:
    """A stand-in: who is logged in, and what its server says to a run that begins online."""

    Settings = staticmethod(lambda **options: options)

    def __init__(self, logged_in: bool = True, refusal: str = "") -> None:
        self.logged_in, self.refusal, self.modes = logged_in, refusal, []
        self.settings = self
        self.base_url = "http://127.0.0.1:9"  # where nobody listens

    def setup(self, **options: Any) -> Any:
        return self

    def login(self, prompt: bool, verify: bool) -> bool:
        return self.logged_in

    def init(self, mode: str, **options: Any) -> str:
        self.modes.append(mode)
        if mode == "online" and self.refusal:
            raise ConnectionError(self.refusal)
        return mode


@pytest.mark.parametrize(
    ("mode", "logged_in", "message"),
    [
        (
            "online",
            False,
            "WANDB_MODE is online, but you are not logged in (wandb login); set WANDB_MODE=offline to keep",
        ),
        ("online", True, "WANDB_MODE is online, but http://127.0.0.1:9 does not answer"),
        ("onlin", True, "unknown WANDB_MODE 'onlin'; did you mean 'online'?"),
    ],
)
def test_contract_wandb_online_where_it_cannot_be_is_refused_before_anything_is_made(
    mode: str,
    logged_in: bool,
    message: str,
    tiny: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tracking, "require", lambda package: Wandb(logged_in))
    monkeypatch.setattr(tracking, "choose", lambda name: "wandb")
    monkeypatch.setenv("WANDB_MODE", mode)
    path = tiny(run={"tracker": "wandb"})
    before = sorted(Path().rglob("*"))
    assert main(["train", str(path), "--run.folder", "run"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert sorted(Path().rglob("*")) == before


def test_contract_wandb_without_a_network_writes_offline_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    wandb = Wandb()
    monkeypatch.setattr(tracking, "require", lambda package: wandb)
    monkeypatch.setattr(tracking, "choose", lambda name: "wandb")
    with pytest.warns(UserWarning, match=r"127.0.0.1:9 does not answer; the run is kept offline"):
        tracking.make_tracker(RunOptions(), Path("runs/a"), {}, "abc123", 0)
    assert wandb.modes == ["offline"]
    wandb.refusal = "the key is not known\nand more"
    monkeypatch.setattr(tracking, "_reach", lambda url: None)
    with pytest.warns(UserWarning, match="wandb: the key is not known; the run is kept offline"):
        tracking.make_tracker(RunOptions(), Path("runs/a"), {}, "abc123", 0)
    assert wandb.modes == ["offline", "online", "offline"]


def test_contract_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    assert tracking.choose("auto") == "none"
    for name in ("wandb", "tensorboard"):
        with pytest.raises(UserError, match=f"pip install '{name}>"):
            tracking.choose(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-n 0", "-n, is 0; it must be at least 1"),
        ("--temperature nan", "temperature is nan"),
        ("--temperature -1", "temperature is -1.0"),
        ("--top-k 0", "top-k is 0; it must be at least 1"),
        ("--policy mel", "unknown policy 'mel'; did you mean 'mle'?"),
    ],
)
def test_contract_sample_says_which_option_is_wrong(
    tiny: Callable[..., Path], capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    place = train(config.load(str(tiny(total_timesteps=500)))).path
    assert main(["sample", str(place), *arguments.split()]) == 2
    err = capsys.readouterr().err.splitlines()[-1]
    assert message in err


def test_contract_an_untrained_policy_is_not_passed_off_as_the_runs(tiny: Callable[..., Path]) -> None:
    place = train(config.load(str(tiny(total_timesteps=500)))).path
    assert place is not None
    shutil.rmtree(place / "checkpoints")
    with pytest.raises(UserError, match="has no checkpoints"):
        load(place)


def test_contract_diversity_is_compared_over_equally_many_sentences(tiny: Callable[..., Path]) -> None:
    """Twice as many sentences repeat each other more: the rows of a table must take as many."""
    run = train(config.load(str(tiny(total_timesteps=500, run={"evaluation_sentences": 400}))))
    written = sample(run.agent.policy, run.env.unwrapped, 400, torch.Generator().manual_seed(0))
    references = BleuScorer(run.env.unwrapped.sequences("test").tokens.tolist())
    few = overlap(written, references, run.env.unwrapped, 40)
    many = overlap(written, references, run.env.unwrapped, 400)
    assert few["bleu2"] == many["bleu2"]
    assert few["self_bleu2"] < many["self_bleu2"] - 0.05
    assert few["distinct2"] > many["distinct2"] + 0.05
    row = run.evaluator.full().table["mle"]  # 400 written, 40 held out
    assert abs(row["distinct2"] - few["distinct2"]) < abs(row["distinct2"] - many["distinct2"])
