"""The simulated user: a goal, an agenda of what is still to be said, and an answer to every act of the system.

The agenda is a stack (Schatzmann et al. 2007): the goal's constraints in an order drawn for each dialogue, below them
the details to ask for, at the bottom the goodbye. An act of the system pushes an answer on top; what the user says
next comes from there, and with some probability the next constraints with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lhy_rl.core.trees import State
from lhy_rl.envs.dialogue.slots.domain import DETAILS, DONTCARE, ROWS

REQUEST, CONFIRM, OFFER, ANSWER, BYE = range(5)
"""What an act of the system can be."""
NO_PLACE = -1  # nothing was offered yet
NO_MATCH = ROWS  # the system said that there is no such place


class Manners(NamedTuple):
    """How a user talks.

    Attributes:
        over_inform: Probability of saying one more constraint, after each.
        over_ask: Probability of asking for a second detail in the same breath.
        corrects: Whether "no" to a wrong value is followed by the right one.
    """

    over_inform: float
    over_ask: float
    corrects: bool


USERS = {"friendly": Manners(0.4, 1 / 3, True), "unfriendly": Manners(0.0, 0.0, False)}


class SystemAct(NamedTuple):
    """(B,) arrays: what the system said.

    Attributes:
        kind: ``REQUEST``, ``CONFIRM``, ``OFFER``, ``ANSWER`` or ``BYE``.
        slot: That is requested or confirmed; 0 else.
        value: That is to be confirmed, -1 where nothing has been heard of the slot.
        place: The place last offered, this act included; ``NO_PLACE`` and ``NO_MATCH`` are none.
        constraints: (B, S) the values that a search looked for, ``DONTCARE`` where it did not.
        details: (B, Q) bool: those that an answer told.
    """

    kind: np.ndarray
    slot: np.ndarray
    value: np.ndarray
    place: np.ndarray
    constraints: np.ndarray
    details: np.ndarray


class Utterance(NamedTuple):
    """What the user says, before the channel.

    Attributes:
        values: (B, S) the constraints said, -1 where none.
        asks: (B, Q) bool, details asked for.
        yes, no, bye: (B,) bool.
    """

    values: np.ndarray
    asks: np.ndarray
    yes: np.ndarray
    no: np.ndarray
    bye: np.ndarray


def new_users(n: int, places: np.ndarray, rng: np.random.Generator) -> State:
    """Goals and agendas of n users: a place's values, each of no matter with probability 0.1, and 1 to 3 details."""
    num_slots = places.shape[1]
    goal = places[rng.integers(len(places), size=n)]
    goal = np.where(rng.random(goal.shape) < 0.1, DONTCARE, goal)
    order = rng.random((n, len(DETAILS))).argsort(1)  # the first few are wanted
    return {
        "goal": goal,
        "rank": rng.random((n, num_slots)).argsort(1),  # of each constraint in the agenda, 0 the first
        "pending": goal != DONTCARE,
        "wanted": (wanted := order < rng.integers(1, 4, size=(n, 1))),
        "open": wanted,
        "slips": np.zeros(n, np.int64),
        "patience": rng.integers(4, 7, size=n),
    }


