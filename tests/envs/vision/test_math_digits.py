"""Pictures like those of a data set: shipped digits, a folder of one's own, what is no picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from PIL import Image

import lhy_rl  # noqa: F401
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SampleTask


def make(n: int = 4, pictures: str | Path = "optical", **options: Any) -> Any:
    return gymnasium.make_vec("lhy_rl/Digits-v0", num_envs=n, pictures=str(pictures), **options).unwrapped


def write(folder: Path, n: int = 12, size: tuple[int, int] = (16, 16), colour: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(n):
        shape = (size[1], size[0], 3) if colour else (size[1], size[0])
        Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8)).save(folder / f"{i:02}.png")
    return folder


def test_the_nearest_picture_decides() -> None:
    env = make(4, conditional=True)
    assert isinstance(env, SampleTask)
    train, test = env.samples("train"), env.samples("test")
    assert train.paired and np.array_equal(train.conditions, train.sample_labels)
    env.reset(seed=0)
    wanted = env.observe()
    own = np.array([np.flatnonzero(train.sample_labels == label)[0] for label in wanted])
    _, rewards, _, _, infos = env.step(train.samples[own])
    np.testing.assert_allclose(rewards, 1, atol=1e-9)
    assert infos["nearest"].tolist() == own.tolist() and infos["read"].tolist() == wanted.tolist()
    env.reset(seed=0)
    other = np.array([np.flatnonzero(train.sample_labels != label)[0] for label in wanted])
    assert env.step(train.samples[other])[1].max() < 0.9, "another class"
    fresh = env.reward({}, test.samples, {"sample": test.samples, "condition": test.conditions})
    assert 0.2 < fresh.mean() < 0.7


def test_there_is_nothing_to_observe_without_a_class() -> None:
    env = make()
    assert env.single_observation_space == gymnasium.spaces.Discrete(1) and env.samples("train").conditions is None


def test_pictures_of_ones_own(tmp_path: Path) -> None:
    env = make(2, write(tmp_path / "grey"))
    assert env.single_action_space.shape == (16, 16, 1) and len(env.samples("train")) == 10
    assert make(2, write(tmp_path / "colour", size=(24, 8), colour=True)).single_action_space.shape == (8, 24, 3)
    for name in "ba":
        write(tmp_path / "classes" / name, 20)
    env = make(2, tmp_path / "classes", conditional=True, side=8)
    assert env.single_observation_space.n == 2 and env.single_action_space.shape == (8, 8, 1)
    assert env.pictures.classes == ("a", "b")


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "broken")
    (folder / "05.png").write_bytes((folder / "05.png").read_bytes()[:60])
    odd = write(tmp_path / "odd")
    write(tmp_path / "other", 1, (24, 16))
    (tmp_path / "other/00.png").rename(odd / "07.png")
    (tmp_path / "words").mkdir()
    (tmp_path / "words/a.txt").write_text("no picture")
    tall = write(tmp_path / "tall", size=(20, 16))
    for place, options, message in (
        (folder, {}, "05.png' cannot be read"),
        (odd, {}, "07.png' has 24 x 16 pixels and '00.png' 16 x 16; give side"),
        (tmp_path / "words", {}, "holds 0 pictures"),
        (tmp_path / "nowhere", {}, "no folder"),
        (tall, {"side": 16, "conditional": True}, "needs several classes"),
        (write(tmp_path / "low", size=(16, 7)), {}, "16 x 7 pixels; allowed: at least 8 x 8"),
        (Path("optical"), {"side": 16}, "side is for a folder of picture files"),
        (Path("optical"), {"conditional": 1}, "conditional=1"),
    ):
        with pytest.raises(UserError, match=message) as caught:
            make(2, place, **options)
        assert "\n" not in str(caught.value)
