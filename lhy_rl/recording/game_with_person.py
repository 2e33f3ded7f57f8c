"""A person plays with a trained policy in the terminal: the person types words or numbers, the policy's moves are
printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.trees import State, map_tree
from lhy_rl.rollouts.games import BatchedGames, Games
from lhy_rl.rollouts.pettingzoo_games import PettingZooGames
from lhy_rl.rollouts.self_play import Player, PolicyPlayer, play_games

LONGEST = 500  # characters of a message
LISTED = 12  # moves in a line; ``?`` lists all
HELLO = "You are {}. Write one move per line; ? lists the allowed moves, Ctrl-D ends."


class Person:
    """A person at the keyboard.

    Args:
        ask: Returns a line that the person typed; ``EOFError`` ends the game.
        say: Prints a line for the person.
    """

    def __init__(self, ask: Callable[[], str], say: Callable[[str], None]) -> None:
        self.ask, self.say = ask, say

    def begin(self, count: int, players: int) -> None:
        self.planned: list[int] = []  # remaining actions of an utterance of several actions
        self.printed = ""

    def act(self, games: Games, rows: np.ndarray, obs: Any, mask: np.ndarray | None) -> np.ndarray:
        if self.planned:
            return np.array([self.planned.pop(0)])
        player = int(games.turn.player[0])
        self.show(games, player, obs)
        space = games.single_action_space
        assert isinstance(space, Discrete)
        action_mask = np.ones(int(space.n), np.bool_) if mask is None else mask[0]
        while True:
            try:
                self.planned = self.understand(games, self.ask().strip(), action_mask)
            except UserError as error:
                self.say(f"({error})")
                continue
            if self.planned:
                return np.array([self.planned.pop(0)])

    def show(self, games: Games, player: int, obs: Any) -> None:
        """Print what is new since the person's last move."""
        if isinstance(games, PettingZooGames):
            self.say(as_text(games.envs[games.going[0]], map_tree(lambda x: x[0], obs)))
            return
        assert isinstance(games, BatchedGames)
        text = games.rules.view(games.state, player)
        self.say(text.removeprefix(self.printed).strip("\n"))
        self.printed = text

    def understand(self, games: Games, text: str, action_mask: np.ndarray) -> list[int]:
        """Parse a line as actions; the list is empty where the line only asks what is allowed.

        Raises:
            UserError: the line means no action, or an illegal one.
        """
        if len(text) > LONGEST:
            raise UserError(f"a line of {len(text):,} characters is too long; allowed: at most {LONGEST}")
        if not text.isprintable():
            raise UserError(f"{brief(text)} has control characters in it; write text")
        rules = games.rules if isinstance(games, BatchedGames) else None
        space = games.single_action_space
        assert isinstance(space, Discrete)
        start = int(space.start)
        names = rules.move_names() if rules is not None else [str(start + i) for i in range(len(action_mask))]
        moves = [names[i] for i in np.flatnonzero(action_mask)]
        if text in ("?", "help"):
            self.say("\n".join(f"  {move}" for move in moves))
            return []
        if not text:
            few = "; ".join(moves[:LISTED])
            raise UserError(f"write a move: {few}{'; ...' if len(moves) > LISTED else ''} (? lists all)")
        if rules is not None:
            assert isinstance(games, BatchedGames)
            actions = rules.read_move(games.state, text)
            check_moves(rules, games.state, actions, text)
            return actions
        if not text.isdecimal() or not 0 <= int(text) - start < len(action_mask) or not action_mask[int(text) - start]:
            raise UserError(f"{brief(text)} is not allowed; allowed: {', '.join(moves[:LISTED])} (? lists all)")
        return [int(text)]


def as_text(env: Any, obs: Any) -> str:
    """A game of PettingZoo's as text: its own rendering, or a board of two planes, or else the observation."""
    if "ansi" in (env.metadata.get("render_modes") or ()):
        env.unwrapped.render_mode = env.unwrapped.render_mode or "ansi"
        if isinstance(rendered := env.render(), str):
            return rendered
    planes = isinstance(obs, np.ndarray) and obs.ndim == 3 and obs.shape[2] == 2
    if planes and np.isin(obs, (0, 1)).all() and (obs.sum(2) <= 1).all():
        rows = [" ".join("x" if one else "o" if other else "." for one, other in row) for row in obs.tolist()]
        return "\n".join([*rows, "(x: the first plane of the observation, o: the second)"])
    return str(obs)


def check_moves(rules: Any, state: State, actions: list[int], text: str) -> None:
    """Check that each of these moves would be legal at its turn.

    Raises:
        UserError: one is illegal.
    """
    mover, draw = rules.to_move(state), np.random.default_rng(0)
    for k, action in enumerate(actions):
        going = not rules.terminal(state)[0] and rules.to_move(state) == mover
        if not going or not rules.action_mask(state, mover)[0, action]:
            named = f" ({rules.move_names()[action]!r})" if len(actions) > 1 else ""
            raise UserError(f"{brief(text)} is not allowed now{named}; ? lists the allowed moves")
        if k + 1 < len(actions):
            state = rules.transition(state, np.array([action]), draw)


def play_with_person(
    agent: Any,
    games: int = 1,
    seed: int = 0,
    stochastic: bool = False,
    ask: Callable[[], str] = lambda: input("> "),
    say: Callable[[str], None] = print,
) -> int:
    """Let a person play with a policy; they exchange seats from game to game.

    Args:
        agent: A :class:`lhy_rl.agents.dialogue.self_play.SelfPlay`.
        games: Number of games.
        seed: Seed of the games and of the policy's random numbers.
        stochastic: Sample the policy's moves instead of taking the most probable ones.
        ask, say: See :class:`Person`.

    Returns:
        How many games were played to their end.
    """
    where = agent.games.held_out()
    where.seed(seed)
    generator = torch.Generator(agent.device).manual_seed(seed)
    policies = agent.all_policies
    players: list[Player] = [PolicyPlayer(policy.eval(), generator, not stochastic) for policy in policies]
    person = Person(ask, say)
    for number in range(games):
        seat = (number + seed) % len(where.players)
        seats = np.arange(len(where.players))[None] if len(policies) > 1 else np.zeros((1, len(where.players)), int)
        seats[0, seat] = len(players)
        say(HELLO.format(where.players[seat]))
        try:
            played = play_games(where, 1, [*players, person], seats)
        except (EOFError, KeyboardInterrupt):
            say("")
            return number
        text = "\n".join(where.transcripts())
        say(text.removeprefix(person.printed).strip("\n") if person.printed else text)
        say(f"your return: {played.scores[0, seat]:g}\n")
    return games
