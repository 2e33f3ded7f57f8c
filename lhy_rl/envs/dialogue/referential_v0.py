"""``lhy_rl/referential_v0`` as a PettingZoo module: ``env()``, ``raw_env()`` and ``parallel_env()``.

An illegal action ends the game: in ``env()`` with -1 for the player who made it, in ``raw_env()`` with 0 for both.
"""

from __future__ import annotations

from lhy_rl.envs.dialogue.referential import Referential
from lhy_rl.envs.game_module import pettingzoo_views
from lhy_rl.envs.registration import register_games

__all__ = ["env", "parallel_env", "raw_env"]

env, raw_env, parallel_env = pettingzoo_views(Referential)
register_games()
