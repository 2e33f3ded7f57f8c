"""``lhy_rl/chat_selfplay_v0`` as a PettingZoo module: ``env()``, ``raw_env()`` and ``parallel_env()``.

An illegal token ends the dialogue of ``env()`` with -1; in ``raw_env()`` it is appended like any other.
"""

from __future__ import annotations

from lhy_rl.envs.dialogue.chat_selfplay import ChatSelfplay
from lhy_rl.envs.game_module import pettingzoo_views
from lhy_rl.envs.registration import register_games

__all__ = ["env", "parallel_env", "raw_env"]

env, raw_env, parallel_env = pettingzoo_views(ChatSelfplay)
register_games()
