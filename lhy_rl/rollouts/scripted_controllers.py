"""Scripted experts, which need no training, for environments of Gymnasium with known dynamics.

They need observations only: ``EXPERTS["CartPole-v1"]()`` is a function from observations (B, ...) to actions
(B, ...).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Controller = Callable[[np.ndarray], np.ndarray]


def cartpole() -> Controller:
    """Push in the direction of the pole's fall, and a little towards the middle: 500 of 500."""
    gains = np.array([0.1, 0.3, 1.0, 0.5])  # of position, velocity, angle, angular velocity

    def act(obs: np.ndarray) -> np.ndarray:
        right: np.ndarray = np.asarray(obs, np.float64) @ gains > 0
        return right.astype(np.int64)

    return act


def pendulum() -> Controller:
    """Swing up until the energy suffices for standing, and balance near the top: return -160 on average."""
    proportional, derivative, reach = 10.0, 3.1, 0.7

    def act(obs: np.ndarray) -> np.ndarray:
        cosine, sine, speed = np.asarray(obs, np.float64).T
        angle = np.arctan2(sine, cosine)
        control = proportional * angle + derivative * speed
        energy = 0.5 * speed**2 + 15 * cosine  # standing takes 15; we aim a little higher, as some is lost
        torque = np.where(np.abs(control) < reach * proportional, -control, 2 * (17 - energy) * np.sign(speed + 1e-9))
        clipped: np.ndarray = np.clip(torque, -2, 2)[:, None].astype(np.float32)
        return clipped

    return act


def mountain_car(cells: int = 151) -> Controller:
    """Plan on a grid of positions and velocities, with the car's known dynamics, and look one step ahead.

    Value iteration on the number of steps to the goal, interpolated between the grid's points; the optimal plan is at
    most a step or two shorter.

    Args:
        cells: Points of the grid in each direction.
    """
    place, speed = np.linspace(-1.2, 0.6, cells), np.linspace(-0.07, 0.07, cells)
    states = np.stack(np.meshgrid(place, speed, indexing="ij"), -1).reshape(-1, 2)  # (cells^2, 2)
    following = [_car(states, action) for action in range(3)]
    corners = [_corners(x, cells) for x in following]
    arrived = [x[:, 0] >= 0.5 for x in following]
    steps = np.zeros(len(states))
    while True:
        costs = [
            1 + np.where(there, 0, (steps[at] * share).sum(0))
            for (at, share), there in zip(corners, arrived, strict=True)
        ]
        better = np.minimum.reduce(costs)
        if np.abs(better - steps).max() < 0.01:
            break
        steps = better

    def act(obs: np.ndarray) -> np.ndarray:
        costs = []
        for action in range(3):
            x = _car(np.asarray(obs, np.float64), action)
            at, share = _corners(x, cells)
            costs.append(np.where(x[:, 0] >= 0.5, 0, (steps[at] * share).sum(0)))
        cheapest: np.ndarray = np.stack(costs).argmin(0)
        return cheapest

    return act


def _car(state: np.ndarray, action: int) -> np.ndarray:
    """(N, 2) positions and velocities after a step (Moore 1990, as in MountainCar-v0)."""
    place, speed = state.T
    speed = np.clip(speed + (action - 1) * 0.001 - 0.0025 * np.cos(3 * place), -0.07, 0.07)
    place = np.clip(place + speed, -1.2, 0.6)
    return np.stack([place, np.where((place <= -1.2) & (speed < 0), 0.0, speed)], -1)


def _corners(state: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """(4, N) indices of the four grid points around each state, and their interpolation weights."""
    scaled = (state - [-1.2, -0.07]) / [1.8, 0.14] * (cells - 1)
    low = np.clip(scaled.astype(np.int64), 0, cells - 2)
    x, y = (scaled - low).T
    first = low[:, 0] * cells + low[:, 1]
    at = np.stack([first, first + 1, first + cells, first + cells + 1])
    return at, np.stack([(1 - x) * (1 - y), (1 - x) * y, x * (1 - y), x * y])


EXPERTS: dict[str, Callable[[], Controller]] = {
    "CartPole-v1": cartpole,
    "MountainCar-v0": mountain_car,
    "Pendulum-v1": pendulum,
}
"""Environment id to the function that makes its expert."""
