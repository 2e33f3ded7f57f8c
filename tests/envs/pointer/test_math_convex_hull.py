"""Hulls: by hand, against scipy's, and what naming a point is worth."""

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.envs.pointer.convex_hull import ConvexHull
from lhy_rl.envs.pointer.hulls import hull_order, hull_successors

# a square with two points inside, the lowest corner first
SQUARE = np.array([[[0.1, 0.0], [0.5, 0.5], [1.0, 0.1], [0.9, 1.0], [0.4, 0.6], [0.0, 0.9]]], np.float32)


def test_a_hull_by_hand():
    assert hull_successors(SQUARE).tolist() == [[2, -1, 3, 5, -1, 0]]
    assert [order.tolist() for order in hull_order(SQUARE)] == [[0, 2, 3, 5]]


def test_hulls_are_scipys():
    spatial = pytest.importorskip("scipy.spatial")
    points = np.random.default_rng(0).random((40, 15, 2))
    for cloud, order in zip(points, hull_order(points), strict=True):
        vertices = spatial.ConvexHull(cloud).vertices.tolist()  # counter-clockwise, from anywhere
        first = vertices.index(order[0])
        assert vertices[first:] + vertices[:first] == order.tolist()


def played(actions, points=SQUARE):
    env = ConvexHull(1, num_points=points.shape[1])
    env.reset(seed=0)
    saved = env.snapshot()
    state = {**saved["state"], "points": points, "successor": hull_successors(points)}
    env.restore({**saved, "state": state})
    rewards, infos, terminated = [], {}, [False]
    for action in actions:
        assert not terminated[0]
        _, reward, terminated, _, infos = env.step([action])
        rewards.append(float(reward[0]))
    return rewards, bool(terminated[0]), infos


def test_rewards_by_hand():
    rewards, over, infos = played([0, 2, 3, 5, 6])
    assert rewards == [0.25] * 4 + [0.0] and over and infos["exact"].all() and infos["ordered"].all()
    rewards, over, infos = played([3, 0, 2, 5, 6])
    assert sum(rewards) == 1 and infos["exact"].all() and not infos["ordered"].any()
    rewards, over, infos = played([3, 1, 6])
    assert rewards == [0.25, -0.25, -0.75] and over and not infos["exact"].any()
    assert played([6])[:2] == ([-1.0], True)
    assert played([2, 2])[:2] == ([0.25, -0.25], True), "a point again ends it"


def test_the_expert_finds_every_hull_and_goes_on_from_anywhere():
    env = ConvexHull(50, num_points=9, autoreset_mode="Disabled")
    for wrong in (False, True):
        env.reset(seed=1)
        total, alive = np.zeros(50), np.ones(50, bool)
        if wrong:  # somebody has named the first point, corner or not
            total += env.step(np.zeros(50, int))[1]
        corner = total > 0
        while alive.any():
            actions = np.where(alive, env.expert_action(), 9)
            _, rewards, terminated, *_ = env.step(actions)
            total += alive * rewards
            if terminated.any() and not terminated.all():
                keep = env.snapshot()  # only those that go on are stepped
                env.restore({**keep, "done": np.zeros(50, bool)})
            alive &= ~terminated
        if wrong:
            assert (total[corner] > 0.999).all() and (total[~corner] < 0.999).all() and (total > 0.6).all()
        else:
            np.testing.assert_allclose(total, 1)


def test_bad_input_is_one_line():
    with pytest.raises(UserError, match="num_points=2 is not allowed; must be a whole number from 3 to 100"):
        ConvexHull(num_points=2)
    env = ConvexHull(1, num_points=4)
    env.reset(seed=0)
    with pytest.raises(UserError, match="action 5 is not in the action space; allowed: 0 to 4"):
        env.step([5])
