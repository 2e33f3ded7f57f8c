"""Loading a state into an agent: held against the agent first, then put in whole; nobody goes on with half of one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lhy_rl.core.errors import UserError
from lhy_rl.core.saved_states import check_like, fitting

Load = Callable[[Any, dict[str, Any]], None]


def guarded(load: Load) -> Load:
    """An agent's ``load_state_dict`` whose every failure is one line.

    Where the state is of another kind than the agent's own, nothing is touched. Where that shows only half-way, the
    agent is ``half_loaded`` and refuses to go on until a state that fits has been loaded.
    """

    @functools.wraps(load)
    def loaded(agent: Any, state: dict[str, Any]) -> None:
        if agent.loading:  # a subclass's is at it, and this is its call of super()'s
            return load(agent, state)
        misfit = f"this state does not fit {type(agent).__name__} with these options"
        with fitting(misfit):
            check_like(state, agent.state_dict(), keys=False)  # older files may lack some
            agent.loading = agent.half_loaded = True
            try:
                load(agent, state)
            finally:
                agent.loading = False
            agent.half_loaded = False
        return None

    return loaded


def check_whole(agent: Any) -> None:
    """Raise a UserError where only half of a state was put into the agent."""
    if agent.half_loaded:
        raise UserError(
            f"half of a state that did not fit was loaded into this {type(agent).__name__}; make it anew, or load a "
            "state that fits"
        )
