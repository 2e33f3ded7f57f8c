"""Scripted partners for the negotiation: five by name, each a function of what a player of the game knows.

All of them except ``random`` follow a target, the points that they want at the k-th of their K own moves:

    random     a legal move, drawn uniformly
    hard       always wants everything that is worth something to it
    linear     10 - 5 k / (K - 1)
    boulware   10 - 5 (k / (K - 1))^(1 / .3): concedes only when time runs out (Faratin et al. 1998)
    bayesian   linear, and infers the other's values from its demands (Hindriks and Tykhonov 2008)

They agree when the other's offer is worth as much as the target or their own next offer. An offer made with the game's
last move can no longer be accepted, so there ``linear`` and ``boulware`` take 4 points or more, ``bayesian`` 1 or more;
``hard`` takes 4 or more at its own last move.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lhy_rl.core.registry import Registry
from lhy_rl.core.trees import State
from lhy_rl.envs.dialogue.negotiation import NOTHING, Negotiation
from lhy_rl.envs.dialogue.negotiation_contexts import (
    AGREE,
    NUM_OFFERS,
    OFFERS,
    WORTH,
    Contexts,
    offer_number,
    pools,
    value_vectors,
)
from lhy_rl.envs.game_versus import Partner

partners = Registry(
    "partner",
    {
        "random": "lhy_rl.envs.dialogue.negotiation_bots:random_partner",
        "hard": "lhy_rl.envs.dialogue.negotiation_bots:hard",
        "linear": "lhy_rl.envs.dialogue.negotiation_bots:linear",
        "boulware": "lhy_rl.envs.dialogue.negotiation_bots:boulware",
        "bayesian": "lhy_rl.envs.dialogue.negotiation_bots:bayesian",
    },
)


def partner(name: str) -> Partner:
    """The partner of that name."""
    found: Partner = partners.get(name)
    return found


LAST_RESORT = 4
"""Points for which linear and boulware agree with the game's last move, and hard with its own last move."""
SPREAD = 1.5
"""Standard deviation, in points, that ``bayesian`` assumes of the other's demands around their target."""
WEIGHT_OF_AN_ITEM = 0.01  # breaks ties between offers of equal worth; noise below one item breaks the rest


