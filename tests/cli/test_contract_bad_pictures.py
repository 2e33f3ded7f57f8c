"""Pictures that cannot be learned from, or that do not fit: one line on the command line, and exit status 2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lhy_rl.agents import VAE
from lhy_rl.cli.main import main
from lhy_rl.core.errors import UserError
from lhy_rl.rollouts.vector_envs import make_vec


def folder(path: Path, n: int = 12, size: tuple[int, int] = (16, 16)) -> Path:
    """PNGs of noise."""
    path.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(n):
        Image.fromarray(rng.integers(256, size=size[::-1], dtype=np.uint8)).save(path / f"{i:02}.png")
    return path


def broken(place: Path) -> None:
    cut = folder(place) / "05.png"
    cut.write_bytes(cut.read_bytes()[:60])


def no_image(place: Path) -> None:
    (folder(place) / "05.png").write_text("no picture")


def of_two_sizes(place: Path) -> None:
    folder(place)
    (folder(place / "other", 1, (24, 16)) / "00.png").rename(place / "99.png")
    (place / "other").rmdir()


def classes(place: Path) -> None:
    folder(place / "a")
    (place / "b").mkdir()


def labelled(label: int) -> Callable[[Path], None]:
    def make(place: Path) -> None:
        place.mkdir()
        np.savez(place.parent / "own.npz", pictures=np.zeros((12, 8, 8), np.uint8), labels=np.full(12, label))

    return make


def error_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which the command ends; it makes nothing."""
    assert main(words) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1, line
    assert not Path("runs").exists()
    return line


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (broken, [], "05.png' cannot be read"),
        (no_image, [], "05.png' cannot be read"),
        (of_two_sizes, [], "99.png' has 24 x 16 pixels and '00.png' 16 x 16; give side"),
        (lambda place: folder(place, size=(16, 5)), [], "the pictures are 16 x 5 pixels; allowed: at least 8 x 8"),
        (lambda place: folder(place, 3), [], "holds 3 pictures"),
        (lambda place: place.mkdir(), [], "holds 0 pictures"),
        (lambda place: place.write_text("words"), [], "no folder"),
        (classes, ["--env.conditional", "true"], "b' is a class without pictures"),
        (folder, ["--env.conditional", "true"], "needs several classes, and these pictures have one"),
        (folder, ["--env.side", "4"], "side=4"),
        (labelled(-1), ["--env.pictures", "own.npz"], "holds -1 (picture 0); allowed: 0 to 999"),
        (labelled(1000), ["--env.pictures", "own.npz"], "holds 1000 (picture 0); allowed: 0 to 999"),
        (folder, ["--env.pictures", "nowhere.npz"], "nowhere.npz"),
    ],
)
def test_pictures_that_cannot_be_learned_from(
    make: Callable[[Path], object],
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "mine")
    given = [] if "--env.pictures" in options else ["--env.pictures", "mine"]
    assert message in error_of(["train", "vae", "--env.id", "lhy_rl/Digits-v0", *given, *options], capsys)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--agent.encoder", "vae.zip"],
            "it was trained on images of 16 x 16 pixels and 1 channel, observations are 36 x 36 with",
        ),
        (["--agent.encoder", "nowhere.zip"], "cannot read 'nowhere.zip'"),
        (["--agent.encoder", "runs/nowhere"], "cannot read 'runs/nowhere"),
        (["--agent.encoder", "mine"], "'mine' is not a run with checkpoints"),
        (["--agent.encoder", "words.zip"], "'words.zip' is not an archive of lhy_rl"),
        (["--agent.encoder", "saved"], "encoder 'saved' needs the file of a vae"),
        (["--agent.encoder_options", "{frozen: true}"], "frozen is only for a saved encoder"),
        (["--agent.encoder", "vae.zip", "--agent.encoder_options", "{frozen: 3}"], "frozen=3 is not allowed"),
    ],
)
def test_encoders_that_do_not_fit(
    options: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    env = make_vec("lhy_rl/Digits-v0", 2, pictures=str(folder(tmp_path / "mine")))
    VAE(env, width=4, code_size=4, film=0).save("vae.zip")
    Path("words.zip").write_text("words")
    assert message in error_of(["train", "ppo/catch", *options], capsys)


def test_samples_and_conditions_that_do_not_fit_are_one_line() -> None:
    env = make_vec("lhy_rl/Digits-v0", 2, pictures="optical", conditional=True)
    agent = VAE(env, width=4, code_size=4, film=0)
    env.reset(seed=0)
    pictures, labels = np.zeros((3, 8, 8, 1), np.float32), np.zeros(3, np.int64)
    for call, message in (
        (lambda: agent.encode(pictures), "each sample needs a condition, Discrete.10.; none were given"),
        (lambda: agent.encode(pictures, labels[:2]), "3 samples or codes and 2 conditions are given"),
        (lambda: agent.encode(pictures[:0], labels[:0]), "no samples"),
        (lambda: agent.encode(pictures, labels + 10), r"conditions hold 10 \(number 0\)"),
        (lambda: agent.encode(pictures, labels - 1), r"conditions hold -1 \(number 0\)"),
        (lambda: agent.encode(pictures[:, :5], labels), r"float32 of shape \(5, 8, 1\)"),
        (lambda: agent.encode(np.full(pictures.shape, 255, np.uint8), labels), "samples hold 255"),
        (lambda: agent.encode(pictures.astype(str), labels), "samples are <U"),
        (lambda: agent.encode(pictures, labels.astype(str)), "conditions are <U"),
        (lambda: agent.decode(np.zeros((3, 5)), labels), r"codes are of shape \(3, 5\); allowed: \(N, 4\)"),
        (lambda: agent.decode(np.zeros((3, 4))), "none were given"),
        (lambda: agent.predict(np.array([3, 12])), "wanted: whole numbers from 0 to 9"),
        (lambda: env.step(np.zeros((2, 5, 5, 1), np.float32)), "actions are not in the action space"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
