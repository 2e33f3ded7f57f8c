"""Evaluates players in games: their scores, and the numbers that the games end with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np
import torch

from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.evaluate_policy import SEED
from lhy_rl.rollouts.games import Games
from lhy_rl.rollouts.self_play import PlayedGames, Player, PolicyPlayer, play_games

AGREEMENT, OF_DEALS = "agreement", ("pareto",)  # averaged over games with an agreement only


def summarize_games(played: PlayedGames, counted: np.ndarray | None = None) -> dict[str, float]:
    """Means over the games.

    Args:
        counted: (N, P) bool, the seats that count; None takes all.

    Returns:
        ``mean_return`` and ``std_return`` of the seats that count, ``first_mover_return``, ``other_return`` (of all
        other seats), ``mean_episode_length`` (moves per game) and the mean of each number in ``final_info``; that of
        ``pareto`` over the games with an agreement.
    """
    scores = played.scores
    seats = np.ones(scores.shape, bool) if counted is None else counted
    games = np.arange(len(scores))
    first = scores[games, played.first_mover]
    found = {
        "mean_return": scores[seats].mean(),
        "std_return": scores[seats].std(),
        "first_mover_return": first.mean(),
        "other_return": (scores.sum(1) - first).mean() / max(1, scores.shape[1] - 1),
        "mean_episode_length": len(played.actions) / len(scores),
    }
    deals = played.final_info.get(AGREEMENT)
    for key, values in played.final_info.items():
        chosen = seats & (deals > 0) if key in OF_DEALS and deals is not None else seats
        found[key] = values[chosen].mean() if chosen.any() else 0.0
    return {key: float(value) for key, value in found.items()}


def evaluate_policies(
    games: Games,
    count: int,
    policies: Sequence[ActorCritic],
    partner: Player | None = None,
    seed: int = SEED,
    deterministic: bool = True,
) -> tuple[dict[str, float], list[str]]:
    """Let policies play against each other or against a partner; return the means and the games' transcripts.

    Args:
        games: The games to play; seeded first.
        count: N, the number of games.
        policies: One for all seats, or one for each.
        partner: Plays all seats but one; the policy's seat changes from game to game, and only it counts. None leaves
            all seats to the policies.
        seed: The same seed and the same players give the same games.
        deterministic: Whether the policies take their most probable actions.
    """
    generator = torch.Generator(policies[0].device).manual_seed(seed)
    players: list[Player] = [PolicyPlayer(policy, generator, deterministic) for policy in policies]
    everybody = np.arange(len(games.players))
    seats = np.tile(everybody if len(policies) > 1 else 0 * everybody, (count, 1))
    own = np.ones(seats.shape, bool)
    if partner is not None:
        own = everybody == (np.arange(count) % len(everybody))[:, None]
        seats[~own] = len(players)
        players.append(partner)
    games.seed(seed)
    with ExitStack() as stack:
        for policy in policies:
            stack.enter_context(evaluating(policy))
        played = play_games(games, count, players, seats)
    return summarize_games(played, own), games.transcripts()
