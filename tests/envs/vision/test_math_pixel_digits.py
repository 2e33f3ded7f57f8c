"""PixelDigits: pictures as sentences."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import DrawnText
from lhy_rl.envs.vision.pixel_digits import PixelDigits, likeness

DRAWN = """..###...
.####...
.#..#...
....#...
...##...
..##....
..##.##.
..#####."""


def test_a_digit_as_text_and_as_picture() -> None:
    task = PixelDigits()
    (tokens,) = task.sequences("test").tokens[:1]
    assert task.decode(tokens) == DRAWN and isinstance(task, DrawnText)
    picture = task.picture_of(tokens)
    ink = np.array([[pixel == "#" for pixel in line] for line in DRAWN.split("\n")])
    assert picture.shape == (8, 8, 3) and np.array_equal(picture[..., 0] < 128, ink)
    assert task.decode(tokens[:11]) == "..###...\n.##" and len(np.unique(task.picture_of(tokens[:11]))) == 3


def test_each_pixel_for_itself_takes_0_554_bits() -> None:
    task = PixelDigits()
    train, test = (task.sequences(split).tokens for split in ("train", "test"))
    p = (train.sum(0) + 0.5) / (len(train) + 1)
    assert -(test * np.log2(p) + (1 - test) * np.log2(1 - p)).mean() == pytest.approx(0.5545, abs=1e-4)
    assert [len(task.sequences(split)) for split in ("train", "validation", "test")] == [1000, 400, 397]


def test_likeness_is_the_share_of_equal_pixels() -> None:
    task = PixelDigits()
    known = task.sequences("train").tokens
    other = known[:1].copy()
    other[0, [0, 7, 63]] ^= 1
    by_hand = (known[:, None] == known[None, :50]).mean(2).max(0)
    np.testing.assert_allclose(likeness(known[:50]), by_hand)
    assert likeness(other)[0] == (known == other).mean(1).max() >= 61 / 64


def test_an_episode_is_paid_at_its_end() -> None:
    envs = gymnasium.make_vec("lhy_rl/PixelDigits-v0", num_envs=2)
    obs, _ = envs.reset(seed=0)
    digits = envs.unwrapped.sequences("train").tokens[:2]
    assert obs.tolist() == [2, 2]
    for t in range(64):
        obs, rewards, terminated, _, infos = envs.step(digits[:, t])
        assert obs.tolist() == digits[:, t].tolist()
        assert rewards.tolist() == [float(t == 63)] * 2 and terminated.tolist() == [t == 63] * 2
    assert infos["likeness"].tolist() == [1.0, 1.0]


def test_what_is_refused() -> None:
    with pytest.raises(UserError, match="unknown reward 'nearest'; allowed: likeness, none"):
        PixelDigits(reward="nearest")
    with pytest.raises(UserError, match="unknown split 'all'"):
        PixelDigits().sequences("all")  # type: ignore[arg-type]
