"""Experts of two MuJoCo environments of Gymnasium's, as functions of the observation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LINKS = 0.1, 0.11  # of the reacher, to the elbow and to the fingertip, in metres


def inverted_pendulum(obs: np.ndarray) -> np.ndarray:
    """Push the cart to where the pole leans, and slowly back to the middle; the pole never falls."""
    force = np.array([1.0, 6.0, 0.6, 1.0]) @ obs  # position, angle, and their velocities
    clipped: np.ndarray = np.clip([force], -3, 3).astype(np.float32)
    return clipped


def reacher(obs: np.ndarray) -> np.ndarray:
    """Turn both joints so that the fingertip reaches the target: -3.6 on average."""
    turns = nearest_turn(np.arctan2(obs[2:4], obs[:2]), obs[4:6])
    torque: np.ndarray = np.clip(0.3 * turns - 0.06 * obs[6:8], -1, 1).astype(np.float32)
    return torque


def nearest_turn(angles: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2,) radians that the joints must turn; of the two ways to bend the elbow, the nearer."""
    first, second = LINKS
    bend = (target @ target - first**2 - second**2) / (2 * first * second)
    elbow = np.arccos(np.clip(bend, -1, 1))
    turns = []
    for sign in (1, -1):
        inner = np.arctan2(second * np.sin(sign * elbow), first + second * np.cos(elbow))
        shoulder = np.arctan2(target[1], target[0]) - inner - angles[0]
        turns.append(np.array([(shoulder + np.pi) % (2 * np.pi) - np.pi, sign * elbow - angles[1]]))
    return min(turns, key=lambda turn: float(np.abs(turn).max()))


EXPERTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "InvertedPendulum": inverted_pendulum,
    "Reacher": reacher,
}
"""Name of an environment, without its version, to its expert."""
