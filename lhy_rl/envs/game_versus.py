"""A game against a partner, as Gymnasium's environment: one seat is the learner's, a partner plays the others."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.trees import State, put, take
from lhy_rl.envs import drawing
from lhy_rl.envs.base import BatchedEnv
from lhy_rl.envs.game import BatchedGame


class Partner(Protocol):
    """A scripted player: a function of what the player knows. It keeps no memory of its own."""

    def __call__(self, game: Any, state: State, player: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(B,) legal actions.

        Args:
            game: The rules.
            state: B games, in all of which it is this player's turn; it may use only what the player knows.
            player: (B,) the player to play for.
            rng: Source of its random numbers.
        """
        ...


class VersusPartner(BatchedEnv):
    """A step is the learner's move and all moves of the partner until it is the learner's turn again.

    The state is the game's, with ``seat`` (B,), which player the learner is, drawn uniformly, and ``gained`` (B,),
    the learner's reward of the last step.

    Args:
        num_envs: B.
        game: The rules.
        partner: Plays all seats but the learner's.
        **base: Arguments of :class:`BatchedEnv`.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 2}

    def __init__(self, num_envs: int, game: BatchedGame, partner: Partner, **base: Any) -> None:
        if not callable(partner):
            raise UserError(f"partner={brief(partner)} is not allowed; give a name or a function")
        super().__init__(num_envs, game.player_space, game.action_space, **base)
        self.game = game
        self.plays = partner

    def initial(self, n: int, rng: np.random.Generator) -> State:
        state = self.game.initial(n, rng)
        seat = rng.integers(len(self.game.players), size=n)
        return self._answered(state, seat, np.zeros(n), rng)

    def transition(self, state: State, action: np.ndarray, rng: np.random.Generator) -> State:
        seat, rows = state["seat"], np.arange(len(action))
        after = self.game.transition(state, action, rng)
        gained = self.game.reward(state, action, after)[rows, seat].astype(float)
        return self._answered(after, seat.copy(), gained, rng)

    def _answered(self, state: State, seat: np.ndarray, gained: np.ndarray, rng: np.random.Generator) -> State:
        """The state after the partner's moves: when it is the learner's turn, or the game is over."""
        while True:
            turn = self.game.to_move(state)
            rows = np.flatnonzero((turn != seat) & ~self.game.terminal(state))
            if not rows.size:
                return {**state, "seat": seat, "gained": gained}
            part = take(state, rows)
            action = self._of_partner(part, turn[rows], rng)
            after = self.game.transition(part, action, rng)
            gained[rows] += self.game.reward(part, action, after)[np.arange(rows.size), seat[rows]]
            state = put(state, rows, after)

    def _of_partner(self, state: State, player: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(B,) the partner's actions."""
        try:
            return self.game.checked(self.plays(self.game, state, player, rng), len(player))
        except UserError as error:
            raise UserError(f"the partner: {error}") from error

    def observation(self, state: State) -> dict[str, np.ndarray]:
        return self.game.player_observation(state, state["seat"])

    def reward(self, state: State, action: np.ndarray, next_state: State) -> np.ndarray:
        gained: np.ndarray = next_state["gained"].copy()
        return gained

    def terminal(self, state: State) -> np.ndarray:
        return self.game.terminal(state)

    def info(self, state: State) -> dict[str, Any]:
        return self.game.info(state, state["seat"])

    def final_info(self, state: State) -> dict[str, Any]:
        return self.game.final_info(state, state["seat"])

    def frame(self, state: State) -> list[Any]:
        texts = zip(self.game.transcript(state), state["seat"].tolist(), strict=True)
        if self.render_mode == "rgb_array":
            return [self._picture(text, self.game.players[seat]) for text, seat in texts]
        return [f"{text}\n(the learner is {self.game.players[seat]})" for text, seat in texts]

    def _picture(self, transcript: str, learner: str) -> np.ndarray:
        """Draw the transcript; the learner speaks on the right."""
        facts, utterances = [], []
        for line in transcript.split("\n"):
            name, colon, text = line.partition(": ")
            if colon and name in self.game.players:
                utterances.append((name == learner, text))
            else:
                facts.append(line.replace(learner, "the learner"))
        return drawing.conversation(facts, utterances)
