"""A game as PettingZoo's environments, AEC and parallel: one game of the batch.

PettingZoo is imported when one is made. Where it is missing, the error says how to install it.
"""

from __future__ import annotations

from copy import deepcopy
from numbers import Integral
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, brief, install_extra
from lhy_rl.envs.game import BatchedGame, GameBatch

try:
    from pettingzoo.utils import wrappers
    from pettingzoo.utils.env import AECEnv, ParallelEnv
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] != "pettingzoo":
        raise
    raise UserError(f"games as PettingZoo environments need pettingzoo; {install_extra('pettingzoo')}") from error

RENDER_MODES = ["ansi", "human"]


class Table:
    """One game and its players by name, shared by the AEC and the parallel view.

    Args:
        game: The rules.
        render_mode: None, ``"ansi"`` or ``"human"``.
    """

    def __init__(self, game: BatchedGame, render_mode: str | None) -> None:
        if render_mode is not None:
            validation.choice("render_mode", render_mode, RENDER_MODES)
        self.game = game
        self.render_mode = render_mode
        self.batch = GameBatch(game, 1, autoreset=False)
        self.names = list(game.players)
        # one space per agent, so that they can be seeded separately
        self.spaces = {name: deepcopy(game.player_space) for name in self.names}
        self.actions = {name: deepcopy(game.action_space) for name in self.names}

    def mover(self) -> str:
        """The name of the player to move."""
        return self.names[int(self.batch.to_move[0])]

    def observation_of(self, name: str) -> dict[str, np.ndarray]:
        """This player's observation."""
        batch = self.batch.observe(self.names.index(validation.choice("agent", name, self.names)))
        return {key: array[0] for key, array in batch.items()}

    def infos(self) -> dict[str, dict[str, Any]]:
        """Each player's info, as plain values."""
        state, over = self.batch.state, bool(self.game.terminal(self.batch.state)[0])
        result = {}
        for i, name in enumerate(self.names):
            player = np.array([i])
            facts = {**self.game.info(state, player), **(self.game.final_info(state, player) if over else {})}
            result[name] = {key: _plain(value[0]) for key, value in facts.items()}
        return result

    def move(self, action: Any) -> tuple[dict[str, float], bool]:
        """Play the move of the player whose turn it is; return the rewards by name, and whether the game is over."""
        rewards, over, _ = self.batch.advance(np.array([self.checked(action)]))
        if self.render_mode == "human":
            self.render()
        return dict(zip(self.names, rewards[0].tolist(), strict=True)), bool(over[0])

    def checked(self, action: Any) -> int:
        """Return the action of the player whose turn it is, after checking that it is in the action space."""
        whole = isinstance(action, Integral) and not isinstance(action, bool)
        if not whole and not (isinstance(action, np.ndarray) and action.shape == () and action.dtype.kind in "iu"):
            raise UserError(f"{self.mover()} is to move; its action must be a whole number; given: {brief(action)}")
        if not 0 <= action < self.game.num_actions:
            allowed = f"0 to {self.game.num_actions - 1}"
            raise UserError(f"{self.mover()} is to move; action {brief(action)} is not allowed; allowed: {allowed}")
        return int(action)

    def render(self) -> str | None:
        """The transcript; printed for people."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() was called without a render_mode; give one to the constructor")
            return None
        text = self.game.transcript(self.batch.state)[0]
        if self.render_mode == "human":
            print(text)
            return None
        return text


class GameAEC(AECEnv):  # type: ignore[misc]
    """PettingZoo's agent-environment cycle over one game; see :class:`Table` for the arguments."""

    def __init__(self, game: BatchedGame, render_mode: str | None = None) -> None:
        super().__init__()
        self.table = Table(game, render_mode)
        self.render_mode = render_mode
        self.metadata = {"name": game.name, "render_modes": RENDER_MODES, "is_parallelizable": False, "render_fps": 2}
        self.possible_agents = list(game.players)

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        return self.table.spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        return self.table.actions[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        self.table.batch.reset(seed)
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = self.table.infos()
        self.agent_selection = self.table.mover()
        self._skip_agent_selection = None

    def observe(self, agent: str) -> dict[str, np.ndarray]:
        return self.table.observation_of(agent)

    def step(self, action: Any) -> None:
        if not hasattr(self, "terminations"):
            raise ResetNeeded("call reset() before step()")
        if self.terminations[self.agent_selection] or self.truncations[self.agent_selection]:
            self._was_dead_step(action)
            return
        self._cumulative_rewards[self.agent_selection] = 0.0
        self.rewards, over = self.table.move(action)
        self.infos = self.table.infos()
        self.terminations = dict.fromkeys(self.agents, over)
        self.agent_selection = self.table.mover()
        self._accumulate_rewards()

    def render(self) -> str | None:
        return self.table.render()

    def close(self) -> None:
        """Nothing is held."""


class GameParallel(ParallelEnv):  # type: ignore[misc]
    """PettingZoo's parallel environment over one game: all act at once, and only the action of the player whose turn
    it is counts; the others' masks are all true. See :class:`Table` for the arguments."""

    def __init__(self, game: BatchedGame, render_mode: str | None = None) -> None:
        self.table = Table(game, render_mode)
        self.render_mode = render_mode
        self.metadata = {"name": game.name, "render_modes": RENDER_MODES, "render_fps": 2}
        self.possible_agents = list(game.players)
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        return self.table.spaces[agent]

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        return self.table.actions[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        self.table.batch.reset(seed)
        self.agents = list(self.possible_agents)
        return {agent: self.table.observation_of(agent) for agent in self.agents}, self.table.infos()

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        if not self.agents:
            raise ResetNeeded("the game is over; call reset() first")
        mover = self.table.mover()
        if not isinstance(actions, dict) or mover not in actions:
            raise UserError(f"{mover} is to move, but its action is missing; given: {brief(actions)}")
        rewards, over = self.table.move(actions[mover])
        agents = self.agents
        if over:
            self.agents = []
        observations = {agent: self.table.observation_of(agent) for agent in agents}
        return observations, rewards, dict.fromkeys(agents, over), dict.fromkeys(agents, False), self.table.infos()

    def render(self) -> str | None:
        return self.table.render()

    def close(self) -> None:
        """Nothing is held."""


class ActionChecks(wrappers.BaseWrapper):  # type: ignore[misc]
    """As PettingZoo's ``AssertOutOfBoundsWrapper``: an action outside the action space is refused in one line."""

    def step(self, action: Any) -> None:
        if not (self.terminations[self.agent_selection] or self.truncations[self.agent_selection]):
            action = self.unwrapped.table.checked(action)
        super().step(action)


def wrapped(env: GameAEC) -> AECEnv:
    """With PettingZoo's wrappers: an illegal move loses 1 and ends the game, and calls must come in the right order."""
    return wrappers.OrderEnforcingWrapper(ActionChecks(wrappers.TerminateIllegalWrapper(env, illegal_reward=-1)))


def _plain(value: Any) -> Any:
    """Convert numpy's numbers and texts to Python's."""
    return value.item() if isinstance(value, np.generic) else value
