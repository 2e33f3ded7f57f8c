"""Points of separate Gaussians: what is good, where means stand, what real ones get."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401
from lhy_rl.core.errors import UserError
from lhy_rl.core.point_pictures import draw_points
from lhy_rl.core.protocols import SampleTask


def make(name: str, n: int = 3, **options: Any) -> Any:
    return gymnasium.make_vec(f"lhy_rl/{name}-v0", num_envs=n, **options).unwrapped


def test_means_stand_where_the_pages_say() -> None:
    ring, grid = make("Ring").means, make("Grid25").means
    assert ring.shape == (8, 2) and grid.shape == (25, 2)
    np.testing.assert_allclose(np.hypot(*ring.T), 0.8)
    np.testing.assert_allclose(np.hypot(*(ring - np.roll(ring, 1, 0)).T), 1.6 * np.sin(np.pi / 8))
    np.testing.assert_allclose(np.unique(grid.round(9)), [-0.8, -0.4, 0, 0.4, 0.8])
    assert len(np.unique(grid.round(9), axis=0)) == 25
    assert make("Ring", modes=3).means.shape == (3, 2)


def test_good_is_within_three_standard_deviations() -> None:
    env = make("Ring", std=0.05)
    env.reset(seed=0)
    points = np.array([[0.8, 0.14], [0.8, 0.16], [-0.94, 0.0]], np.float32)
    _, rewards, terminated, _, infos = env.step(points)
    assert rewards.tolist() == [1, 0, 1] and terminated.all() and infos["mode"].tolist() == [0, 0, 4]


def test_real_points_are_actions() -> None:
    env = make("Ring", std=0.9, points=500)
    points = env.samples("train").samples
    assert points.min() >= -1 and points.max() <= 1  # wide Gaussians are cut at the edge, on both sides


@pytest.mark.parametrize("name", ["Ring", "Grid25"])
def test_real_points_are_good_and_of_each_mode_equally_often(name: str) -> None:
    env = make(name)
    assert isinstance(env, SampleTask)
    samples = env.samples("train")
    modes, good = env.nearest(samples.samples)
    np.testing.assert_array_equal(modes, samples.sample_labels)
    assert abs(good.mean() - (1 - np.exp(-4.5))) < 0.003
    count = np.bincount(modes)
    assert abs(count / count.mean() - 1).max() < 0.15
    assert not np.array_equal(env.samples("test").samples, env.samples("validation").samples)
    np.testing.assert_array_equal(make(name).samples("train").samples, samples.samples)


def test_a_point_is_drawn_where_it_is() -> None:
    picture = np.zeros((10, 20, 3), np.uint8)
    draw_points(picture, np.array([[-0.99, 0.99], [0.99, -0.99], [5.0, 0.0], [np.nan, 0.0]]), 1.0, (9, 9, 9))
    assert np.argwhere(picture[..., 0]).tolist() == [[0, 0], [9, 19]]


@pytest.mark.parametrize("options", [{"std": 0.0}, {"std": "wide"}, {"std": 1.5}, {"points": 0}, {"modes": 0}])
def test_bad_arguments_are_one_line(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=f"{next(iter(options))}=") as caught:
        make("Ring", **options)
    assert "\n" not in str(caught.value)
