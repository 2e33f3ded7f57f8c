"""Many games side by side, each played to its end: one interface to our batched rules and to PettingZoo's games.

    games.begin(1024)
    while len(games.turn.game):
        obs, mask = games.observe()
        outcome = games.advance(actions)

A player's observation and its mask of legal actions come apart, as a policy takes them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.core.trees import State
from lhy_rl.envs.game import OBSERVATION, BatchedGame, GameBatch

LONGEST = 10_000  # moves of a game by our rules; rules that do not end it would fill the memory


class Turn(NamedTuple):
    """Who is to move, in games that are not over."""

    game: np.ndarray
    """(K,) numbers of games."""
    player: np.ndarray
    """(K,) numbers of players."""


class Outcome(NamedTuple):
    """What the moves of a turn led to, for every game begun and every player, (N, P)."""

    rewards: np.ndarray
    ended: np.ndarray
    """bool: the player's game ended with this turn."""
    truncated: np.ndarray
    """bool: it did, and not by the rules."""
    final_obs: list[tuple[int, int, Any]] = []
    """(game, player, observation) of those who were truncated."""


class Games(VectorEnv[Any, Any, np.ndarray]):
    """Games of several players. An agent takes it where others take a vector environment: it has the spaces of one.

    Args:
        players: Their names.
        observation_space: What a policy reads: an observation without its mask.
        action_space: Of every player.
        num_envs: Games that are played at once.

    Attributes:
        rng: The generator that the games, and scripted players in them, draw from.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}
    name: str
    batched: BatchedGame | None = None  # the rules, where they are ours

    def __init__(
        self, players: tuple[str, ...], observation_space: gym.Space[Any], action_space: gym.Space[Any], num_envs: int
    ) -> None:
        if not isinstance(action_space, gym.spaces.Discrete):
            raise UserError(f"the players' actions are {action_space}; self-play needs Discrete ones")
        self.players, self.num_envs = players, num_envs
        self.single_observation_space, self.single_action_space = observation_space, action_space
        self.observation_space, self.action_space = (
            batch_space(observation_space, num_envs), batch_space(action_space, num_envs),
        )  # fmt: skip
        self.rng = np.random.default_rng(0)

    def __str__(self) -> str:
        return self.name

    # ------------------------------------------------------------------ what a kind of games gives
    turn: Turn

    def begin(self, count: int) -> None:
        """New games, numbered 0 to ``count`` - 1."""
        raise NotImplementedError

    def observe(self) -> tuple[Any, np.ndarray | None]:
        """What those see whose turn it is, (K, ...), and (K, A) bool which actions are legal; None where all are."""
        raise NotImplementedError

    def renewed(self) -> np.ndarray | None:
        """(K,) bool: those whose turn it is begin anew, and their memory with them; None where nobody does."""
        return None

    def advance(self, actions: np.ndarray) -> Outcome:
        """The moves of those whose turn it is, (K,)."""
        raise NotImplementedError

    def final_info(self) -> dict[str, np.ndarray]:
        """Numbers that the games ended with, (N, P) each, when all are over."""
        return {}

    def transcripts(self) -> list[str]:
        """The games as text, when all are over; empty where the game has none."""
        return []

    def held_out(self) -> Games:
        """Games to evaluate in, with a generator of their own: such as no training begins, where some are held out."""
        raise NotImplementedError

    def validation(self) -> Games:
        """Games to choose a checkpoint by, with a generator of their own: none that :meth:`held_out` gives, where the
        game's table row says how; else the same with another seed."""
        return self.held_out()

    # ------------------------------------------------------------------ manners
    def seed(self, seed: int) -> None:
        """Begin a new stream of random numbers."""
        self.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        raise UserError(
            f"{self.name} is a game of several players, which only selfplay trains in; lhy-rl evaluate and play show it"
        )

    def step(self, actions: Any) -> Any:
        return self.reset()


class BatchedGames(Games):
    """Games of our rules, all of them in one batch of arrays; those that are over leave it.

    Args:
        game: The rules.
        num_envs: Games at once, where nobody says how many.
        evaluated: The rules of the games that :meth:`held_out` gives, with contexts that were held out.
        validated: The rules of those that :meth:`validation` gives.
    """

    def __init__(
        self,
        game: BatchedGame,
        num_envs: int = 1,
        evaluated: BatchedGame | None = None,
        validated: BatchedGame | None = None,
    ) -> None:
        super().__init__(game.players, game.observation_space, game.action_space, num_envs)
        self.batched, self.name, self.evaluated, self.validated = game, game.name, evaluated, validated
        self._last: list[tuple[np.ndarray, State]] = []

    def begin(self, count: int) -> None:
        game = self.rules
        self.batch = GameBatch(game, count, autoreset=False)
        self.batch.adopt(self.rng)
        self.batch.reset()
        self.count, self.numbers, self._last, self.moves = count, np.arange(count), [], 0
        self.turn = Turn(self.numbers, self.batch.to_move)

    @property
    def rules(self) -> BatchedGame:
        """The game's rules."""
        assert self.batched is not None
        return self.batched

    @property
    def state(self) -> State:
        """States of the games that are not over, in the order of ``turn``."""
        return self.batch.state

    def observe(self) -> tuple[Any, np.ndarray | None]:
        obs = self.batch.observe()
        mask = obs.pop(ACTION_MASK).view(bool)
        return obs[OBSERVATION] if set(obs) == {OBSERVATION} else obs, mask

    def renewed(self) -> np.ndarray | None:
        return self.rules.renewed(self.state)

    def advance(self, actions: np.ndarray) -> Outcome:
        shape = self.count, len(self.players)
        rewards, ended = np.zeros(shape), np.zeros(shape, bool)
        rewards[self.numbers], over, infos = self.batch.advance(actions)
        self.moves += 1
        if self.moves == LONGEST and not over.all():
            raise UserError(f"a game of {self.name} did not end in {LONGEST:,} moves; its rules must end it")
        ended[self.numbers] = over[:, None]
        if infos:
            rows = infos["final_rows"]
            self._last.append((self.numbers[rows], {k: x[rows] for k, x in self.batch.state.items()}))
            going = np.flatnonzero(~over)
            self.batch.keep(going)
            self.numbers = self.numbers[going]
        self.turn = Turn(self.numbers, self.batch.to_move)
        return Outcome(rewards, ended, np.zeros(shape, bool))

    def final_states(self) -> State:
        """The states that the games ended in, in the order of their numbers."""
        order = np.argsort(np.concatenate([numbers for numbers, _ in self._last]))
        parts = [state for _, state in self._last]
        return {key: np.concatenate([part[key] for part in parts])[order] for key in parts[0]}

    def final_info(self) -> dict[str, np.ndarray]:
        state, count = self.final_states(), self.count
        each = [self.rules.final_info(state, np.full(count, player)) for player in range(len(self.players))]
        numeric = [key for key, values in each[0].items() if values.dtype.kind in "fb"]  # whole ones are names
        return {key: np.stack([info[key] for info in each], 1).astype(float) for key in numeric}

    def transcripts(self) -> list[str]:
        return self.rules.transcript(self.final_states())

    def held_out(self) -> Games:
        return BatchedGames(self.evaluated or self.rules, self.num_envs)

    def validation(self) -> Games:
        return BatchedGames(self.validated or self.rules, self.num_envs)
