"""A former name of :mod:`lhy_rl.rollouts.record_episodes`, kept because the documentation has shown it."""

from lhy_rl.rollouts.record_episodes import Again, Stop, random_policy, record

__all__ = ["Again", "Stop", "random_policy", "record"]
