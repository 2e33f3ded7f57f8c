"""Tours through cities: their length, and solvers."""

from __future__ import annotations

import functools

import numpy as np

from lhy_rl.core.errors import UserError, install_extra

SCALE = 1_000_000  # distances are rounded to whole numbers for the solver


def distances(cities: np.ndarray) -> np.ndarray:
    """(B, n, 2) places to (B, n, n) Euclidean distances."""
    gaps = cities[:, :, None] - cities[:, None]
    result: np.ndarray = np.sqrt(np.square(gaps, dtype=np.float64).sum(-1))
    return result


def tour_length(cities: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(B,) lengths of closed tours: (B, n, 2) cities in the order (B, n)."""
    visited = np.take_along_axis(cities, order[..., None], 1).astype(np.float64)
    length: np.ndarray = np.linalg.norm(visited - np.roll(visited, -1, 1), axis=-1).sum(-1)
    return length


def nearest_neighbour(cities: np.ndarray, first: int = 0) -> np.ndarray:
    """(B, n) orders: begin at city ``first`` and always go to the nearest city that was not visited."""
    apart, rows = distances(cities), np.arange(len(cities))
    order = np.full(cities.shape[:2], first)
    for step in range(1, cities.shape[1]):
        apart[rows, :, order[:, step - 1]] = np.inf  # a visited city is not visited again
        order[:, step] = apart[rows, order[:, step - 1]].argmin(1)
    return order


def shortest_tours(cities: np.ndarray) -> np.ndarray:
    """(B, n) orders of shortest tours, by the solver LKH (Helsgaun 2000), which is exact at these sizes in practice.

    Raises:
        UserError: the solver's package is missing.
    """
    return np.stack([_shortest(places.tobytes(), len(places), places.dtype.str) for places in cities])


@functools.lru_cache(maxsize=4096)
def _shortest(places: bytes, count: int, dtype: str) -> np.ndarray:
    """(n,) the order of one tour; cached, since an expert is queried at every step of it."""
    try:
        import elkai
    except ModuleNotFoundError:
        raise UserError(f"shortest tours need the package elkai; {install_extra('pointer')}") from None
    if count <= 3:
        return np.arange(count)  # all tours are equivalent
    apart = np.rint(SCALE * distances(np.frombuffer(places, dtype).reshape(1, count, 2))[0]).astype(int)
    order: np.ndarray = np.array(elkai.DistanceMatrix(apart.tolist()).solve_tsp()[:-1])
    return order
