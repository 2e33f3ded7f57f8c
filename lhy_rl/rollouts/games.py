"""Many games side by side, each played to its end: one interface to our batched rules and to PettingZoo's games.

    games.begin(1024)
    while len(games.turn.game):
        obs, mask = games.observe()
        outcome = games.advance(actions)

A player's observation and its mask of legal actions are returned separately, as a policy takes them.
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

LONGEST = 10_000  # most moves of a game by our rules; one that never ends would fill the memory


class Turn(NamedTuple):
    """The players to move, in the games that are not over."""

    game: np.ndarray
    """(K,) indices of games."""
    player: np.ndarray
    """(K,) indices of players."""


class Outcome(NamedTuple):
    """The results of a turn's moves, for every game and every player, (N, P)."""

    rewards: np.ndarray
    ended: np.ndarray
    """bool: the player's game ended with this turn."""
    truncated: np.ndarray
    """bool: it ended with this turn by truncation."""
    final_obs: list[tuple[int, int, Any]] = []
    """(game, player, final observation) where a player's game was truncated."""


class Games(VectorEnv[Any, Any, np.ndarray]):
    """Games of several players; ``selfplay`` takes them in place of a vector environment, and they have its spaces.

    Args:
        players: The players' names.
        observation_space: Space of one observation without its mask.
        action_space: Action space of every player.
        num_envs: Number of games played at once.

    Attributes:
        rng: The random generator of the games and of scripted players in them.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}
    name: str
    batched: BatchedGame | None = None  # the rules, if they are ours

    def __init__(
        self, players: tuple[str, ...], observation_space: gym.Space[Any], action_space: gym.Space[Any], num_envs: int
    ) -> None:
        if not isinstance(action_space, gym.spaces.Discrete):
            raise UserError(f"the players' action space is {action_space}; self-play needs Discrete")
        self.players, self.num_envs = players, num_envs
        self.single_observation_space, self.single_action_space = observation_space, action_space
        self.observation_space, self.action_space = (
            batch_space(observation_space, num_envs), batch_space(action_space, num_envs),
        )  # fmt: skip
        self.rng = np.random.default_rng(0)

    def __str__(self) -> str:
        return self.name

    # ------------------------------------------------------------------ implemented by subclasses
    turn: Turn

    def begin(self, count: int) -> None:
        """Begin new games, numbered 0 to ``count`` - 1."""
        raise NotImplementedError

    def observe(self) -> tuple[Any, np.ndarray | None]:
        """Observations (K, ...) of the players to move, and their legal actions (K, A) bool; None if all are legal."""
        raise NotImplementedError

    def renewed(self) -> np.ndarray | None:
        """(K,) bool: the players to move whose memory is reset now; None if the game never resets one."""
        return None

    def advance(self, actions: np.ndarray) -> Outcome:
        """Make the moves (K,) of the players to move."""
        raise NotImplementedError

    def final_info(self) -> dict[str, np.ndarray]:
        """Numbers that describe how the games ended, (N, P) each; available once all games are over."""
        return {}

    def transcripts(self) -> list[str]:
        """The games as text, once all are over; empty if the game has no transcripts."""
        return []

    def held_out(self) -> Games:
        """Games to evaluate in, with their own generator; they never occur in training, if the game holds some out."""
        raise NotImplementedError

    def validation(self) -> Games:
        """Games to choose a checkpoint by, with their own generator. They differ from those of :meth:`held_out` if the
        game's table row has ``validation`` options; else they are the same with another seed."""
        return self.held_out()

    # ------------------------------------------------------------------ the VectorEnv interface
    def seed(self, seed: int) -> None:
        """Seed the random generator."""
        self.rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> Any:
        raise UserError(
            f"{self.name} is a game of several players, which only selfplay can train in; "
            "lhy-rl evaluate and play show it"
        )

    def step(self, actions: Any) -> Any:
        return self.reset()


class BatchedGames(Games):
    """Games of our rules in one batch of arrays, from which finished games are removed.

    Args:
        game: The rules.
        num_envs: Default number of games at once.
        evaluated: The rules for :meth:`held_out`, with contexts that were held out.
        validated: The rules for :meth:`validation`.
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
        """States of the unfinished games, in the order of ``turn``."""
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
            raise UserError(f"a game of {self.name} did not end within {LONGEST:,} moves; its rules must end it")
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
        """The games' final states, in the order of the games' numbers."""
        order = np.argsort(np.concatenate([numbers for numbers, _ in self._last]))
        parts = [state for _, state in self._last]
        return {key: np.concatenate([part[key] for part in parts])[order] for key in parts[0]}

    def final_info(self) -> dict[str, np.ndarray]:
        state, count = self.final_states(), self.count
        each = [self.rules.final_info(state, np.full(count, player)) for player in range(len(self.players))]
        numeric = [key for key, values in each[0].items() if values.dtype.kind in "fb"]  # integers are labels
        return {key: np.stack([info[key] for info in each], 1).astype(float) for key in numeric}

    def transcripts(self) -> list[str]:
        return self.rules.transcript(self.final_states())

    def held_out(self) -> Games:
        return BatchedGames(self.evaluated or self.rules, self.num_envs)

    def validation(self) -> Games:
        return BatchedGames(self.validated or self.rules, self.num_envs)
