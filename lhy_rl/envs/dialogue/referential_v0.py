"""``lhy_rl/referential_v0``, PettingZoo's way: ``env()``, ``raw_env()`` and ``parallel_env()``.

An illegal action ends the game: with -1 for who made it in ``env()``, with nothing for both in ``raw_env()``.
"""

from __future__ import annotations

from lhy_rl.envs.dialogue.referential import Referential
from lhy_rl.envs.game_module import pettingzoo_views
from lhy_rl.envs.registration import register_games

__all__ = ["env", "parallel_env", "raw_env"]

env, raw_env, parallel_env = pettingzoo_views(Referential)
register_games()
