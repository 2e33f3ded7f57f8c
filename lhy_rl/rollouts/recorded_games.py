"""Recorded moves of a game, to imitate: each episode is one player's own moves of one game."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.data.demonstrations import Demonstrations
from lhy_rl.interop.demonstrations import load_demonstrations
from lhy_rl.rollouts.games import Games
from lhy_rl.rollouts.pettingzoo_games import policy_space, without_mask
from lhy_rl.rollouts.self_play import PlayedGames

PEOPLE = "people"


def are_recorded(source: Any) -> bool:
    """Whether this is a recording, not a player: demonstrations, their file, or ``people``."""
    if isinstance(source, str):
        return source.endswith(".npz") or source == PEOPLE
    return isinstance(source, Demonstrations | os.PathLike)


def recorded_games(source: Any, games: Games) -> PlayedGames:
    """The moves of demonstrations as games; which seat played them is not known.

    Args:
        source: Demonstrations or an .npz file, with observations as the game gives them, with or without masks; or
            ``people`` for the human demonstrations that come with the game's rules.
        games: The game that they must be of.

    Raises:
        UserError: There is no such file, or it is of another game.
    """
    if source == PEOPLE:
        known = None if games.batched is None else games.batched.demonstrations()
        if known is None:
            raise UserError(f"{games.name} has no recorded human games; give demonstrations, or the name of a player")
        given = known
    else:
        given = load_demonstrations(source)
    spaces = policy_space(given.observation_space), given.action_space
    wanted = games.single_observation_space, games.single_action_space
    if spaces != wanted:
        raise UserError(f"the demonstrations have the spaces {brief(spaces)}; {games.name} has {brief(wanted)}")
    steps = given.transitions
    count = int(steps.start.sum())
    game = np.cumsum(steps.start) - 1
    mask = steps.obs[ACTION_MASK].astype(bool) if isinstance(steps.obs, dict) and ACTION_MASK in steps.obs else None
    return PlayedGames(
        obs=without_mask(steps.obs),
        actions=np.asarray(steps.actions).astype(np.int64),
        action_mask=mask,
        rewards=steps.rewards.astype(float),
        game=game,
        player=np.zeros(len(steps), np.int64),
        first=steps.start,
        truncated=np.zeros(len(steps), bool),
        scores=np.zeros((count, len(games.players))),
        first_mover=np.zeros(count, np.int64),
        final_info={},
        renewed=steps.start,
    )
