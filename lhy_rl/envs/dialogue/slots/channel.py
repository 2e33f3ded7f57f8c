"""The channel between user and system: each item is heard with a confidence, and sometimes wrongly.

PyDial's error model, as in its source (``usersimulator/ConfusionModel.py``): a wrong hypothesis has another act
(0.2), another slot (0.3) or another value (0.5); the confidence of a right one has mean 0.869 and variance 0.029, that
of a wrong one 0.762 and 0.051, both Beta-distributed. Every item of an utterance is heard independently.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lhy_rl.envs.dialogue.slots.domain import DETAILS, DONTCARE, VALUES
from lhy_rl.envs.dialogue.slots.user import Utterance

OTHER_ACT, OTHER_SLOT = 0.2, 0.3  # shares of the errors; the rest has another value
INFORM, YES, NO, ASK, GOODBYE = range(5)
"""Kinds of what can be heard."""


def beta(mean: float, variance: float) -> tuple[float, float]:
    """The parameters of the Beta distribution with this mean and variance."""
    strength = mean * (1 - mean) / variance - 1
    return mean * strength, (1 - mean) * strength


RIGHT, WRONG = beta(0.869, 0.029), beta(0.762, 0.051)


class Heard(NamedTuple):
    """Confidences of the items that the system heard, 0 for the others.

    Attributes:
        values: (B, S, VALUES) confidence of each slot's values.
        asks: (B, Q) confidence that a detail is asked for.
        yes, no, bye: (B,) confidence of these acts.
    """

    values: np.ndarray
    asks: np.ndarray
    yes: np.ndarray
    no: np.ndarray
    bye: np.ndarray

    @property
    def acts(self) -> np.ndarray:
        """(B, 5) the highest confidence of each kind of act."""
        return np.stack([self.values.max((1, 2)), self.yes, self.no, self.asks.max(1), self.bye], 1)


def transmit(utterance: Utterance, sizes: np.ndarray, error_rate: float, rng: np.random.Generator) -> Heard:
    """Transmit utterances over the channel.

    Args:
        utterance: The users' utterances.
        sizes: (S,) number of values of each slot.
        error_rate: Probability that an item is heard wrongly.
        rng: Source of the random numbers.
    """
    n, num_slots = utterance.values.shape
    num_asks = len(DETAILS)
    rows = np.arange(n)[:, None]
    items = np.concatenate(
        [utterance.values >= 0, utterance.asks, np.stack([utterance.yes, utterance.no, utterance.bye], 1)], 1
    )
    wrong = items & (rng.random(items.shape) < error_rate)
    confidence = np.where(wrong, rng.beta(*WRONG, items.shape), rng.beta(*RIGHT, items.shape)) * items
    kind = rng.random(items.shape)
    other_act = wrong & (kind < OTHER_ACT)
    as_act = rng.integers(3, size=items.shape)  # the act that is heard instead: yes, no or a question

    # constraints: right, in another slot with a value of that slot, or with another value
    part = slice(0, num_slots)
    moved = wrong[:, part] & ~other_act[:, part] & (kind[:, part] < OTHER_ACT + OTHER_SLOT)
    slot = np.arange(num_slots) + np.where(moved, rng.integers(1, max(num_slots, 2), moved.shape), 0)
    slot %= num_slots
    drawn = (rng.random(moved.shape) * (sizes[slot] + 1)).astype(np.int64)  # the last value is DONTCARE
    drawn = np.where(drawn == sizes[slot], DONTCARE, drawn)
    drawn = np.where(drawn == utterance.values, (drawn + 1) % sizes[slot], drawn)
    value = np.where(wrong[:, part], drawn, utterance.values)
    kept = items[:, part] & ~other_act[:, part]
    values = np.zeros((n, num_slots, VALUES))
    np.add.at(values, (rows, slot, np.where(kept, value, 0)), confidence[:, part] * kept)
    values /= np.maximum(values.sum(2, keepdims=True), 1.0)

    # details: right, or another one
    part = slice(num_slots, num_slots + num_asks)
    shift = np.where(wrong[:, part], rng.integers(1, num_asks, (n, num_asks)), 0)
    kept = items[:, part] & ~other_act[:, part]
    asks = np.zeros((n, num_asks))
    np.maximum.at(asks, (rows, (np.arange(num_asks) + shift) % num_asks), confidence[:, part] * kept)

    # yes and no: right, or the other way round in half of the cases, or not at all; goodbye: right or not at all
    part = slice(num_slots + num_asks, None)
    yes, no, bye = (confidence[:, part] * ~wrong[:, part]).T
    turned = (confidence[:, part] * (wrong[:, part] & (kind[:, part] < 0.5))).T
    yes, no = np.maximum(yes, turned[1]), np.maximum(no, turned[0])

    # what is heard as another act
    strange = confidence * (other_act & (np.arange(items.shape[1]) < num_slots + num_asks))
    yes = np.maximum(yes, (strange * (as_act == 0)).max(1))
    no = np.maximum(no, (strange * (as_act == 1)).max(1))
    asked = (strange * (as_act == 2)).max(1)
    np.maximum.at(asks, (np.arange(n), rng.integers(num_asks, size=n)), asked)
    return Heard(values, asks, yes, no, bye)
