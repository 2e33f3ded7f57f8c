"""A turn in words."""

from __future__ import annotations

import numpy as np

from lhy_rl.envs.dialogue.slots.domain import DETAILS, DONTCARE, place_name, slot_name, value_name
from lhy_rl.envs.dialogue.slots.user import ANSWER, CONFIRM, NO_MATCH, NO_PLACE, OFFER, REQUEST


def of_system(kind: int, slot: int, value: int, place: int, constraints: np.ndarray, details: np.ndarray) -> str:
    """An act of the system."""
    name = slot_name(slot)
    if kind == REQUEST:
        return f"Which {name} would you like?"
    if kind == CONFIRM:
        known = value >= 0
        return f"Did you say {name}: {value_name(slot, value)}?" if known else f"Did you say anything about {name}?"
    if kind == OFFER and place == NO_MATCH:
        return f"There is no other place with {of_constraints(constraints)}."
    if kind == OFFER:
        return f"The {place_name(place)} is nice."
    if kind == ANSWER:
        if place in (NO_PLACE, NO_MATCH):
            return "Here you are."
        listed = [DETAILS[k] for k in np.flatnonzero(details)]
        if not listed:
            return "What would you like to know?"
        return f"The {place_name(place)}: here is its {joined(listed)}."
    return "Goodbye."


def of_user(values: np.ndarray, asks: np.ndarray, yes: bool, no: bool, bye: bool) -> str:
    """An utterance of the user."""
    parts = ["Yes."] * yes + ["No."] * no
    wishes = [_wish(slot, value) for slot, value in enumerate(values.tolist()) if value >= 0]
    if wishes:
        parts.append(f"I would like {joined(wishes)}.")
    if asks.any():
        parts.append(f"What is its {joined([DETAILS[k] for k in np.flatnonzero(asks)])}?")
    return " ".join(parts + ["Thank you, goodbye."] * bye)


def of_heard(values: np.ndarray, asks: np.ndarray, yes: float, no: float, bye: float) -> str:
    """What was heard of an utterance, with confidences."""
    items = [f"{slot_name(s)}={value_name(s, v)} {values[s, v]:.2f}" for s, v in np.argwhere(values > 0)]
    items += [f"ask {DETAILS[k]} {asks[k]:.2f}" for k in np.flatnonzero(asks > 0)]
    items += [f"{word} {p:.2f}" for word, p in (("yes", yes), ("no", no), ("bye", bye)) if p > 0]
    return ", ".join(items) or "nothing"


def of_constraints(constraints: np.ndarray) -> str:
    """The constraints of a search."""
    named = [(slot, value) for slot, value in enumerate(constraints.tolist()) if value != DONTCARE]
    return ", ".join(f"{slot_name(slot)}: {value_name(slot, value)}" for slot, value in named)


def joined(parts: list[str]) -> str:
    """Join parts as ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1])] * (len(parts) > 1) + parts[-1:])


def _wish(slot: int, value: int) -> str:
    return f"any {slot_name(slot)}" if value == DONTCARE else f"{slot_name(slot)}: {value_name(slot, value)}"


def turn(action: int, state: dict[str, np.ndarray], i: int, num_slots: int) -> str:
    """The last act of instance i, the answer, and what was heard of it."""
    system = "Hello, what can I do for you?"
    if action >= 0:
        kind, slot = divmod(action, num_slots) if action < 2 * num_slots else (action - 2 * num_slots + 2, 0)
        place, value = int(state["place"][i]), int(state["value"][i])
        system = of_system(kind, slot, value, place, state["constraints"][i], state["details"][i])
    answer = of_user(state["utterance"][i], state["asks"][i], *state["signs"][i].tolist())
    if state["hung_up"][i]:
        answer = "(hangs up)"
    _, yes, no, _, bye = state["heard"][i].tolist()
    heard = of_heard(state["heard_values"][i], state["heard_asks"][i], yes, no, bye)
    return f"system: {system}\nuser:   {answer}\nheard:  {heard}"
