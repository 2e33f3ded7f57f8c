"""``lhy_rl/negotiation_tokens_v0`` as a PettingZoo module: ``env()``, ``raw_env()`` and ``parallel_env()``.

An illegal word ends the game of ``env()`` with -1; in ``raw_env()`` an utterance that means nothing passes the
turn on and costs 0.01.
"""

from __future__ import annotations

from lhy_rl.envs.dialogue.negotiation_tokens import NegotiationTokens
from lhy_rl.envs.game_module import pettingzoo_views
from lhy_rl.envs.registration import register_games

__all__ = ["env", "parallel_env", "raw_env"]

env, raw_env, parallel_env = pettingzoo_views(NegotiationTokens)
register_games()
