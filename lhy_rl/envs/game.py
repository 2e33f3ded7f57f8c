"""A game of two or more, its rules written once, batched, over an explicit state of arrays.

A game defines these functions, all over a batch of B games; ``player`` is (B,) int, a player for each game:

    initial(n, rng)                  -> state
    to_move(state)                   -> (B,) the player to move
    action_mask(state, player)       -> (B, A) bool, what this player may do now
    transition(state, action, rng)   -> state, after the move of the player whose turn it was
    observation(state, player)       -> what this player sees
    reward(state, action, next)      -> (B, P)
    terminal(state)                  -> (B,) bool

Everything else is a view of such rules: :class:`GameBatch` here, in which self-play trains;
:mod:`lhy_rl.envs.game_versus`, Gymnasium's environment against a partner chosen by name; and
:mod:`lhy_rl.envs.game_pettingzoo`, PettingZoo's AEC and parallel environments.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.utils.seeding import np_random

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.core.registry import is_ours
from lhy_rl.core.trees import State, copied, put, take
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.envs.own_rules import try_game

OBSERVATION = "observation"
"""Key of a player's observation, beside the ``action_mask``, in every view; not used where it is a Dict itself."""


class BatchedGame:
    """The rules of a game whose players move one at a time.

    Args:
        observation_space: The observation of one player, without the action mask.
        num_actions: A; all players have the same actions, 0 to A - 1.

    Attributes:
        name: PettingZoo's ``metadata["name"]``, for example ``negotiation_v0``.
        players: The players' names, ``<word>_<number>``.
        player_space: Space of one player's observation in every view: a Dict of ``observation`` and ``action_mask``. If
            the observation is a Dict itself, its keys are beside the mask.
    """

    name: ClassVar[str]
    players: ClassVar[tuple[str, ...]] = ("player_0", "player_1")

    def __init__(self, observation_space: gymnasium.Space[Any], num_actions: int) -> None:
        self.observation_space = observation_space
        self.action_space = spaces.Discrete(num_actions)
        self.num_actions = num_actions
        mask = spaces.Box(0, 1, (num_actions,), np.int8)
        parts = observation_space.spaces if isinstance(observation_space, spaces.Dict) else None
        self.player_space = spaces.Dict({**(parts or {OBSERVATION: observation_space}), ACTION_MASK: mask})

    # ------------------------------------------------------------------ what a game defines
    def initial(self, n: int, rng: np.random.Generator) -> State:
        """States of n new games."""
        raise NotImplementedError

    def to_move(self, state: State) -> np.ndarray:
        """(B,) int: the player to move; arbitrary where the game is over."""
        raise NotImplementedError

    def action_mask(self, state: State, player: np.ndarray) -> np.ndarray:
        """(B, A) bool: the legal actions. All true where it is not the player's turn: the action has no effect then."""
        raise NotImplementedError

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        """The next states, as new arrays; the given ones are not changed.

        It must accept every action of the action space; the rules define the effect of an illegal one.
        """
        raise NotImplementedError

    def observation(self, state: State, player: np.ndarray) -> Any:
        """(B, ...) the player's observation, in ``observation_space``: an array, or a dict of them."""
        raise NotImplementedError

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        """(B, P) each player's reward for a move."""
        raise NotImplementedError

    def terminal(self, state: State) -> np.ndarray:
        """(B,) bool: whether the game is over."""
        raise NotImplementedError

    def renewed(self, state: State) -> np.ndarray | None:
        """(B,) bool: whether the memory of the player to move is reset before this move, as for an utterance that
        answers another source than its last one; None if that never happens within a game."""
        return None

    def info(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        """Entries of ``info`` for this player after every move, (B, ...) each."""
        return {}

    def final_info(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        """Further entries of ``info`` for this player when the game is over, (B, ...) each."""
        return {}

    def transcript(self, state: State) -> list[str]:
        """Each game as text, for ``render``."""
        raise NotImplementedError

    def demonstrations(self) -> Demonstrations | None:
        """Moves of people who played the game, each episode those of one player; None where there are none."""
        return None

    # ------------------------------------------------------------------ for a person who plays
    def view(self, state: State, player: int) -> str:
        """One game, a batch of one, as this player knows it: the transcript without the others' private facts."""
        lines = self.transcript(state)[0].split("\n")
        if not self.terminal(state)[0]:
            others = tuple(f"{name} " for i, name in enumerate(self.players) if i != player)
            lines = [line for line in lines if not line.startswith(others)]
        return "\n".join(lines)

    def move_names(self) -> list[str]:
        """The names of the actions for people."""
        return [str(action) for action in range(self.num_actions)]

    def read_move(self, state: State, text: str) -> list[int]:
        """Parse a person's text as the actions, in order, of one move or utterance in one game.

        Raises:
            UserError: the text means no action.
        """
        try:
            return [int(self.checked([int(text)], 1)[0])]
        except ValueError as error:
            raise UserError(f"{brief(text)} is not a move; write its number, 0 to {self.num_actions - 1}") from error

    # ------------------------------------------------------------------ for the views
    def player_observation(self, state: State, player: np.ndarray) -> dict[str, np.ndarray]:
        """The player's observation, in ``player_space``."""
        mask, observed = self.action_mask(state, player), self.observation(state, player)
        parts = observed if isinstance(observed, dict) else {OBSERVATION: observed}
        return {**parts, ACTION_MASK: mask.astype(np.int8)}

    def checked(self, actions: Any, n: int) -> np.ndarray:
        """Return (n,) int64 actions, after checking that they are in the action space.

        Raises:
            UserError: they are not.
        """
        return validation.discrete_actions(actions, n, 0, self.num_actions)


class GameBatch:
    """Many games at once, each observed by the player to move; self-play trains in it.

    The same seed and number of games give the same games, bit for bit. A game that ends is followed by a new one in
    the same step, unless ``autoreset`` is false.

        batch = GameBatch(Negotiation(), num_games=1024)
        obs = batch.reset(seed=0)                       # of batch.to_move
        obs, rewards, terminal, infos = batch.step(actions)

    Args:
        game: The rules.
        num_games: B.
        autoreset: Begin a new game where one has ended.

    Attributes:
        to_move: (B,) the players to move.
    """

    def __init__(self, game: BatchedGame, num_games: int = 1, autoreset: bool = True) -> None:
        if not is_ours(type(game)):
            try_game(game, BatchedGame)
        self.game = game
        self.num_games = validation.integer("num_games", num_games, 1)
        self.autoreset = autoreset
        self.to_move = np.zeros(self.num_games, np.int64)
        self._rng: np.random.Generator | None = None
        self._state: State | None = None
        self._over = np.zeros(self.num_games, bool)

    def reset(self, seed: int | None = None) -> dict[str, np.ndarray]:
        """Begin new games; return the observations of the players to move.

        Args:
            seed: None continues with the present generator.
        """
        if seed is not None or self._rng is None:
            self._rng, _ = np_random(None if seed is None else validation.integer("seed", seed, 0))
        self._state = self.game.initial(self.num_games, self._rng)
        self._over = np.zeros(self.num_games, bool)
        self.to_move = self.game.to_move(self._state)
        return self.observe()

    def step(self, actions: Any) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, dict[str, Any]]:
        """One move in every game, by the player whose turn it is.

        Returns:
            The observations of the players who move next (of new games where one has ended), (B, P) rewards, (B,) bool
            whether the game has ended, and the infos: ``final_rows`` (E,) are the numbers of the games that have ended,
            and ``final_info`` holds a dict of (E, ...) arrays for every player.

        Raises:
            UserError: an action outside the action space.
            ResetNeeded: before the first reset, or (without autoreset) after the end of a game.
        """
        rewards, terminal, infos = self.advance(self.game.checked(actions, self.num_games))
        return self.observe(), rewards, terminal, infos

    def advance(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """As :meth:`step`, without checks and observations; the (B,) int64 actions must be in the action space."""
        if self._state is None or self._rng is None:
            raise ResetNeeded("call reset() before step()")
        if self._over.any():
            raise ResetNeeded(f"games {np.flatnonzero(self._over).tolist()} are over; call reset() first")
        after = self.game.transition(self._state, action, self._rng)
        rewards = self.game.reward(self._state, action, after)
        terminal = self.game.terminal(after)
        infos: dict[str, Any] = {}
        rows = np.flatnonzero(terminal)
        if rows.size:
            last = take(after, rows)
            whose = range(len(self.game.players))
            finals = [self.game.final_info(last, np.full(rows.size, player)) for player in whose]
            infos = {"final_rows": rows, "final_info": finals}
            if self.autoreset:
                after = put(after, rows, self.game.initial(rows.size, self._rng))
            else:
                self._over = terminal.copy()
        self._state = after
        self.to_move = self.game.to_move(after)
        return rewards, terminal, infos

    def adopt(self, rng: np.random.Generator) -> None:
        """Draw from the given generator from now on."""
        self._rng = rng

    def keep(self, rows: np.ndarray) -> None:
        """Keep only the games with these (K,) numbers: without autoreset, for example those that are not over."""
        self._state, self._over = take(self.state, rows), self._over[rows]
        self.num_games, self.to_move = len(rows), self.to_move[rows]

    def observe(self, player: np.ndarray | int | None = None) -> dict[str, np.ndarray]:
        """A player's observations of all games, by default those of the players to move."""
        whose = self.to_move if player is None else np.broadcast_to(player, self.num_games)
        observation: dict[str, np.ndarray] = copied(self.game.player_observation(self.state, whose))
        return observation

    @property
    def state(self) -> State:
        """The games' states, not to be written to."""
        if self._state is None:
            raise ResetNeeded("call reset() first")
        return self._state

    @property
    def rng(self) -> np.random.Generator:
        """The generator that games and their players draw from."""
        if self._rng is None:
            raise ResetNeeded("call reset() first")
        return self._rng

    def snapshot(self) -> dict[str, Any]:
        """A copy of everything that future moves depend on: arrays, names and whole numbers."""
        return {"state": copied(self.state), "over": self._over.copy(), "rng": self.rng.bit_generator.state}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Restore a snapshot.

        Raises:
            UserError: it is of another number of games or of another game.
        """
        rng = np.random.default_rng(0)
        mine = self.game.initial(self.num_games, rng)
        given = {name: np.asarray(array) for name, array in snapshot["state"].items()}
        if {k: (v.shape, v.dtype) for k, v in given.items()} != {k: (v.shape, v.dtype) for k, v in mine.items()}:
            raise UserError("this snapshot comes from another game, or from another number of games")
        rng.bit_generator.state = snapshot["rng"]
        self._rng, self._state, self._over = rng, copied(given), np.array(snapshot["over"])
        self.to_move = self.game.to_move(self._state)
