"""Hand-crafted policies: rules over the observation, of which the first that applies is followed.

PyDial's (``policy/HDCPolicy.py``): answer what is asked; confirm what is doubtful; offer a place as soon as there is
nothing left to find out or at most one place left; else request the next slot.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lhy_rl.envs.dialogue.slots.belief import ASKED, Layout


class Thresholds(NamedTuple):
    """Thresholds for the probability of a slot's most probable value.

    Attributes:
        accept: At or above it the value is believed.
        doubt: Between it and ``accept`` the value is confirmed, below it the slot is requested.
    """

    accept: float
    doubt: float


POLICIES = {
    "handcrafted": Thresholds(0.8, 0.3),  # PyDial's
    "lenient": Thresholds(0.7, 0.3),
    "cautious": Thresholds(0.9, 0.3),
    "hasty": Thresholds(0.3, 0.3),  # never confirms
}


def act(obs: np.ndarray, layout: Layout, thresholds: Thresholds) -> np.ndarray:
    """(B,) actions for (B, ...) observations; all of them are legal where the masks are on."""
    parts = layout.read(obs)
    num_slots = layout.num_slots
    best = np.maximum(parts["top"], parts["dontcare"])  # (B, S)
    accepted = (best >= thresholds.accept) & (best > parts["none"])
    doubtful = ~accepted & (best >= thresholds.doubt) & (best > 0)
    unknown = ~accepted & ~doubtful
    suits = parts["agrees"][:, 0] > 0  # whether the last offered place matches
    asks = suits & (parts["asked"] > ASKED).any(1)
    enough = ~unknown.any(1) | (parts["found"][:, :2] > 0).any(1)
    offer, answer = 2 * num_slots, 2 * num_slots + 1
    when = [asks, doubtful.any(1), enough & suits, enough]
    then = [answer, num_slots + doubtful.argmax(1), answer, offer]
    return np.select(when, [np.broadcast_to(action, len(obs)) for action in then], unknown.argmax(1))
