"""GlyphGlimpse: where digits lie on the canvas, what is seen of it, and what looks and names give."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401
from lhy_rl.core.errors import UserError
from lhy_rl.envs.vision.glyph_canvas import Distortion
from lhy_rl.envs.vision.glyph_glimpse import GlyphGlimpse
from lhy_rl.envs.vision.resampling import resampled


def test_resampling_by_hand() -> None:
    shape = np.zeros((1, 3, 3), np.float32)
    shape[0, 0, 1], shape[0, 1, 1] = 1.0, 0.5  # a stroke upwards from the middle
    one, none = np.ones(1), np.zeros(1)
    middle = np.full((2, 1), 2.0)
    still = resampled(shape, 5, none, one, middle)[0]
    assert np.array_equal(still[1:4, 1:4], shape[0]) and still.sum() == 1.5
    turned = resampled(shape, 5, np.radians([90.0]), one, middle)[0]
    np.testing.assert_allclose(turned[1:4, 1:4], np.rot90(shape[0], -1), atol=1e-6)
    moved = resampled(shape, 5, none, one, np.array([[3.0], [1.5]]))[0]
    np.testing.assert_allclose(moved[2:4, 1:3], [[0.5, 0.5], [0.25, 0.25]])
    large = resampled(shape, 5, none, 2 * one, middle)[0]
    np.testing.assert_allclose(large[:, 2], [1.0, 0.75, 0.5, 0.25, 0.0])


def test_digits_lie_where_the_distortion_says() -> None:
    disc = np.zeros((500, 28, 28), np.float32)
    disc[:, 8:20, 8:20] = 1.0
    rng = np.random.default_rng(0)
    canvas, centre = Distortion(40, 0.0, (0.5, 0.5)).canvases(disc, disc, rng)
    weight = canvas.sum((1, 2))
    mass = np.stack([(canvas.sum(2) * np.arange(40)).sum(1), (canvas.sum(1) * np.arange(40)).sum(1)]) / weight
    np.testing.assert_allclose(mass, centre, atol=0.3)  # every second pixel of the disc is read
    reach = (39 - 0.85 * 14) / 2  # of a middle, to both sides of that of the canvas
    assert 0.95 * reach < np.abs(centre - 19.5).max() <= reach
    still, centre = Distortion(40, 0.0, (0.5, 0.5), shift=0.0).canvases(disc[:3], disc, rng)
    assert (centre == 19.5).all() and (still[0] == still[1]).all()
    cluttered, _ = Distortion(40, 0.0, (0.5, 0.5), shift=0.0, clutter=3).canvases(disc[:50], disc, rng)
    assert (cluttered >= still[:1]).all() and cluttered.sum() > 1.2 * 50 * still[0].sum()


def test_it_is_sharp_around_the_place_that_was_looked_at() -> None:
    envs = GlyphGlimpse(3, fovea=8)
    obs, _ = envs.reset(seed=0)
    canvas = envs.snapshot()["state"]["canvas"]
    blocks = canvas.reshape(3, 8, 4, 8, 4).mean((2, 4)).astype(np.uint8)
    assert np.array_equal(obs[:, 0, ::4, ::4], blocks) and np.array_equal(obs[:, 0, 3::4, 2::4], blocks)
    obs, rewards, terminated, _, _ = envs.step(np.array([10, 14, 18]))  # upper left, middle, lower right
    for i, window in enumerate((slice(1, 9), slice(12, 20), slice(23, 31))):
        assert np.array_equal(obs[i, 0, window, window], canvas[i, window, window])
        outside = np.ones((32, 32), bool)
        outside[window, window] = False
        assert np.array_equal(obs[i, 0][outside], blocks[i].repeat(4, 0).repeat(4, 1)[outside])
    assert rewards.tolist() == [-0.02] * 3 and not terminated.any()


def test_names_end_it_and_looks_run_out() -> None:
    envs = GlyphGlimpse(2, looks=1, look_cost=0.1)
    envs.reset(seed=1)
    label = envs.snapshot()["state"]["label"]
    _, rewards, terminated, _, infos = envs.step(np.array([label[0], 10]))
    assert rewards.tolist() == [1.0, -0.1] and terminated.tolist() == [True, False]
    assert infos["label"][0] == infos["named"][0] == label[0]
    _, rewards, terminated, _, infos = envs.step(np.array([0, 11]))
    assert rewards[1] == -0.1 and terminated[1] and infos["named"][1] == -1


@pytest.mark.parametrize(("options", "best"), [({}, 0.98), ({"places": 0}, 1.0), ({"difficulty": "hard"}, 0.98)])
def test_the_expert_looks_at_the_digit_and_names_it(options: dict[str, object], best: float) -> None:
    envs = gymnasium.make_vec("lhy_rl/GlyphGlimpse-v0", num_envs=8, **options)
    task = envs.unwrapped
    envs.reset(seed=0)
    total = np.zeros(8)
    for step in range(2 if best < 1 else 1):
        _, rewards, terminated, _, _ = envs.step(task.expert_action())
        total += rewards
        if best < 1 and step == 0:
            state = task.snapshot()["state"]
            rows, columns = np.rint(state["centre"]).astype(int).T
            assert task.sharp(state["place"])[np.arange(8), rows, columns].all()
    assert terminated.all() and np.allclose(total, best)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 30}, "side=30 is not allowed; must be a multiple of 4"),
        ({"side": 12}, "side=12 is not allowed; must be a whole number from 16 to 96"),
        ({"side": 16}, r"sizes=.* the largest at most side / 28, 0.571"),
        ({"turn": 200.0}, "turn is 200.0; allowed: 0 to 180"),
        ({"split": "all"}, "unknown split 'all'"),
        ({"difficulty": "heard"}, "unknown difficulty 'heard'"),
    ],
)
def test_what_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        GlyphGlimpse(**options)  # type: ignore[arg-type]
