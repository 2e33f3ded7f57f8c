"""The games that an agent plays, made from an id, rules or an environment, and scripted players by name."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pettingzoo
from gymnasium.vector import VectorEnv

from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.core.registry import game_spec_of
from lhy_rl.envs.game import BatchedGame
from lhy_rl.envs.registration import GAMES, GameRow
from lhy_rl.rollouts.games import BatchedGames, Games
from lhy_rl.rollouts.pettingzoo_games import PettingZooGames
from lhy_rl.rollouts.self_play import Player, RandomPlayer, ScriptedPlayer


def is_game(env_id: str) -> bool:
    """Whether this is the id of one of our games, or of one of PettingZoo's."""
    return any(row.id == env_id for row in GAMES) or game_spec_of(env_id) is not None


def imported(place: str) -> Any:
    """The object at ``"module:attribute"``."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def row_of(env_id: str) -> GameRow:
    """The row of a game.

    Raises:
        UserError: There is no such game.
    """
    for row in GAMES:
        if row.id == env_id:
            return row
    raise suggest(env_id, [row.id for row in GAMES], "game")


def make_games(env: Any, num_envs: int = 1, **options: Any) -> Games:
    """Games from an id, rules of ours, an environment of PettingZoo, or a callable that makes one of these.

    Args:
        num_envs: Number of games at once; from an id or a callable, as many environments of PettingZoo are made.
        options: Options of the rules; only with an id.

    Raises:
        UserError: ``env`` is none of these.
    """
    if isinstance(env, Games):
        return env
    if isinstance(env, VectorEnv) and hasattr(env, "is_absent"):
        return AbsentGames(PAIR, env.single_observation_space, env.single_action_space, env.num_envs)
    if isinstance(env, str) and (found := game_spec_of(env)) is not None:
        return PettingZooGames([pettingzoo.make(found[0], env, **options) for _ in range(num_envs)])
    if isinstance(env, str):
        row = row_of(env)
        rules = imported(row.rules)
        others = [rules(**{**options, **part}) if part else None for part in (row.held_out, row.validation)]
        return BatchedGames(rules(**options), num_envs, *others)
    if isinstance(env, BatchedGame):
        return BatchedGames(env, num_envs)
    if inspect.isclass(env) or (callable(env) and not hasattr(env, "possible_agents")):
        first = env()
        if isinstance(first, BatchedGame):
            return BatchedGames(first, num_envs)
        return PettingZooGames([first, *(env() for _ in range(num_envs - 1))])
    return PettingZooGames([env])


PAIR = ("player_0", "player_1")


class AbsentGames(Games):
    """A placeholder for the game of an agent that was loaded without one: the agent predicts but cannot learn."""

    name = "none (the agent was loaded without its game)"

    def begin(self, count: int) -> None:
        raise UserError("this agent was loaded without its game; give it one: load(path, env), or set_env(env)")


def make_player(games: Games, player: Any) -> Player:
    """A scripted player: ``random``, the name of one of the game's players, or a function of the game's state.

    Raises:
        UserError: The game has no such player.
    """
    if player == "random":
        return RandomPlayer()
    if games.batched is None:
        raise UserError(f"{games.name} has no scripted player {brief(player)}; allowed: random")
    if callable(player):
        return ScriptedPlayer(player)
    row = next((row for row in GAMES if row.id == f"lhy_rl/{games.name}" and row.partner), None)
    if row is None:
        raise UserError(f"{games.name} has no scripted player {brief(player)}; allowed: random, or a function")
    return ScriptedPlayer(imported(row.partner)(str(player)))
