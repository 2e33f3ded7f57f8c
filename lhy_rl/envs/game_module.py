"""The functions of a game's module, as in PettingZoo's own modules: ``env``, ``raw_env`` and ``parallel_env``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lhy_rl.envs.game import BatchedGame

if TYPE_CHECKING:
    from pettingzoo.utils.env import AECEnv

    from lhy_rl.envs.game_pettingzoo import GameAEC, GameParallel


def pettingzoo_views(
    rules: Callable[..., BatchedGame],
) -> tuple[Callable[..., AECEnv], Callable[..., GameAEC], Callable[..., GameParallel]]:
    """The three functions of a game's module.

    Each takes ``render_mode`` (None, ``"ansi"`` or ``"human"``) and the options of the rules. PettingZoo is imported
    when one of them is called.
    """

    def raw_env(render_mode: str | None = None, **options: Any) -> GameAEC:
        """The AEC environment without wrappers: the rules define the effect of an illegal action."""
        from lhy_rl.envs.game_pettingzoo import GameAEC

        return GameAEC(rules(**options), render_mode)

    def env(render_mode: str | None = None, **options: Any) -> AECEnv:
        """The AEC environment with PettingZoo's wrappers: an illegal action ends the game with -1."""
        from lhy_rl.envs.game_pettingzoo import wrapped

        return wrapped(raw_env(render_mode, **options))

    def parallel_env(render_mode: str | None = None, **options: Any) -> GameParallel:
        """The parallel environment: only the action of the player whose turn it is counts."""
        from lhy_rl.envs.game_pettingzoo import GameParallel

        return GameParallel(rules(**options), render_mode)

    return env, raw_env, parallel_env
