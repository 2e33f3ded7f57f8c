"""``lhy_rl/negotiation_v0`` as a PettingZoo module: ``env()``, ``raw_env()`` and ``parallel_env()``.

An illegal move ends the game of ``env()`` with -1; in ``raw_env()`` it passes the turn on and costs 0.01.
"""

from __future__ import annotations

from lhy_rl.envs.dialogue.negotiation import Negotiation
from lhy_rl.envs.game_module import pettingzoo_views
from lhy_rl.envs.registration import register_games

__all__ = ["env", "parallel_env", "raw_env"]

env, raw_env, parallel_env = pettingzoo_views(Negotiation)
register_games()
