"""The tasks with several views: what a camera shows, the dynamics by hand, the experts."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ScriptedExpert
from lhy_rl.envs.third_person.domains import DOMAINS, Domain, domain_of
from lhy_rl.envs.third_person.point_mass import PointMassPixels
from lhy_rl.envs.third_person.raster import Camera, Canvas
from lhy_rl.envs.third_person.reacher import ReacherPixels

TASKS = ("PointMass", "Reacher", "Pendulum")
BLACK = Domain(background=(0, 0, 0))


def make(task: str, n: int = 3, **arguments: Any) -> Any:
    return gymnasium.make_vec(f"lhy_rl/{task}Pixels-v0", num_envs=n, **arguments).unwrapped


def middle(image: np.ndarray) -> np.ndarray:
    """Right and up, from -1 to 1, of the middle of what is bright."""
    weight = image[..., 0].astype(float)
    places = (np.arange(len(image)) + 0.5) * 2 / len(image) - 1
    return np.array([(weight.sum(0) * places).sum(), -(weight.sum(1) * places).sum()]) / weight.sum()


def test_a_disc_covers_its_area() -> None:
    canvas = Canvas(Camera(np.eye(2), 48, BLACK), 2)
    canvas.disc(np.array([[0.0, 0.0], [0.31, -0.2]]), 0.3, (255, 255, 255))
    share = canvas.images()[..., 0].mean((1, 2)) / 255 * 4  # of a picture of 2 x 2
    np.testing.assert_allclose(share, np.pi * 0.3**2, rtol=0.02)


def test_a_bar_covers_its_area_with_round_ends() -> None:
    canvas = Canvas(Camera(np.eye(2), 48, BLACK), 1)
    canvas.bar(np.array([[-0.4, -0.3]]), np.array([[0.4, 0.3]]), 0.1, (255, 255, 255))
    np.testing.assert_allclose(canvas.images()[..., 0].mean() / 255 * 4, 0.2 * 1.0 + np.pi * 0.1**2, rtol=0.03)


def test_a_bar_without_length_is_a_disc() -> None:
    camera, centre = Camera(np.eye(2), 32, BLACK), np.array([[0.2, 0.1]])
    bar, disc = Canvas(camera, 1), Canvas(camera, 1)
    bar.bar(centre, centre, 0.2, (9, 200, 30))
    disc.disc(centre, 0.2, (9, 200, 30))
    np.testing.assert_array_equal(bar.images(), disc.images())


def test_what_is_drawn_later_lies_on_top() -> None:
    canvas = Canvas(Camera(np.eye(2), 32, BLACK), 1)
    canvas.disc(np.zeros((1, 2)), 0.5, (255, 0, 0))
    canvas.disc(np.zeros((1, 2)), 0.25, (0, 255, 0))
    assert canvas.images()[0, 16, 16].tolist() == [0, 255, 0]
    assert canvas.images()[0, 16, 22].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("changed", "matrix"),
    [
        ({}, [[0.75, 0], [0, 0.75]]),
        ({"angle": 90.0}, [[0, -0.75], [0.75, 0]]),
        ({"angle": 30.0}, [[0.75 * np.sqrt(0.75), -0.375], [0.375, 0.75 * np.sqrt(0.75)]]),
        ({"tilt": 60.0}, [[0.75, 0], [0, 0.375]]),
        ({"zoom": 0.5}, [[0.375, 0], [0, 0.375]]),
    ],
)
def test_a_camera_shows_a_place_where_it_should(changed: dict[str, Any], matrix: list[list[float]]) -> None:
    domain = {"background": (0, 0, 0), "target": (0, 0, 0), "body": (255, 255, 255), **changed}
    env = make("PointMass", 1, domain=domain, observation="image", size=48)
    env.reset(seed=0)
    snapshot = env.snapshot()
    snapshot["state"]["place"][:], snapshot["state"]["target"][:] = (0.5, 0.25), (-0.9, -0.9)
    env.restore(snapshot)
    np.testing.assert_allclose(middle(env.observe()[0]), np.array(matrix) @ (0.5, 0.25), atol=0.01)


def test_a_picture_can_be_moved() -> None:
    domain = {"background": (0, 0, 0), "target": (0, 0, 0), "body": (255, 0, 0), "shift": (0.2, -0.3)}
    env = make("PointMass", 1, domain=domain, observation="image")
    env.reset(seed=0)
    snapshot = env.snapshot()
    snapshot["state"]["place"][:], snapshot["state"]["target"][:] = (0, 0), (-0.9, -0.9)
    env.restore(snapshot)
    np.testing.assert_allclose(middle(env.observe()[0]), (0.2, -0.3), atol=0.01)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("domain", [name for name in DOMAINS if name not in ("own", "body", "test")])
def test_a_view_changes_the_image_and_nothing_else(task: str, domain: str) -> None:
    own, other = make(task), make(task, domain=domain)
    for env in (own, other):
        env.reset(seed=3)
    for _ in range(4):
        a, b = own.step(own.expert_action()), other.step(other.expert_action())
        np.testing.assert_array_equal(a[0]["state"], b[0]["state"])
        np.testing.assert_array_equal(a[1], b[1])
        assert (a[0]["image"] != b[0]["image"]).any()


@pytest.mark.parametrize("task", ["Reacher", "Pendulum"])
def test_another_body_moves_differently(task: str) -> None:
    own, other = make(task), make(task, domain="body")
    obs = [env.reset(seed=3)[0] for env in (own, other)]
    push = np.ones(own.action_space.shape, np.float32)
    after = [env.step(push)[0]["state"] for env in (own, other)]
    assert not np.allclose(after[0] - obs[0]["state"], after[1] - obs[1]["state"])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("domain", ["own", "body", "test"])
def test_experts_arrive(task: str, domain: str) -> None:
    env = make(task, 200, domain=domain, observation="state", autoreset_mode="Disabled")
    assert isinstance(env, ScriptedExpert)
    env.reset(seed=0)
    for _ in range(50):
        _, _, terminated, truncated, info = env.step(env.expert_action())
        assert not terminated.any()
    assert truncated.all()
    assert info["success"].all()


def test_a_point_is_pushed() -> None:
    env = PointMassPixels(1)
    env.reset(seed=0)
    snapshot = env.snapshot()
    state = snapshot["state"]
    state["place"][:], state["velocity"][:], state["target"][:] = (0.9, 0.0), (0.1, 0.04), (0.5, 0.0)
    env.restore(snapshot)
    obs, reward, *_ = env.step(np.array([[1.0, -1.0]], np.float32))
    # 0.75 * 0.1 + 0.05 = 0.125 would go beyond the edge; 0.75 * 0.04 - 0.05 = -0.02
    np.testing.assert_allclose(obs["state"][0], [1.0, -0.02, 0.0, -0.02, -0.5, 0.02], atol=1e-6)
    np.testing.assert_allclose(reward, -np.hypot(0.5, 0.02) - 0.02)


def test_an_arm_turns() -> None:
    env = ReacherPixels(1)
    env.reset(seed=0)
    snapshot = env.snapshot()
    state = snapshot["state"]
    state["angles"][:], state["velocity"][:], state["target"][:] = (0.0, np.pi / 2), (0.0, 0.1), (0.0, 0.5)
    env.restore(snapshot)
    obs, reward, *_ = env.step(np.array([[0.0, -0.7]], np.float32))  # 0.7 * 0.1 - 0.07 = 0: nothing moves
    np.testing.assert_allclose(obs["state"][0, :6], [1, 0, 0, 1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(obs["state"][0, 8:], [-0.5, 0.5 - 0.45], atol=1e-6)
    np.testing.assert_allclose(reward, -np.hypot(0.5, 0.05) - 0.01 * 0.49, atol=1e-6)


def test_a_pendulum_is_gymnasiums() -> None:
    own, theirs = make("Pendulum", 1), gymnasium.make("Pendulum-v1").unwrapped
    own.reset(seed=0)
    theirs.reset(seed=0)
    angle, velocity = own.snapshot()["state"]["angle"][0], own.snapshot()["state"]["velocity"][0]
    theirs.state = np.array([angle, velocity])  # type: ignore[attr-defined]
    for torque in (1.5, -2.0, 0.3):
        obs, reward, *_ = own.step(np.array([[torque / 8]], np.float32))
        expected, expected_reward, *_ = theirs.step(np.array([torque], np.float32))
        np.testing.assert_allclose(obs["state"][0], expected, atol=1e-5)
        np.testing.assert_allclose(reward[0], expected_reward, atol=1e-5)


def test_domains_by_name_and_by_values() -> None:
    assert domain_of("own") == Domain()
    assert domain_of({"angle": 15.0}) == Domain(angle=15.0)
    assert domain_of({"name": "expert", "tilt": 0}).background == DOMAINS["expert"].background
    assert domain_of({"proportions": [1.1, 0.9]}).proportions == (1.1, 0.9)
    known = [value for name, value in DOMAINS.items() if name != "test"]
    assert all(DOMAINS["test"].background != domain.background for domain in known)


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("exprt", "'expert'"),
        ({"angel": 3}, "'angle'"),
        ({"angle": 300}, "-180 to 180"),
        ({"tilt": "steep"}, "0 to 80"),
        ({"background": (1, 2)}, "3 numbers from 0 to 255"),
        ({"background": (1, 2, 300)}, "3 numbers from 0 to 255"),
        ({"body": 7}, "allowed: 3 numbers from 0 to 255"),
        ({"proportions": (0, 1)}, "2 numbers from 0.2 to 3"),
        (3, "domain"),
    ],
)
def test_a_domain_that_is_none(domain: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        make("PointMass", domain=domain)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [8, 100, "large"])
def test_a_size_that_is_none(size: Any) -> None:
    with pytest.raises(UserError, match="size"):
        make("PointMass", size=size)
