"""``lhy_rl/negotiation_v0``, PettingZoo's way: ``env()``, ``raw_env()`` and ``parallel_env()``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lhy_rl.envs.dialogue.negotiation import Negotiation
from lhy_rl.envs.registration import register_games

if TYPE_CHECKING:
    from pettingzoo.utils.env import AECEnv

    from lhy_rl.envs.game_pettingzoo import GameAEC, GameParallel

__all__ = ["env", "parallel_env", "raw_env"]


def env(render_mode: str | None = None, **options: Any) -> AECEnv:
    """The AEC environment with PettingZoo's wrappers; an illegal move ends the game with -1.

    Args:
        render_mode: None, ``"ansi"`` or ``"human"``.
        **options: Of :class:`Negotiation`.
    """
    from lhy_rl.envs.game_pettingzoo import wrapped

    return wrapped(raw_env(render_mode, **options))


def raw_env(render_mode: str | None = None, **options: Any) -> GameAEC:
    """The AEC environment without wrappers; an illegal move passes the turn on and costs 0.01."""
    from lhy_rl.envs.game_pettingzoo import GameAEC

    return GameAEC(Negotiation(**options), render_mode)


def parallel_env(render_mode: str | None = None, **options: Any) -> GameParallel:
    """The parallel environment: only the action of the player whose turn it is counts."""
    from lhy_rl.envs.game_pettingzoo import GameParallel

    return GameParallel(Negotiation(**options), render_mode)


register_games()