@dataclass(frozen=True)
class View:
    """What a player knows when it is its turn.

    Attributes:
        kept: (B, 120) what each offer is worth to it.
        legal: (B, 120) the offers that the pool can serve.
        offered: (B,) what the other's last offer is worth to it; -1 where there is none.
        turn: (B,) how many moves it has made.
        turns: How many moves it has at most.
        last: (B,) bool: whether this is the last move of the game.
        own_last: (B,) bool: whether this is its own last move.
    """

    kept: np.ndarray
    legal: np.ndarray
    offered: np.ndarray
    turn: np.ndarray
    turns: int
    last: np.ndarray
    own_last: np.ndarray

    @classmethod
    def of(cls, game: Negotiation, state: State, player: np.ndarray) -> View:
        context, rows, moves = state["context"], np.arange(len(player)), state["moves"]
        kept = game.contexts.kept[context, player]
        theirs = state["offer"][rows, 1 - player]
        there = theirs != NOTHING
        return cls(
            kept=kept,
            legal=game.contexts.legal[context],
            offered=np.where(there, WORTH - kept[rows, np.where(there, theirs, 0)], -1),
            turn=moves // 2,
            turns=-(-game.max_moves // 2),
            last=moves == game.max_moves - 1,
            own_last=moves >= game.max_moves - 2,
        )

    @property
    def time(self) -> np.ndarray:
        """(B,) from 0 at the first own move to 1 at the last."""
        return elapsed(self.turn, self.turns)


def elapsed(turn: np.ndarray, turns: int) -> np.ndarray:
    """The share of its moves that a player has made, from 0 to 1."""
    share: np.ndarray = np.minimum(1.0, turn / max(1, turns - 1))
    return share


def linear_target(time: np.ndarray) -> np.ndarray:
    """10 down to 5 points."""
    return WORTH - 5 * time


def boulware_target(time: np.ndarray) -> np.ndarray:
    """10 down to 5 points, most of it at the end."""
    target: np.ndarray = WORTH - 5 * time ** (1 / 0.3)
    return target


def random_partner(game: Negotiation, state: State, player: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A legal move, drawn uniformly."""
    mask = game.action_mask(state, player)
    action: np.ndarray = np.where(mask, rng.random(mask.shape), -1).argmax(1)
    return action


def hard(game: Negotiation, state: State, player: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Wants everything that is worth something to it; at its own last move it takes 4 points or more."""
    view = View.of(game, state, player)
    pool, values = game.contexts.pool[state["context"]], game.contexts.values[state["context"], player]
    everything = offer_number(np.where(values > 0, pool, 0))
    enough = np.where(view.own_last, LAST_RESORT, WORTH)
    return np.where(view.offered >= enough, AGREE, everything)


def linear(game: Negotiation, state: State, player: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Concedes from 10 to 5 points in equal steps."""
    return _time_dependent(View.of(game, state, player), linear_target, rng)


def boulware(game: Negotiation, state: State, player: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Concedes from 10 to 5 points, most of it at the end."""
    return _time_dependent(View.of(game, state, player), boulware_target, rng)


def _time_dependent(view: View, target_at: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Among the offers that reach the target the one worth least to itself; among equal ones, one with the fewest
    items."""
    target = _whole(target_at(view.time))
    wishes = -view.kept - WEIGHT_OF_AN_ITEM * OFFERS.sum(1)
    return _agree_or_offer(view, target, wishes, LAST_RESORT, rng)


def bayesian(game: Negotiation, state: State, player: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Concedes from 10 to 5 points; of the offers that reach its target it makes the one that it expects to be best
    for both together, with the other's values as :func:`expected_values` infers them."""
    view = View.of(game, state, player)
    theirs = WORTH - expected_values(game, state, player) @ OFFERS.T  # (B, 120) expected
    return _agree_or_offer(view, _whole(linear_target(view.time)), view.kept + theirs, 1, rng)


def expected_values(game: Negotiation, state: State, player: np.ndarray) -> np.ndarray:
    """(B, 3) what the other's values are, on average over what a player can know.

    All value vectors that are possible beside one's own are equally probable at first. A demand worth u points under a
    vector, made at the other's k-th move, has the likelihood exp(-(u - target_k)^2 / 2 s^2), with the linear target.
    """
    context = state["context"]
    vectors, possible = _possible_values(game.contexts)
    vectors, possible = vectors[context], possible[context, player]  # (B, K, 3), (B, K)
    move = np.arange(game.max_moves)
    theirs = (state["first"][:, None] + move) % 2 != player[:, None]
    demanded = theirs & (state["history"] < NUM_OFFERS)  # (B, moves)
    items = OFFERS[np.where(demanded, state["history"], 0)]
    points = np.matmul(vectors, items.transpose(0, 2, 1))  # (B, K, moves)
    target = linear_target(elapsed(move // 2, -(-game.max_moves // 2)))
    loss = ((points - target) ** 2 * demanded[:, None]).sum(2) / (2 * SPREAD**2)
    loss = np.where(possible, loss, np.inf)
    weight = np.exp(loss.min(1, keepdims=True) - loss)
    weight /= weight.sum(1, keepdims=True)
    expected: np.ndarray = np.matmul(weight[:, None], vectors)[:, 0]
    return expected


@lru_cache(maxsize=1)
def _vectors() -> tuple[dict[tuple[int, ...], int], np.ndarray, np.ndarray]:
    """The pools' numbers, (28, K, 3) all value vectors of each pool, and (28, K) a mask of those that exist."""
    lists = [value_vectors(pool) for pool in pools()]
    table = np.zeros((len(lists), max(map(len, lists)), 3), np.int64)
    there = np.zeros(table.shape[:2], bool)
    for i, vectors in enumerate(lists):
        table[i, : len(vectors)], there[i, : len(vectors)] = vectors, True
    return {pool: i for i, pool in enumerate(pools())}, table, there


@lru_cache(maxsize=8)
def _possible_values(contexts: Contexts) -> tuple[np.ndarray, np.ndarray]:
    """(N, K, 3) value vectors of each context's pool, (N, 2, K) whether this player's opponent may have them."""
    numbers, table, there = _vectors()
    number = np.array([numbers[tuple(pool)] for pool in contexts.pool.tolist()])
    vectors = table[number]
    worth, own = vectors[:, None] > 0, contexts.values[:, :, None] > 0  # (N, 1, K, 3), (N, 2, 1, 3)
    return vectors, there[number][:, None] & (worth | own).all(-1) & (worth & own).any(-1)


def _whole(target: np.ndarray) -> np.ndarray:
    """Round a target up, since points are whole numbers."""
    return np.ceil(target - 1e-9)


def _agree_or_offer(
    view: View, target: np.ndarray, wishes: np.ndarray, last_resort: int, rng: np.random.Generator
) -> np.ndarray:
    """Agree to an offer worth the target or the own next offer; otherwise make the preferred offer that reaches the
    target."""
    possible = view.legal & (view.kept >= target[:, None])
    ties = rng.random(wishes.shape) * (WEIGHT_OF_AN_ITEM / 2)
    offer = np.where(possible, wishes + ties, -np.inf).argmax(1)
    enough = np.minimum(target, view.kept[np.arange(len(offer)), offer])
    enough = np.where(view.last, last_resort, enough)
    return np.where(view.offered >= enough, AGREE, offer)
