"""Reinforcement and imitation learning as a suite: environments, backbones, agents. Importing it registers the ids."""

from typing import TYPE_CHECKING, Any

from lhy_rl.envs.registration import register

if TYPE_CHECKING:
    from lhy_rl.experiment.load import load

__version__ = "0.1.0"
__all__ = ["load"]

register()


def __getattr__(name: str) -> Any:
    """``lhy_rl.load``, which is imported when it is first asked for."""
    if name == "load":
        from lhy_rl.experiment.load import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
