"""All contexts of Deal or No Deal, the offers, and the exact optima.

A context is a pool of books, hats and balls and the value of an item of each type to each of the two players. The
released dialogues of Lewis et al. (2017, section 2.1) obey these rules, and here every context that obeys them is
enumerated: 1 to 4 items of a type and 5 to 7 in all; whole values of at least 0, with which the whole pool is worth 10
to each player; every type is worth something to a player, and some type to both.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from lhy_rl.core import validation

TYPES = ("book", "hat", "ball")
WORTH = 10  # of the whole pool, to each player
LARGEST_POOL = 7
MOST_ITEMS = 4  # of one type
CONTEXTS = ("all", "lewis")
SPLITS = ("train", "held_out", "all")

NOT_RELEASED = {(2, 2, 3), (2, 3, 2), (3, 2, 2), (3, 3, 1), (3, 1, 3), (2, 4, 1), (4, 2, 1), (4, 1, 2)}
"""Pools that the rules allow but no released dialogue has: ``contexts="lewis"`` leaves them out."""

OFFERS = np.array(
    [offer[::-1] for offer in itertools.product(range(LARGEST_POOL + 1), repeat=3) if sum(offer) <= LARGEST_POOL],
    np.int64,
)
"""(120, 3): the items that the player who offers would keep, in the order of OpenSpiel's game ``bargaining``."""
NUM_OFFERS = len(OFFERS)
AGREE = NUM_OFFERS
"""The action that accepts the other's last offer."""
NUM_ACTIONS = NUM_OFFERS + 1

_NUMBERS = np.full((LARGEST_POOL + 1,) * 3, -1, np.int64)
_NUMBERS[tuple(OFFERS.T)] = np.arange(NUM_OFFERS)


def offer_number(items: np.ndarray) -> np.ndarray:
    """(..., 3) items to (...) the number of the offer that keeps them; -1 where there is none."""
    found: np.ndarray = _NUMBERS[tuple(np.moveaxis(np.asarray(items), -1, 0))]
    return found


def pools() -> Iterator[tuple[int, ...]]:
    """The 28 pools."""
    for pool in itertools.product(range(1, MOST_ITEMS + 1), repeat=3):
        if 5 <= sum(pool) <= LARGEST_POOL:
            yield pool


