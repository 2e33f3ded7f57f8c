"""Interrupted is not lost: a run that is killed anywhere and resumed equals the one never killed, bit for bit."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from lhy_rl.cli.main import main
from lhy_rl.core import archive
from lhy_rl.experiment.run_folder import Checkpoints
from lhy_rl.experiment.tracking import read_metrics
from tests.processes import start

CLOCK = ("time/fps", "time/time_elapsed")
SEQGAN = {
    "name": "seqgan",
    "num_envs": 8,
    "hidden_size": 8,
    "embedding_size": 8,
    "dropout": 0.2,
    "rollouts": 2,
    "discriminator": "cnn_small",
    "discriminator_batch_size": 16,
    "discriminator_steps": 1,
    "discriminator_pretrain_steps": 60,
    "pretrain_epochs": 30,
    "pretrain_batch_size": 19,  # epochs do not end with updates: the order of the sentences matters
    "baseline": "critic",
}


def rows(run: Path) -> list[dict[str, str]]:
    """The rows of a run without the clock's columns."""
    return [{k: v for k, v in row.items() if k not in CLOCK} for row in read_metrics(run / "metrics.csv")]


def final_state(run: Path) -> dict[str, Any]:
    """The agent in the newest checkpoint."""
    return dict(archive.read(Checkpoints(run / "checkpoints").newest()[0])["agent"])


def kill_after(process: BaseProcess, run: Path, n: int) -> None:
    """SIGKILL when metrics.csv has n rows."""
    for _ in range(60_000):
        file = run / "metrics.csv"
        if n == 0 and run.exists():
            break
        if n and file.exists() and len(file.read_text().splitlines()) > n:
            break
        assert process.is_alive(), "it ended before it could be killed"
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_contract_killed_and_resumed_equals_never_killed(
    tiny: Callable[..., Path], same: Callable[[Any, Any], bool]
) -> None:
    config = tiny(agent=SEQGAN, total_timesteps=640, run={"evaluation_interval": 3, "checkpoint_updates": 4})
    whole, killed = Path("whole"), Path("killed")
    assert main(["train", str(config), "--run.folder", "whole"]) == 0
    total = len(rows(whole))
    assert total > 20
    assert {row["phase"] for row in rows(whole)} == {"pretrain generator", "pretrain discriminator", "adversarial"}

    kill_after(start(main, ["train", str(config), "--run.folder", "killed"]), killed, 0)
    for n in (5, total - 8):  # while the discriminator is prepared, and later
        kill_after(start(main, ["resume", "killed"]), killed, n)
        assert not (killed / "result.json").exists()
    assert main(["resume", "killed"]) == 0

    assert rows(killed) == rows(whole)
    assert same(final_state(killed), final_state(whole))
    best = [archive.read(run / "checkpoints/best.zip")["agent"] for run in (killed, whole)]
    assert same(*best)
    assert (killed / "samples/seqgan.txt").read_text() == (whole / "samples/seqgan.txt").read_text()


