"""The nearest point of a hull to the origin, by hand and by its optimality condition."""

from __future__ import annotations

import numpy as np
import pytest

from lhy_rl.functional.min_norm_point import min_norm_point


def test_by_hand():
    point, coefficients = min_norm_point(np.array([[1.0, 2.0], [1.0, -2.0], [5.0, 0.0]]))
    np.testing.assert_allclose(point, [1, 0], atol=1e-9)
    np.testing.assert_allclose(coefficients, [0.5, 0.5, 0], atol=1e-9)
    np.testing.assert_allclose(min_norm_point(np.array([[3.0, 4.0]]))[0], [3, 4])
    assert np.linalg.norm(min_norm_point(np.array([[1.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]))[0]) < 1e-8  # inside


@pytest.mark.parametrize("seed", range(20))
def test_no_point_of_the_hull_is_nearer(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(rng.integers(1, 30), rng.integers(1, 8))) + rng.normal()
    point, coefficients = min_norm_point(points)
    assert coefficients.min() >= 0 and coefficients.sum() == pytest.approx(1)
    np.testing.assert_allclose(coefficients @ points, point, atol=1e-12)
    scale = (points**2).sum(1).max()
    assert (points @ point).min() >= point @ point - 1e-8 * scale  # which is necessary and sufficient


def test_the_greatest_margin_of_a_separator():
    """The point, at length 1, is the separator through the origin whose least margin is the greatest."""
    points = np.random.default_rng(0).normal(size=(12, 3)) + np.array([2.0, 1.0, 0.0])
    point, _ = min_norm_point(points)
    best = (points @ point / np.linalg.norm(point)).min()
    assert best == pytest.approx(np.linalg.norm(point))
    others = np.random.default_rng(1).normal(size=(20_000, 3))
    assert (others / np.linalg.norm(others, axis=1, keepdims=True) @ points.T).min(1).max() <= best + 1e-9
