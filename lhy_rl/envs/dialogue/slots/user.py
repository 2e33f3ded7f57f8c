"""The simulated user: a goal, an agenda of items still to be communicated, and an answer to every act of the system.

The agenda is a stack (Schatzmann et al. 2007): the goal's constraints in an order drawn for each dialogue, below them
the details to ask for, at the bottom the goodbye. An act of the system pushes an answer on top; the user's next
utterance is taken from there, and with some probability the next constraints with it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lhy_rl.core.trees import State
from lhy_rl.envs.dialogue.slots.domain import DETAILS, DONTCARE, ROWS

REQUEST, CONFIRM, OFFER, ANSWER, BYE = range(5)
"""The kinds of the system's acts."""
NO_PLACE = -1  # nothing was offered yet
NO_MATCH = ROWS  # the system said that there is no such place


class Manners(NamedTuple):
    """How a user talks.

    Attributes:
        over_inform: Probability of saying one more constraint, after each.
        over_ask: Probability of asking for a second detail in the same utterance.
        corrects: Whether "no" to a wrong value is followed by the right one.
    """

    over_inform: float
    over_ask: float
    corrects: bool


USERS = {"friendly": Manners(0.4, 1 / 3, True), "unfriendly": Manners(0.0, 0.0, False)}


class SystemAct(NamedTuple):
    """The system's acts, (B,) arrays.

    Attributes:
        kind: ``REQUEST``, ``CONFIRM``, ``OFFER``, ``ANSWER`` or ``BYE``.
        slot: The slot that is requested or confirmed; otherwise 0.
        value: The value to be confirmed, -1 where nothing has been heard of the slot.
        place: The last offered place, this act included, or ``NO_PLACE`` or ``NO_MATCH``.
        constraints: (B, S) the values that the search required, ``DONTCARE`` for slots without a requirement.
        details: (B, Q) bool: the details in an answer.
    """

    kind: np.ndarray
    slot: np.ndarray
    value: np.ndarray
    place: np.ndarray
    constraints: np.ndarray
    details: np.ndarray


class Utterance(NamedTuple):
    """The user's utterance, before the channel.

    Attributes:
        values: (B, S) the constraints expressed, -1 where there is none.
        asks: (B, Q) bool, details asked for.
        yes, no, bye: (B,) bool.
    """

    values: np.ndarray
    asks: np.ndarray
    yes: np.ndarray
    no: np.ndarray
    bye: np.ndarray


def new_users(n: int, places: np.ndarray, rng: np.random.Generator) -> State:
    """Goals and agendas of n users: a place's values, each replaced by ``DONTCARE`` with probability 0.1, and 1 to 3
    details."""
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
    """(B,) bool: whether a place was offered that matches the user's goal."""
    found: np.ndarray = ~_violated(goal, place, places).any(1) & (place >= 0) & (place < NO_MATCH)
    return found


def listen(state: State, act: SystemAct, places: np.ndarray, rng: np.random.Generator) -> State:
    """Update the users' states after the system's act.

    After a different place is offered all details are asked for again. Users lose patience with misunderstandings, that
    is wrong places or wrong values: the k-th makes the user give up with probability ((k - 1) / patience)^2, as in
    PyDial.

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
    """(B,) bool: whether the act is about a place."""
    speaks: np.ndarray = (act.kind == OFFER) | ((act.kind == ANSWER) & (act.place != NO_PLACE))
    return speaks


def _right(goal: np.ndarray, act: SystemAct) -> np.ndarray:
    """(B,) bool: whether the value to be confirmed is the goal's."""
    right: np.ndarray = act.value == goal[np.arange(len(goal)), act.slot]
    return right


def reply(
    state: State, act: SystemAct, places: np.ndarray, manners: Manners, rng: np.random.Generator
) -> tuple[Utterance, np.ndarray]:
    """The users' answers, and (B, S) bool: the constraints that are still to be communicated.

    Args:
        state: The state with ``open`` from :func:`listen`.
        act: The system's act.
        places: (R, S) the database.
        manners: How the users talk.
        rng: Source of the random numbers.
    """
    goal, rank, pending = state["goal"], state["rank"], state["pending"]
    n, num_slots = goal.shape
    here = np.arange(num_slots) == act.slot[:, None]  # (B, S) the slot that the system speaks of

    offering = speaks_of_place(act)
    content = offering & fits(goal, act.place, places)
    no_match = act.place == NO_MATCH
    wrong = (act.constraints != goal) & (act.constraints != DONTCARE)  # search values that differ from the goal

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
    """The users' first utterances, and (B, S) bool: the constraints that are still to be communicated."""
    goal, pending = state["goal"], state["pending"]
    n, num_slots = goal.shape
    some = np.where(pending.any(1, keepdims=True), pending, True)
    say = _up_to(some, state["rank"], 1 + _extra(n, num_slots, manners.over_inform, rng))
    nothing = np.zeros(n, bool)
    values = np.where(say, goal, -1)
    return Utterance(values, np.zeros((n, len(DETAILS)), bool), nothing, nothing, nothing), pending & ~say


def _extra(n: int, most: int, probability: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) numbers of further items: each follows with this probability, up to ``most``."""
    going = np.cumprod(rng.random((n, most)) < probability, 1)
    number: np.ndarray = going.sum(1)
    return number


def _first(which: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """(B, S) bool: the marked one with the lowest rank."""
    return _up_to(which, rank, np.ones(len(which), np.int64))


def _up_to(which: np.ndarray, rank: np.ndarray, count: np.ndarray) -> np.ndarray:
    """(B, S) bool: the ``count`` marked ones with the lowest ranks."""
    place = np.where(which, rank, rank.shape[1]).argsort(1).argsort(1)
    chosen: np.ndarray = which & (place < count[:, None])
    return chosen


def _violated(goal: np.ndarray, place: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(B, S) bool: where a place does not match the goal."""
    values = places[np.clip(place, 0, len(places) - 1)]
    violated: np.ndarray = (goal != DONTCARE) & (values != goal)
    return violated
