"""The system's side of a dialogue: its summary acts in full, and its observation of the state."""

from __future__ import annotations

import numpy as np

from lhy_rl.core.trees import State
from lhy_rl.envs.dialogue.slots.belief import ASKED, Hypotheses, Layout, agrees, bucket
from lhy_rl.envs.dialogue.slots.domain import ROWS
from lhy_rl.envs.dialogue.slots.user import ANSWER, CONFIRM, NO_MATCH, NO_PLACE, OFFER, SystemAct


def hypotheses_of(state: State) -> Hypotheses:
    """The hypotheses of the slots."""
    return Hypotheses(*(state[name] for name in Hypotheses._fields))


def act(state: State, action: np.ndarray, num_slots: int) -> SystemAct:
    """Expand (B,) summary acts into full acts, given the belief."""
    kind = np.where(action < 2 * num_slots, action // num_slots, action - 2 * num_slots + 2)
    slot = np.where(action < 2 * num_slots, action % num_slots, 0)
    rows, believed = np.arange(len(action)), hypotheses_of(state)
    heard_of = np.maximum(believed.top, believed.dontcare)[rows, slot] > 0
    value = np.where((kind == CONFIRM) & heard_of, believed.best[rows, slot], -1)
    new = state["found"] & ~state["offered"]
    pick = np.where(new.any(1), new.argmax(1), NO_MATCH)
    place = np.where(kind == OFFER, pick, state["place"])
    real = (place >= 0) & (place < ROWS)
    details = (state["asked"] > ASKED) & ((kind == ANSWER) & real)[:, None]
    return SystemAct(kind, slot, value, place, believed.constraints, details)


def observed(state: State, layout: Layout, places: np.ndarray, max_turns: int) -> np.ndarray:
    """(B, size) float32 a policy's observations of the states."""
    n, believed = len(state["turn"]), hypotheses_of(state)
    last = np.zeros((n, layout.num_actions + 1))
    last[np.arange(n), state["action"]] = 1  # -1, before the first act, is the last column, which is removed
    return layout.write(
        top=believed.top,
        second=believed.second,
        none=believed.none,
        dontcare=believed.dontcare,
        asked=state["asked"],
        found=bucket(state["found"].sum(1)),
        heard=state["heard"],
        last=last[:, :-1],
        turn=np.minimum(state["turn"] / max_turns, 1.0),
        offered=state["place"] != NO_PLACE,
        agrees=agrees(state["place"], believed.constraints, places) & (state["refused"] < 0.5),
    )
