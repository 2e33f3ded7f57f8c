"""The point of a convex hull that is nearest to the origin: the hard-margin separator through the origin."""

from __future__ import annotations

import numpy as np

ROUNDS = 1000


def min_norm_point(points: np.ndarray, tolerance: float = 1e-12) -> tuple[np.ndarray, np.ndarray]:
    """min |sum_i c_i p_i|, c in the simplex, by Wolfe's method (1976), exact after finitely many rounds.

    With p = sum_i c_i p_i, the vector w = p / |p| is the one of length 1 with the greatest margin min_i w . p_i, and
    that margin is |p|: the quadratic program of max-margin inverse reinforcement learning (Abbeel and Ng 2004, eq. 10)
    where p_i is the expert's feature expectation minus a policy's.

    Args:
        points: (K, F).
        tolerance: Error of the squared distance, relative to that of the farthest point.

    Returns:
        The point (F,) and the coefficients (K,).
    """
    scale = float((points**2).sum(1).max())
    if scale == 0:
        return np.zeros(points.shape[1]), np.full(len(points), 1 / len(points))
    corral = [int((points**2).sum(1).argmin())]
    c, p = np.ones(1), points[corral[0]]
    for _ in range(ROUNDS):
        nearest = int((points @ p).argmin())
        if p @ p <= points[nearest] @ p + tolerance * scale or nearest in corral:
            break
        corral, c = [*corral, nearest], np.append(c, 0.0)
        while True:
            affine = _affine_minimum(points[corral])
            if (affine > 1e-14).all():
                c = affine
                break
            falling = affine < c
            step = min(1.0, float((c[falling] / (c[falling] - affine[falling])).min()))
            c = c + step * (affine - c)
            kept = c > 1e-14
            kept[c.argmax()] = True
            corral, c = [i for i, keep in zip(corral, kept, strict=True) if keep], c[kept] / c[kept].sum()
            if len(corral) == 1:
                break
        p = c @ points[corral]
    coefficients = np.zeros(len(points))
    coefficients[corral] = c
    return p, coefficients


def _affine_minimum(points: np.ndarray) -> np.ndarray:
    """(K,) coefficients, summing to 1, of the point nearest to the origin in the points' affine hull."""
    count = len(points)
    system = np.ones((count + 1, count + 1))
    system[:count, :count], system[count, count] = points @ points.T, 0.0
    solution: np.ndarray = np.linalg.lstsq(system, np.r_[np.zeros(count), 1.0], rcond=None)[0]
    return solution[:count]
