"""DriveCorridor by hand: the road, the car, the picture, the driver."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ScriptedExpert
from lhy_rl.envs.drive import road, view
from lhy_rl.envs.drive.corridor import DriveCorridor


def straight(env: DriveCorridor, **values: Any) -> dict[str, Any]:
    """A snapshot of drives on a straight road."""
    env.reset(seed=0)
    snapshot = env.snapshot()
    snapshot["state"]["waves"][:] = 0
    for name, value in {"offset": 0.0, "heading": 0.0, **values}.items():
        snapshot["state"][name][:] = value
    env.restore(snapshot)
    return snapshot


def test_the_road_ahead_is_its_directions_integral() -> None:
    waves = road.waves(5, np.random.default_rng(0))
    place, distance = np.linspace(0, 40, 5), np.array([0.0, 1.3])
    fine = np.linspace(0, 1.3, 10_001)
    along = road.direction(waves, place[:, None] + fine) - road.direction(waves, place)[:, None]
    expected = np.trapezoid(along, fine, axis=1)
    np.testing.assert_allclose(road.ahead(waves, place, distance), np.stack([np.zeros(5), expected], 1), atol=1e-6)


def test_the_road_turns_by_less_than_full_lock() -> None:
    waves = road.waves(500, np.random.default_rng(0))
    places = np.arange(401.0) * np.ones((500, 1))
    assert np.abs(np.diff(road.direction(waves, places), axis=1)).max() < 0.25


@pytest.mark.parametrize(("offset", "heading", "action", "expected"), [(0.0, 0.0, 30, 0.3), (0.5, -0.2, 15, -0.2)])
def test_a_step(offset: float, heading: float, action: int, expected: float) -> None:
    env = DriveCorridor(2, disturbance=0.0)
    straight(env, offset=offset, heading=heading)
    env.step(np.full(2, action))
    state = env.snapshot()["state"]
    np.testing.assert_allclose(state["heading"], expected)
    np.testing.assert_allclose(state["offset"], offset + np.sin(expected))


def test_the_rail_holds_and_turns_the_car_along() -> None:
    env = DriveCorridor(1, disturbance=0.0)
    straight(env, offset=1.9, heading=0.4)
    _, rewards, *_ = env.step(np.array([15]))
    state = env.snapshot()["state"]
    assert state["offset"] == 2.0 and state["heading"] == 0.0 and rewards == -1 and state["off"] == 1


def test_the_picture_shows_the_sign_and_the_road() -> None:
    env = DriveCorridor(1)
    straight(env)
    image = env.observe()[0, 0]
    assert image.shape == (20, 20) and image.dtype == np.uint8
    np.testing.assert_array_equal(image, image[:, ::-1])  # all is in the middle
    np.testing.assert_array_equal(image[19], [40] * 6 + [220] * 8 + [40] * 6)  # two units of a quarter each
    np.testing.assert_array_equal(image[0], [40] * 9 + [220] * 2 + [40] * 9)
    assert (image[4:6] == 40).all()
    straight(env, offset=0.25)
    np.testing.assert_array_equal(env.observe()[0, 0, 19], [40] * 5 + [220] * 8 + [40] * 7)  # the road lies to the left
    straight(env, heading=0.5)
    far, near = (env.observe()[0, 0, row].astype(float) - 40 for row in (6, 19))
    columns = np.arange(20)
    moved = (far @ columns / far.sum() - near @ columns / near.sum()) * 0.25
    assert moved == pytest.approx(-np.tan(0.5) * 1.3, abs=0.02)


def test_the_sign_stands_where_the_road_turns() -> None:
    env = DriveCorridor(200)
    env.reset(seed=3)
    turning = env._turning(env.snapshot()["state"])
    sign = env.observe()[:, 0, 0].astype(float) - 40
    place = (sign @ (np.arange(20) - 9.5)) / sign.sum(1) / 9.5 * 0.3
    np.testing.assert_allclose(place, turning, atol=1e-3)


@pytest.mark.parametrize("options", [{}, {"steering": "continuous"}, {"observation": "state"}, {"angles": 7}])
def test_the_driver_never_leaves_the_road(options: dict[str, Any]) -> None:
    envs = gymnasium.make_vec("lhy_rl/DriveCorridor-v0", num_envs=100, horizon=400, **options)
    assert isinstance(envs.unwrapped, ScriptedExpert)
    envs.reset(seed=0)
    for _ in range(400):
        _, rewards, terminated, _, infos = envs.step(envs.unwrapped.expert_action())
        assert (rewards == 0).all()
    assert terminated.all() and infos["stayed_on_road"].all() and (infos["steps_off_road"] == 0).all()


def test_the_driver_comes_back_from_the_rail() -> None:
    env = DriveCorridor(50)
    env.reset(seed=0)
    snapshot = env.snapshot()
    snapshot["state"]["offset"][:] = np.where(np.arange(50) % 2, 2.0, -2.0)
    env.restore(snapshot)
    for _ in range(5):
        env.step(env.expert_action())
    assert (np.abs(env.snapshot()["state"]["offset"]) < 0.6).all()


def test_asking_changes_nothing() -> None:
    first, second = DriveCorridor(4), DriveCorridor(4)
    first.reset(seed=0)
    second.reset(seed=0)
    for _ in range(10):
        actions = first.expert_action()
        first.expert_action()
        np.testing.assert_array_equal(first.step(actions)[0], second.step(actions)[0])


def test_random_steering_leaves_it() -> None:
    envs = gymnasium.make_vec("lhy_rl/DriveCorridor-v0", num_envs=50)
    envs.reset(seed=0)
    envs.action_space.seed(0)
    total = sum(float(envs.step(envs.action_space.sample())[1].sum()) for _ in range(50))
    assert total / 50 < -20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon=0"),
        ({"steering": "discret"}, "did you mean 'discrete'"),
        ({"angles": 6}, "must be odd"),
        ({"disturbance": -1}, "disturbance=-1"),
        ({"observation": "pixels"}, "observation"),
    ],
)
def test_bad_arguments_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        DriveCorridor(1, **options)


def test_the_road_from_above_keeps_lengths_and_offsets() -> None:
    straight_road = np.zeros((3, 2))
    place, offset = np.array([0.0, 1.5, 4.0]), np.array([0.0, 1.0, -2.0])
    np.testing.assert_allclose(road.from_above(straight_road, place, offset), [(0, 0), (1, 1.5), (-2, 4)], atol=1e-12)
    waves = road.waves(1, np.random.default_rng(0))[0]
    along = np.arange(0.0, 30.0, 0.05)
    middle = road.from_above(waves, along, np.zeros(len(along)))
    np.testing.assert_allclose(np.linalg.norm(np.diff(middle, axis=0), axis=1), 0.05, rtol=1e-4)
    beside = road.from_above(waves, along, np.full(len(along), 2.0)) - middle
    np.testing.assert_allclose(np.linalg.norm(beside, axis=1), 2.0)
    inner = np.diff(middle, axis=0) / 0.05
    np.testing.assert_allclose((beside[1:] * inner).sum(1), 0.0, atol=0.02)  # at right angles


def test_the_car_is_red_while_it_is_beside_the_road() -> None:
    env = DriveCorridor(2, disturbance=0.0, render_mode="rgb_array")
    straight(env, offset=np.array([0.9, 1.2]))
    on, off = env.render() or ()
    assert on.shape == off.shape == (400, 400, 3)
    for picture, colour, other in ((on, view.CAR, view.OFF), (off, view.OFF, view.CAR)):
        car = picture[250:]  # below what the driver sees
        assert (car == colour).all(2).sum() > 300 and not (car == other).all(2).any()
    edges = np.argwhere((on[380] == view.ROAD).all(1)).ravel()
    middle = (edges.min() + edges.max()) / 2
    assert middle == pytest.approx(view.CAR_AT[0] - 0.9 * view.UNIT, abs=1.5), "the road lies to the left"
