"""The system's belief: PyDial's focus tracker, the search with it, and the policy's observation of it.

b <- (1 - sum_v p_v) b + p     for each slot, with p_v the confidences just heard (Henderson et al. 2014)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lhy_rl.envs.dialogue.slots.channel import Heard
from lhy_rl.envs.dialogue.slots.domain import DETAILS, DONTCARE, VALUES
from lhy_rl.envs.dialogue.slots.user import CONFIRM, NO_MATCH, NO_PLACE, SystemAct

ASKED = 0.5  # least belief with which a detail counts as asked for
ACTS = ("inform", "yes", "no", "ask", "bye")  # that can be heard


def update(belief: np.ndarray, asked: np.ndarray, heard: Heard, act: SystemAct) -> tuple[np.ndarray, np.ndarray]:
    """The beliefs after an utterance.

    Args:
        belief: (B, S, VALUES) probabilities of each slot's values; the rest to 1 is that of having heard nothing.
        asked: (B, Q) probability that a detail is asked for.
        heard: The output of the channel.
        act: The system's act that was answered: yes adds to the belief in its value, no takes from it.
    """
    rows = np.arange(len(belief))
    values = heard.values.copy()
    confirmed = (act.kind == CONFIRM) & (act.value >= 0)
    place = rows, act.slot, np.maximum(act.value, 0)
    values[place] = np.maximum(values[place], np.where(confirmed, heard.yes, 0.0))
    values /= np.maximum(values.sum(2, keepdims=True), 1.0)
    belief = belief.copy()
    belief[place] *= 1 - np.where(confirmed, heard.no, 0.0)
    belief = (1 - values.sum(2, keepdims=True)) * belief + values
    return belief, asked + (1 - asked) * heard.asks


class Hypotheses(NamedTuple):
    """Statistics of a belief for each slot, (B, S).

    Attributes:
        best: The most probable value, ``DONTCARE`` included.
        top, second: Probabilities of the two most probable values other than ``DONTCARE``.
        none: Probability that nothing was heard.
        dontcare: Probability that it does not matter.
    """

    best: np.ndarray
    top: np.ndarray
    second: np.ndarray
    none: np.ndarray
    dontcare: np.ndarray

    @property
    def accepted(self) -> np.ndarray:
        """(B, S) bool: whether a value of the slot is more probable than that nothing was heard."""
        accepted: np.ndarray = np.maximum(self.top, self.dontcare) > self.none
        return accepted

    @property
    def constraints(self) -> np.ndarray:
        """(B, S) the values that the search requires, ``DONTCARE`` for slots without a requirement."""
        constraints: np.ndarray = np.where(self.accepted, self.best, DONTCARE)
        return constraints


def hypotheses(belief: np.ndarray) -> Hypotheses:
    """The hypotheses of (B, S, VALUES) beliefs."""
    two = np.partition(belief[:, :, :DONTCARE], DONTCARE - 2, axis=2)
    none = np.clip(1 - belief.sum(2), 0.0, 1.0)
    return Hypotheses(belief.argmax(2), two[:, :, -1], two[:, :, -2], none, belief[:, :, DONTCARE])


def matches(constraints: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(B, R) bool: the places that match the search."""
    num_slots = places.shape[1]
    values = np.arange(VALUES)
    table = (places[:, :, None] == values) | (values == DONTCARE)  # (R, S, VALUES) whether a place matches
    chosen = np.zeros((len(constraints), num_slots, VALUES), np.float32)
    np.put_along_axis(chosen, constraints[:, :, None], 1.0, 2)
    agreed = chosen.reshape(len(chosen), -1) @ table.reshape(len(places), -1).T.astype(np.float32)  # (B, R)
    found: np.ndarray = agreed == num_slots
    return found


def agrees(place: np.ndarray, constraints: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(B,) bool: whether a place was offered that matches the present search."""
    values = places[np.clip(place, 0, len(places) - 1)]
    same = (constraints == values) | (constraints == DONTCARE)
    found: np.ndarray = same.all(1) & (place != NO_PLACE) & (place != NO_MATCH)
    return found


class Layout:
    """The layout of an observation.

    Args:
        num_slots: S.

    Attributes:
        parts: Names and slices, in order.
        size: Numbers in an observation.
    """

    def __init__(self, num_slots: int) -> None:
        self.num_slots = num_slots
        self.num_actions = 2 * num_slots + 3
        widths = {
            "top": num_slots,
            "second": num_slots,
            "none": num_slots,
            "dontcare": num_slots,
            "asked": len(DETAILS),
            "found": 4,
            "heard": len(ACTS),
            "last": self.num_actions,
            "turn": 1,
            "offered": 1,
            "agrees": 1,
        }
        ends = np.cumsum(list(widths.values())).tolist()
        self.parts = {name: slice(end - width, end) for (name, width), end in zip(widths.items(), ends, strict=True)}
        self.size = ends[-1]

    def read(self, obs: np.ndarray) -> dict[str, np.ndarray]:
        """(B, size) observations by part, (B, width)."""
        return {name: obs[:, part] for name, part in self.parts.items()}

    def write(self, **parts: np.ndarray) -> np.ndarray:
        """(B, size) float32 of all parts."""
        n = len(parts["turn"])
        return np.concatenate([np.reshape(parts[name], (n, -1)) for name in self.parts], 1, dtype=np.float32)


def bucket(count: np.ndarray) -> np.ndarray:
    """(B, 4) which of 0, 1, 2 to 4 or more places were found."""
    found: np.ndarray = np.eye(4)[(count[:, None] > np.array([0, 1, 4])).sum(1)]
    return found


def legal(
    believed: Hypotheses, count: np.ndarray, place: np.ndarray, goodbye: np.ndarray, num_actions: int
) -> np.ndarray:
    """(B, A) int8: the acts that make sense, as PyDial masks them.

    A slot can always be requested; confirmed, where a value has been heard; a place offered, where something has been
    heard of every slot or at most one place is left; a question answered, where a place has been offered; and the
    dialogue closed, where the user has just been heard to say goodbye.

    Args:
        believed: Hypotheses of the slots.
        count: (B,) number of places that match the search.
        place: (B,) the last offered place.
        goodbye: (B,) confidence with which a goodbye was heard.
        num_actions: A.
    """
    n, num_slots = believed.top.shape
    mask = np.ones((n, num_actions), np.int8)
    mask[:, num_slots : 2 * num_slots] = np.maximum(believed.top, believed.dontcare) > 0
    mask[:, 2 * num_slots] = believed.accepted.all(1) | (count <= 1)
    mask[:, 2 * num_slots + 1] = place >= 0
    mask[:, 2 * num_slots + 1] &= place != NO_MATCH
    mask[:, 2 * num_slots + 2] = goodbye > 0
    return mask
