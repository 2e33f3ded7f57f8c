"""Whole games between players, and each player's own moves as a rollout to learn from.

A game is one episode for each player, and a step of it is one of the player's own moves: its observation, its action,
and its rewards until its next move or the end. So advantages are estimated along the moves of one player, and the
other players are a part of its environment (Littman 1994).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from gymnasium.spaces import Discrete

from lhy_rl.core.errors import UserError
from lhy_rl.core.trees import map_tree, take
from lhy_rl.data.spaces import misfit
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.checks import WholeNumbers, check_numbers
from lhy_rl.rollouts.games import Games
from lhy_rl.rollouts.rollout import Rollout, stored

OF = " of its game"
ROWS_OF_THE_LONGEST = 4  # length of a rollout's column, in multiples of the longest game


class Player(Protocol):
    """A player that acts in many games at once."""

    def begin(self, count: int, players: int) -> None:
        """Begin games 0 to ``count`` - 1 and forget all earlier ones."""
        ...

    def act(self, games: Games, rows: np.ndarray, obs: Any, mask: np.ndarray | None) -> np.ndarray:
        """Choose actions (R,) in the games ``games.turn.game[rows]``, for ``games.turn.player[rows]``.

        Args:
            games: The games; only what the player may know of them is to be used.
            rows: (R,) indices into ``games.turn``.
            obs: (R, ...) the movers' observations.
            mask: (R, A) bool, the legal actions; None if all are legal.
        """
        ...


class PolicyPlayer:
    """A policy as a player, with a memory for every seat of every game.

    Args:
        policy: The policy; its actions are Discrete.
        generator: Random generator that actions are sampled with.
        deterministic: Take the most probable actions.
    """

    def __init__(self, policy: ActorCritic, generator: torch.Generator, deterministic: bool = False) -> None:
        self.policy, self.generator, self.deterministic = policy, generator, deterministic
        self.memory: State = ()

    def begin(self, count: int, players: int) -> None:
        self.players = players
        self.memory = self.policy.initial_state(count * players) if self.policy.recurrent else ()

    def act(self, games: Games, rows: np.ndarray, obs: Any, mask: np.ndarray | None) -> np.ndarray:
        device = self.policy.device
        seats = torch.from_numpy(games.turn.game[rows] * self.players + games.turn.player[rows]).to(device)
        memory, renewed = tuple(part[seats] for part in self.memory), games.renewed()
        actions, memory = self.policy.act(
            map_tree(lambda x: torch.from_numpy(x.astype(stored(x), copy=False)).to(device), obs),
            memory,
            None if renewed is None else torch.from_numpy(renewed[rows]).to(device),
            generator=self.generator,
            deterministic=self.deterministic,
            action_mask=None if mask is None else torch.from_numpy(mask).to(device),
        )
        for part, now in zip(self.memory, memory, strict=True):
            part[seats] = now
        return np.asarray(self.policy.actor.for_environment(actions))


class RandomPlayer:
    """A player that draws legal actions uniformly."""

    def begin(self, count: int, players: int) -> None:
        """It has no memory."""

    def act(self, games: Games, rows: np.ndarray, obs: Any, mask: np.ndarray | None) -> np.ndarray:
        space = games.single_action_space
        assert isinstance(space, Discrete)
        noise = games.rng.random((len(rows), int(space.n)))
        actions: np.ndarray = (noise if mask is None else np.where(mask, noise, -1)).argmax(1) + int(space.start)
        return actions


class ScriptedPlayer:
    """A player that is a function of the game's state, in games of our rules.

    Args:
        partner: The function, a :class:`lhy_rl.envs.game_versus.Partner`.
    """

    def __init__(self, partner: Any) -> None:
        self.partner = partner

    def begin(self, count: int, players: int) -> None:
        """It has no memory."""

    def act(self, games: Any, rows: np.ndarray, obs: Any, mask: np.ndarray | None) -> np.ndarray:
        actions = self.partner(games.rules, take(games.state, rows), games.turn.player[rows], games.rng)
        checked: np.ndarray = games.rules.checked(actions, len(rows))
        return checked


@dataclass
class PlayedGames:
    """N games of P players, M moves in all, sorted by game, then player, then time.

    Attributes:
        obs: (M, ...) the mover's observation.
        actions: (M,).
        action_mask: (M, A) bool, the legal actions; None if all were legal.
        rewards: (M,) the mover's rewards from this move until its next one or the end, added up.
        game, player: (M,) index of the game and of the player.
        first: (M,) bool: the player's first move in the game.
        renewed: (M,) bool: the mover's memory is reset before this move; always true at its first move.
        truncated: (M,) bool: this is the player's last move in a game that was truncated.
        final_obs: Maps a move to the final observation, if the game was truncated after it.
        scores: (N, P) each player's return; it includes rewards before its first move, which belong to no move.
        first_mover: (N,) the player that moved first.
        final_info: Numbers in the players' last infos, (N, P) each.
    """

    obs: Any
    actions: np.ndarray
    action_mask: np.ndarray | None
    rewards: np.ndarray
    game: np.ndarray
    player: np.ndarray
    first: np.ndarray
    renewed: np.ndarray
    truncated: np.ndarray
    scores: np.ndarray
    first_mover: np.ndarray
    final_info: dict[str, np.ndarray]
    final_obs: dict[int, Any] = field(default_factory=dict)

    def rollout(self, chosen: np.ndarray, policy: ActorCritic) -> Rollout:
        """The chosen moves as a rollout, for their policy to learn from.

        Each column of T steps holds whole sequences of a player's own moves, one after the other.

        Args:
            chosen: (M,) bool: the moves to take; of a player in a game either all or none.
            policy: The policy that learns.
        """
        moves = np.flatnonzero(chosen)
        starts = np.flatnonzero(self.first[moves])
        lengths = np.diff([*starts, len(moves)])
        length = ROWS_OF_THE_LONGEST * int(lengths.max())
        row, column, width = place(lengths, length)
        where = row, column
        last = np.append(starts[1:], len(moves)) - 1  # index of each sequence's last move

        def empty(x: np.ndarray, filled: Any, extra: int = 0) -> np.ndarray:
            return np.full((length + extra, width, *x.shape[1:]), filled, stored(x))

        def laid(x: np.ndarray, filled: Any = 0, extra: int = 0) -> np.ndarray:
            rows = empty(x, filled, extra)
            rows[where] = x[moves]
            return rows

        ends = np.zeros(len(self.actions), bool)
        ends[moves[last]] = True
        device = policy.device
        found = Rollout(
            obs=map_tree(lambda x: torch.from_numpy(laid(x, 0, 1)).to(device), self.obs),
            actions=torch.from_numpy(laid(self.actions, int(self.actions[0]))).to(device),
            rewards=torch.from_numpy(laid(self.rewards)).to(device),
            start=torch.from_numpy(laid(self.renewed, True, 1)).to(device),
            terminated=torch.from_numpy(laid(ends & ~self.truncated, True)).to(device),
            truncated=torch.from_numpy(laid(ends & self.truncated, False)).to(device),
            valid=torch.from_numpy(laid(np.ones(len(self.actions), bool), False)).to(device),
            action_mask=None if self.action_mask is None else torch.from_numpy(laid(self.action_mask, True)).to(device),
            state=policy.initial_state(width),
        )
        for k in np.flatnonzero(self.truncated[moves]).tolist():
            final = self.final_obs[int(moves[k])]
            found.truncated_final_obs.append((int(row[k]), int(column[k]), map_tree(np.asarray, final)))
        return found


def place(lengths: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Fill columns of ``length`` steps with whole sequences, in their order.

    Returns:
        Row and column of each step, and the number of columns.
    """
    firsts, columns = np.empty(len(lengths), np.int64), np.empty(len(lengths), np.int64)
    column, filled = 0, 0
    for k, n in enumerate(lengths.tolist()):
        if filled + n > length:
            column, filled = column + 1, 0
        firsts[k], columns[k] = filled, column
        filled += n
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.repeat(firsts, lengths) + within, np.repeat(columns, lengths), column + 1