def value_vectors(pool: tuple[int, ...]) -> list[tuple[int, ...]]:
    """All ways to value a pool at 10."""
    choices = (range(WORTH // count + 1) for count in pool)
    return [values for values in itertools.product(*choices) if np.dot(values, pool) == WORTH]


@dataclass(frozen=True, eq=False)
class Contexts:
    """N contexts, and for each the value of every allocation.

    Attributes:
        pool: (N, 3) items of each type.
        values: (N, 2, 3) what an item of a type is worth to each player.
    """

    pool: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.pool)

    @cached_property
    def legal(self) -> np.ndarray:
        """(N, 120) bool: whether the pool has the items that this offer keeps."""
        served: np.ndarray = np.all(OFFERS[None] <= self.pool[:, None], axis=-1)
        return served

    @cached_property
    def kept(self) -> np.ndarray:
        """(N, 2, 120) int16: the value of an offer's items to each player who keeps them; the rest is then worth 10
        minus the items' value to the other player."""
        return (self.values @ OFFERS.T).astype(np.int16)

    @cached_property
    def scores(self) -> np.ndarray:
        """(N, 120, 2) both players' points if player 0 gets the items of an offer and player 1 the rest; -1 if
        illegal."""
        both = np.stack([self.kept[:, 0], WORTH - self.kept[:, 1]], -1)
        return np.where(self.legal[..., None], both, -1)

    @cached_property
    def pareto(self) -> np.ndarray:
        """(N, 120) bool: whether the allocation in which player 0 gets the items of an offer is Pareto-optimal."""
        first, second = self.scores[..., 0], self.scores[..., 1]
        best = np.full((len(self), WORTH + 2), -1, np.int64)  # by player 0's least points
        for gain in reversed(range(WORTH + 1)):
            best[:, gain] = np.maximum(best[:, gain + 1], np.where(first == gain, second, -1).max(1))
        rows = np.arange(len(self))[:, None]
        here = np.maximum(first, 0)
        result: np.ndarray = self.legal & (second == best[rows, here]) & (second > best[rows, here + 1])
        return result

    def best(self, criterion: str) -> np.ndarray:
        """(N, 2) both players' points in the allocation that is best by a criterion.

        Args:
            criterion: ``"joint"`` (the sum), ``"nash"`` (the product, ties broken by the sum) or ``"egalitarian"`` (the
                smaller of the two, ties broken by the sum).
        """
        measures = {"joint": lambda s: s.sum(-1), "nash": lambda s: s.prod(-1), "egalitarian": lambda s: s.min(-1)}
        measure = measures[validation.choice("criterion", criterion, measures)](self.scores)
        order = np.where(self.legal, measure * 2 * WORTH + self.scores.sum(-1), -1)
        order = np.where(self.legal, order * WORTH + self.scores.min(-1), -1)
        found: np.ndarray = self.scores[np.arange(len(self)), order.argmax(1)]
        return found

    def optima(self) -> dict[str, float]:
        """Means over the contexts: the optima, and the value of a random allocation.

        ``joint``, ``nash`` and ``egalitarian`` are sums of both players' points; ``nash_least`` and
        ``egalitarian_least`` the poorer player's points there; ``pareto_points`` the number of different Pareto-optimal
        pairs of points; ``random_joint`` and ``random_pareto`` belong to a legal allocation drawn at random.
        """
        result: dict[str, float] = {}
        for criterion in ("joint", "nash", "egalitarian"):
            best = self.best(criterion)
            result[criterion] = float(best.sum(1).mean())
            result[f"{criterion}_least"] = float(best.min(1).mean())
        gains = np.where(self.pareto, self.scores[..., 0], -1)  # on it one player's points determine the other's
        result["pareto_points"] = float(np.mean([len(np.unique(row)) - (-1 in row) for row in gains]))
        number = self.legal.sum(1)
        result["random_joint"] = float((np.where(self.legal, self.scores.sum(-1), 0).sum(1) / number).mean())
        result["random_pareto"] = float((self.pareto.sum(1) / number).mean())
        return result


def _valid(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    pairs = list(zip(first, second, strict=True))
    return all(a or b for a, b in pairs) and any(a and b for a, b in pairs)


def held_out(pool: tuple[int, ...], first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether a context is held out: a fifth is, by a platform-independent hash that ignores the order of the
    players."""
    numbers = (*pool, *min(first, second), *max(first, second))
    return zlib.crc32(" ".join(map(str, numbers)).encode()) % 5 == 0


def enumerate_contexts(contexts: str = "all", split: str = "all") -> Contexts:
    """All contexts that obey the rules, always in the same order.

    Args:
        contexts: ``"all"``, or ``"lewis"``: the 20 pools that released dialogues are about.
        split: ``"train"`` (four fifths), ``"held_out"`` (one fifth) or ``"all"``.

    Raises:
        UserError: an unknown name.
    """
    return _enumerated(
        validation.choice("contexts", contexts, CONTEXTS),
        validation.choice("split", split, SPLITS),
    )


@lru_cache
def _enumerated(contexts: str, split: str) -> Contexts:
    rows = []
    for pool in pools():
        if contexts == "lewis" and pool in NOT_RELEASED:
            continue
        for first, second in itertools.product(value_vectors(pool), repeat=2):
            wanted = split == "all" or held_out(pool, first, second) == (split == "held_out")
            if wanted and _valid(first, second):
                rows.append((pool, first, second))
    table = np.array(rows, np.int64)  # (N, 3, 3)
    return Contexts(table[:, 0], table[:, 1:])