def fits(goal: np.ndarray, place: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(B,) bool: a place was offered that is as the user wants it."""
    found: np.ndarray = ~_violated(goal, place, places).any(1) & (place >= 0) & (place < NO_MATCH)
    return found


def listen(state: State, act: SystemAct, places: np.ndarray, rng: np.random.Generator) -> State:
    """What the system's act changes in the users' minds.

    A place that is not the one before begins all questions anew. A misunderstanding, a wrong place or a wrong value,
    is forgiven less often the more there have been: the k-th makes the user give up with probability
    ((k - 1) / patience)^2, as in PyDial.

    Returns:
        ``open`` (B, Q) bool, the details that are still to be asked for; ``slips`` (B,), misunderstandings so far;
        ``gave_up`` (B,) bool.
    """
    answered = act.details & (fits(state["goal"], act.place, places) & (act.kind == ANSWER))[:, None]
    same = (act.place == state["place"])[:, None]
    wrong_place = speaks_of_place(act) & ~fits(state["goal"], act.place, places)
    wrong_value = (act.kind == CONFIRM) & (act.value >= 0) & ~_right(state["goal"], act)
    slip = wrong_place | wrong_value
    chance = (state["slips"] / state["patience"]) ** 2
    return {
        "open": np.where(same, state["open"] & ~answered, state["wanted"]),
        "slips": state["slips"] + slip,
        "gave_up": slip & (rng.random(len(slip)) < chance),
    }


def speaks_of_place(act: SystemAct) -> np.ndarray:
    """(B,) bool: a place is spoken of."""
    speaks: np.ndarray = (act.kind == OFFER) | ((act.kind == ANSWER) & (act.place != NO_PLACE))
    return speaks


def _right(goal: np.ndarray, act: SystemAct) -> np.ndarray:
    """(B,) bool: the value to be confirmed is the goal's."""
    right: np.ndarray = act.value == goal[np.arange(len(goal)), act.slot]
    return right


def reply(
    state: State, act: SystemAct, places: np.ndarray, manners: Manners, rng: np.random.Generator
) -> tuple[Utterance, np.ndarray]:
    """What the users answer, and (B, S) bool: the constraints that are still to be said.

    Args:
        state: With ``open`` as :func:`listen` left it.
        act: What the system said.
        places: (R, S) the database.
        manners: Of the users.
        rng: Owner of the draws.
    """
    goal, rank, pending = state["goal"], state["rank"], state["pending"]
    n, num_slots = goal.shape
    here = np.arange(num_slots) == act.slot[:, None]  # (B, S) the slot that the system speaks of

    offering = speaks_of_place(act)
    content = offering & fits(goal, act.place, places)
    no_match = act.place == NO_MATCH
    wrong = (act.constraints != goal) & (act.constraints != DONTCARE)  # what was looked for and is not wished

    confirming = (act.kind == CONFIRM) & (act.value >= 0)
    yes, no = confirming & _right(goal, act), confirming & ~_right(goal, act)
    say = here & ((act.kind == REQUEST) | (no & manners.corrects))[:, None]
    refused = offering & ~content
    say |= _first(wrong, rank) & (refused & no_match)[:, None]
    no |= refused & ~no_match

    number = np.where(rng.random(n) < manners.over_ask, 2, 1)
    asks = _up_to(state["open"], np.broadcast_to(np.arange(len(DETAILS)), state["open"].shape), number)
    asks &= content[:, None]
    bye = (content & ~state["open"].any(1)) | (act.kind == BYE)

    lost = ~(say.any(1) | asks.any(1) | yes | no | bye)  # the system made no sense: go on with the agenda
    say |= _first(np.where(pending.any(1, keepdims=True), pending, goal >= 0), rank) & lost[:, None]
    more = _extra(n, num_slots, manners.over_inform, rng) * (say.any(1) | yes)
    say |= _up_to(pending & ~say, rank, more)
    return Utterance(np.where(say, goal, -1), asks, yes, no, bye), pending & ~say


def opening(state: State, manners: Manners, rng: np.random.Generator) -> tuple[Utterance, np.ndarray]:
    """What the users begin with, and (B, S) bool: the constraints that are still to be said."""
    goal, pending = state["goal"], state["pending"]
    n, num_slots = goal.shape
    some = np.where(pending.any(1, keepdims=True), pending, True)
    say = _up_to(some, state["rank"], 1 + _extra(n, num_slots, manners.over_inform, rng))
    nothing = np.zeros(n, bool)
    values = np.where(say, goal, -1)
    return Utterance(values, np.zeros((n, len(DETAILS)), bool), nothing, nothing, nothing), pending & ~say


def _extra(n: int, most: int, probability: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) how many more: each with this probability, until the first that is not."""
    going = np.cumprod(rng.random((n, most)) < probability, 1)
    number: np.ndarray = going.sum(1)
    return number


def _first(which: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """(B, S) bool: of those marked the one of the lowest rank."""
    return _up_to(which, rank, np.ones(len(which), np.int64))


def _up_to(which: np.ndarray, rank: np.ndarray, count: np.ndarray) -> np.ndarray:
    """(B, S) bool: of those marked the ``count`` of the lowest ranks."""
    place = np.where(which, rank, rank.shape[1]).argsort(1).argsort(1)
    chosen: np.ndarray = which & (place < count[:, None])
    return chosen


def _violated(goal: np.ndarray, place: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(B, S) bool: where a place is not as the user wants it."""
    values = places[np.clip(place, 0, len(places) - 1)]
    violated: np.ndarray = (goal != DONTCARE) & (values != goal)
    return violated