def _check_shapes(games: Games, obs: Any, mask: np.ndarray | None) -> None:
    """Check that the first observations and masks have the shapes that the game declares."""
    if why := misfit(obs, games.single_observation_space):
        raise UserError(f"an observation of {games.name} does not fit its space: {why}; fix the environment")
    shape = len(games.turn.game), int(games.single_action_space.n)  # type: ignore[attr-defined]
    if mask is not None and mask.shape != shape:
        raise UserError(f"the action_mask of {games.name} has {mask.shape[1:]} entries; must have {shape[1]}")


def play_games(games: Games, count: int, players: Sequence[Player], seats: np.ndarray) -> PlayedGames:
    """Play games to their end.

    Args:
        games: The games to play.
        count: N, the number of games.
        players: The players.
        seats: (N, P) index into ``players`` for each seat of each game.

    Raises:
        UserError: A player chose an impossible action, a number is infinite or NaN, an observation is not in its
            space, or a player has no legal action.
    """
    games.begin(count)
    for one in players:
        one.begin(count, len(games.players))
    last = np.full(seats.shape, -1)  # each player's last move
    scores = np.zeros(seats.shape)
    first_mover = np.full(count, -1)
    rewards = np.zeros(16 * count)
    kept: list[tuple[Any, ...]] = []
    firsts: list[np.ndarray] = []
    begun: list[np.ndarray] = []
    truncated: list[np.ndarray] = []
    finals: dict[int, Any] = {}
    total = 0
    whole_numbers = WholeNumbers(games.single_observation_space)
    while len(games.turn.game):  # hot
        game, player = games.turn
        obs, mask = games.observe()
        if not kept:
            _check_shapes(games, obs, mask)
        check_numbers("observation", obs, np.ones(len(game), bool), len(kept), OF)
        whole_numbers.check(obs)
        if mask is not None and not mask.any(1).all():
            who = games.players[player[mask.any(1).argmin()]]
            raise UserError(f"{who} has no allowed action in {games.name}; fix its action_mask")
        actions = np.zeros(len(game), np.int64)
        whose = seats[game, player]
        for k, one in enumerate(players):
            rows = np.flatnonzero(whose == k)
            if rows.size == len(game):
                actions = one.act(games, rows, obs, mask)
            elif rows.size:
                actions[rows] = one.act(games, rows, take(obs, rows), None if mask is None else mask[rows])
        kept.append((obs, mask, actions, game, player))
        firsts.append(last[game, player] < 0)
        renewed = games.renewed()
        begun.append(firsts[-1] if renewed is None else firsts[-1] | renewed)
        first_mover[game] = np.where(first_mover[game] < 0, player, first_mover[game])
        last[game, player] = total + np.arange(len(game))
        total += len(game)
        if total > len(rewards):
            rewards = np.concatenate([rewards, np.zeros(max(total, len(rewards)))])
        outcome = games.advance(actions)
        check_numbers("reward", outcome.rewards, np.ones(count, bool), len(kept), OF)
        scores += outcome.rewards
        moved = last >= 0
        rewards[last[moved]] += outcome.rewards[moved]
        truncated.append(last[outcome.truncated & moved])
        for g, p, final in outcome.final_obs:
            if last[g, p] >= 0:
                finals[int(last[g, p])] = final
    game, player = (np.concatenate([part[i] for part in kept]) for i in (3, 4))
    order = np.argsort(game * len(games.players) + player, kind="stable")
    unfinished = np.zeros(total, bool)
    unfinished[np.concatenate(truncated)] = True
    number = np.empty(total, np.int64)
    number[order] = np.arange(total)
    return PlayedGames(
        obs=map_tree(lambda *x: np.concatenate(x)[order], *(part[0] for part in kept)),
        actions=np.concatenate([part[2] for part in kept])[order],
        action_mask=None if kept[0][1] is None else np.concatenate([part[1] for part in kept])[order],
        rewards=rewards[:total][order],
        game=game[order],
        player=player[order],
        first=np.concatenate(firsts)[order],
        renewed=np.concatenate(begun)[order],
        truncated=unfinished[order],
        scores=scores,
        first_mover=first_mover,
        final_info=games.final_info(),
        final_obs={int(number[move]): final for move, final in finals.items()},
    )
