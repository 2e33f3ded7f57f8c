"""Evaluation of a policy of games: games with itself and with scripted players, and their dialogues."""

from __future__ import annotations

from typing import Any

import numpy as np

from lhy_rl.rollouts.evaluate_games import summarize_games
from lhy_rl.rollouts.evaluate_policy import SEED
from lhy_rl.rollouts.self_play import RandomPlayer, play_games

WITH_ITSELF = "self-play"


def compare(agent: Any, games: int, dialogues: int) -> tuple[dict[str, dict[str, float]], dict[str, list[str]]]:
    """The metrics of games with itself and with each of the agent's partners, and some of the games as text.

    Args:
        agent: A :class:`lhy_rl.agents.dialogue.self_play.SelfPlay`.
        games: Number of games of each kind, on held-out contexts where there are any.
        dialogues: Number of games that are returned as text.
    """
    table: dict[str, dict[str, float]] = {}
    texts: dict[str, list[str]] = {}
    for partner in (None, *agent.partners):
        name = WITH_ITSELF if partner is None else f"with {partner}"
        table[name], played = agent.play_evaluation(games, partner)
        if dialogues and played:
            texts[name] = played[:dialogues]
    return table, texts


def references(agent: Any, games: int) -> dict[str, dict[str, float]]:
    """The row of players that draw legal moves uniformly."""
    where = agent.games.held_out()
    where.seed(SEED)
    played = play_games(where, games, [RandomPlayer()], np.zeros((games, len(where.players)), np.int64))
    return {"random": summarize_games(played)}
