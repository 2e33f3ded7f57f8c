"""PettingZoo's games behind the interface of :class:`~lhy_rl.rollouts.games.Games`, stepped one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.core.trees import map_tree
from lhy_rl.envs.game import OBSERVATION
from lhy_rl.rollouts.games import Games, Outcome, Turn

LONGEST = 100_000  # moves of a game; one that goes on has no end


class PettingZooGames(Games):
    """AEC environments; parallel ones are converted by PettingZoo's ``parallel_to_aec``.

    Each environment plays one game after the other, each with a new seed, until all requested games are over. A
    reward is credited to its player's last move before it.

    Args:
        envs: One or more environments of the same kind. All players must have the same spaces, with Discrete actions;
            the mask of legal actions is under ``action_mask`` in a Dict observation or in the info.
    """

    def __init__(self, envs: Sequence[Any]) -> None:
        self.envs = [as_aec(env) for env in envs]
        first = self.envs[0]
        if not hasattr(first, "possible_agents"):
            raise UserError(f"{brief(first)} does not list its agents; it must have possible_agents")
        names = tuple(first.possible_agents)
        spaces = [(first.observation_space(name), first.action_space(name)) for name in names]
        different = [name for name, pair in zip(names, spaces, strict=True) if pair != spaces[0]]
        if different:
            raise UserError(f"{different[0]} has other spaces than {names[0]}; self-play needs the same for all")
        self.name = str(first.metadata.get("name", type(first.unwrapped).__name__))
        super().__init__(names, policy_space(spaces[0][0]), spaces[0][1], len(self.envs))
        self.number = {name: i for i, name in enumerate(names)}

    # ------------------------------------------------------------------ the games
    def begin(self, count: int) -> None:
        self.count, self.begun = count, 0
        self.at: list[int | None] = [None] * len(self.envs)  # the game that each environment plays
        self.moves = [0] * len(self.envs)
        self.current: list[Any] = [None] * len(self.envs)  # the player to move, its observation, its info
        self.texts = [""] * count
        self.numbers: dict[str, np.ndarray] = {}
        for i in range(len(self.envs)):
            self._next_game(i, self._nothing())
        self._take_turns()

    def _nothing(self) -> Outcome:
        shape = self.count, len(self.players)
        return Outcome(np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool), [])

    def _next_game(self, i: int, outcome: Outcome) -> None:
        """Begin games in environment i until a player is to move in one, or no games are left to begin."""
        while self.begun < self.count:
            self.at[i], self.moves[i] = self.begun, 0
            self.begun += 1
            self.envs[i].reset(seed=int(self.rng.integers(2**31)))
            if self._look(i, outcome):
                return
        self.at[i] = None

    def _look(self, i: int, outcome: Outcome) -> bool:
        """Add up the players' rewards until a player is to move; return whether one is."""
        env, game = self.envs[i], self.at[i]
        assert game is not None
        while env.agents:
            player = self.number[env.agent_selection]
            obs, reward, terminated, truncated, info = env.last()
            try:
                outcome.rewards[game, player] += reward
            except (TypeError, ValueError) as error:
                name = env.agent_selection
                raise UserError(f"the reward of {name} is {brief(reward)}; must be a number") from error
            if not (terminated or truncated):
                self.current[i] = player, obs, info
                return True
            outcome.ended[game, player] = True
            self._take_down(game, player, info)
            if not terminated:
                outcome.truncated[game, player] = True
                outcome.final_obs.append((game, player, without_mask(obs)))
            env.step(None)
        if getattr(env, "render_mode", None) == "ansi":
            self.texts[game] = str(env.render())
        return False

    def _take_down(self, game: int, player: int, info: dict[str, Any]) -> None:
        """Store the numbers in a player's last info."""
        for key, value in info.items():
            if isinstance(value, int | float | np.number | np.bool_):
                self.numbers.setdefault(key, np.zeros((self.count, len(self.players))))[game, player] = value

    def _take_turns(self) -> None:
        self.going = [i for i, game in enumerate(self.at) if game is not None]
        game = np.array([self.at[i] for i in self.going], np.int64)
        self.turn = Turn(game, np.array([self.current[i][0] for i in self.going], np.int64))

    def observe(self) -> tuple[Any, np.ndarray | None]:
        current = [self.current[i] for i in self.going]
        obs = map_tree(lambda *x: np.stack(x), *(map_tree(np.asarray, without_mask(obs)) for _, obs, _ in current))
        masks = [mask_in(obs, info) for _, obs, info in current]
        known = next((mask for mask in masks if mask is not None), None)
        if known is None:
            return obs, None
        return obs, np.stack([np.ones_like(known) if mask is None else mask for mask in masks]).astype(bool)

    def advance(self, actions: np.ndarray) -> Outcome:
        outcome = self._nothing()
        for i, action in zip(self.going, actions.tolist(), strict=True):
            self.envs[i].step(action)
            self.moves[i] += 1
            if self.moves[i] > LONGEST:
                raise UserError(f"a game of {self.name} did not end within {LONGEST:,} moves; give it a limit of moves")
            if not self._look(i, outcome):
                self._next_game(i, outcome)
        self._take_turns()
        return outcome

    def final_info(self) -> dict[str, np.ndarray]:
        return self.numbers

    def transcripts(self) -> list[str]:
        return self.texts if any(self.texts) else []

    def held_out(self) -> Games:
        return PettingZooGames(self.envs)

    def close_extras(self, **options: Any) -> None:
        for env in self.envs:
            env.close()


def as_aec(env: Any) -> Any:
    """An AEC environment from either of PettingZoo's kinds, AEC or parallel.

    Raises:
        UserError: It is neither.
    """
    from pettingzoo.utils.conversions import parallel_to_aec
    from pettingzoo.utils.env import AECEnv, ParallelEnv

    if isinstance(env, ParallelEnv):
        return parallel_to_aec(env)
    if not isinstance(env, AECEnv):
        raise UserError(f"{brief(env)} is not a game; allowed: an id, a BatchedGame, a PettingZoo environment")
    return env


def policy_space(space: gym.Space[Any]) -> gym.Space[Any]:
    """The observation space that a policy reads: without the mask, and if only ``observation`` is left, that part."""
    if not isinstance(space, gym.spaces.Dict) or ACTION_MASK not in space.spaces:
        return space
    parts = {key: part for key, part in space.spaces.items() if key != ACTION_MASK}
    return parts[OBSERVATION] if set(parts) == {OBSERVATION} else gym.spaces.Dict(parts)


def without_mask(obs: Any) -> Any:
    """An observation or a batch of them without the mask, in the space of :func:`policy_space`."""
    if not isinstance(obs, dict) or ACTION_MASK not in obs:
        return obs
    parts = {key: part for key, part in obs.items() if key != ACTION_MASK}
    return parts[OBSERVATION] if set(parts) == {OBSERVATION} else parts


def mask_in(obs: Any, info: dict[str, Any]) -> Any:
    """The mask of legal actions of one observation, or None."""
    return obs[ACTION_MASK] if isinstance(obs, dict) and ACTION_MASK in obs else info.get(ACTION_MASK)