@pytest.fixture
def interrupted(tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run stopped by Ctrl-C in its 9th update, with checkpoints 0 to 9."""
    from lhy_rl.agents import MLE

    config = tiny(run={"keep_checkpoints": 5})
    update = MLE.update

    def press(self: Any) -> dict[str, float]:
        if self.num_updates == 8:
            signal.raise_signal(signal.SIGINT)
        return update(self)

    with monkeypatch.context() as patched:
        patched.setattr(MLE, "update", press)
        assert main(["train", str(config), "--run.folder", "run"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "lhy-rl: interrupted; continue with: lhy-rl resume run"
    return Path("run")


def test_contract_ctrl_c_saves_a_checkpoint_to_go_on_from(
    interrupted: Path, capsys: pytest.CaptureFixture[str], same: Callable[[Any, Any], bool]
) -> None:
    assert Checkpoints(interrupted / "checkpoints").newest()[0].name == "update-00000009.zip"
    assert len(rows(interrupted)) == 9
    assert main(["resume", "run"]) == 0
    assert main(["train", "tiny.yaml", "--run.folder", "whole"]) == 0
    assert rows(interrupted) == rows(Path("whole"))
    assert same(final_state(interrupted), final_state(Path("whole")))
    assert main(["resume", "run"]) == 0  # finished: says so
    assert "has already finished" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["update", "save"])
def test_contract_a_second_ctrl_c_stops_at_once_with_whole_checkpoints(
    where: str,
    tiny: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    same: Callable[[Any, Any], bool],
) -> None:
    """In the middle of an update, or of a checkpoint that is being written."""
    from lhy_rl.agents import MLE

    update, fsync, late = MLE.update, os.fsync, []

    def press() -> None:
        signal.raise_signal(signal.SIGINT)
        assert "stopping after this update and saving a checkpoint; press Ctrl-C again" in capsys.readouterr().err
        signal.raise_signal(signal.SIGINT)

    def updated(self: Any) -> dict[str, float]:
        late[:] = [self.num_updates] if self.num_updates >= 8 else []
        if late and where == "update":
            press()
        return update(self)

    with monkeypatch.context() as patched:
        patched.setattr(MLE, "update", updated)
        patched.setattr(os, "fsync", lambda file: press() if late and where == "save" else fsync(file))
        assert main(["train", str(tiny()), "--run.folder", "run"]) == 130
    assert late
    assert Checkpoints(Path("run/checkpoints")).newest()[0].name == "update-00000008.zip"
    assert main(["resume", "run"]) == 0
    assert main(["train", "tiny.yaml", "--run.folder", "whole"]) == 0
    assert same(final_state(Path("run")), final_state(Path("whole")))


def test_contract_damaged_checkpoint_is_stepped_over(
    interrupted: Path, capsys: pytest.CaptureFixture[str], same: Callable[[Any, Any], bool]
) -> None:
    newest = Checkpoints(interrupted / "checkpoints").newest()
    data = bytearray(newest[0].read_bytes())
    data[len(data) // 2] ^= 1
    newest[0].write_bytes(data)
    newest[1].write_bytes(newest[1].read_bytes()[:-100])
    (interrupted / "checkpoints" / ".update-00000010.zip.1.tmp").write_bytes(b"half")
    capsys.readouterr()
    assert main(["resume", "run"]) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning")]
    assert len(warnings) == 2
    assert "damaged" in warnings[0]
    assert "cut off" in warnings[1]
    assert not list((interrupted / "checkpoints").glob(".*"))
    assert main(["train", "tiny.yaml", "--run.folder", "whole"]) == 0
    assert rows(interrupted) == rows(Path("whole"))
    assert same(final_state(interrupted), final_state(Path("whole")))


def test_contract_no_checkpoint_begins_anew_and_only_damaged_ones_are_refused(
    interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in Checkpoints(interrupted / "checkpoints").newest():
        path.write_bytes(b"PK")
    capsys.readouterr()
    assert main(["resume", "run"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("lhy-rl: none of the 4 checkpoints")
    assert main(["resume", "run"]) == 0  # the damaged ones were set aside
    assert main(["train", "tiny.yaml", "--run.folder", "whole"]) == 0
    assert rows(interrupted) == rows(Path("whole"))


def test_contract_two_processes_cannot_train_one_run(interrupted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lhy_rl.experiment.run_folder import RunFolder

    with RunFolder(interrupted).locked():
        assert main(["resume", "run"]) == 2
    assert "another process" in capsys.readouterr().err.splitlines()[-1]


def test_contract_full_disk_is_one_line_and_loses_no_checkpoint(
    tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import errno

    config = tiny()
    room, fsync = [0], os.fsync

    def full(descriptor: int) -> None:
        room[0] -= 1
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert main(["train", str(config), "--run.folder", "run"]) == 2  # at the first file: nothing half-made
        assert [path.name for path in Path().iterdir()] == ["tiny.yaml"]
        room[0] = 15
        assert main(["train", str(config), "--run.folder", "run"]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("lhy-rl: No space left on device")
    assert "resume" in message
    assert Checkpoints(Path("run/checkpoints")).load() is not None
    assert main(["resume", "run"]) == 0
    assert main(["train", str(config), "--run.folder", "whole"]) == 0
    assert rows(Path("run")) == rows(Path("whole"))


def test_contract_interrupted_while_evaluating_needs_no_training_again(
    tiny: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lhy_rl.agents import MLE
    from lhy_rl.experiment.evaluation import Evaluator

    def press(self: Evaluator) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Evaluator, "full", press)
        assert main(["train", str(tiny()), "--run.folder", "run"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "lhy-rl: interrupted; continue with: lhy-rl resume run"
    before = rows(Path("run"))
    monkeypatch.setattr(MLE, "update", None)
    assert main(["resume", "run"]) == 0
    assert rows(Path("run")) == before
