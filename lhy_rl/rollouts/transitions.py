"""The steps of a rollout side by side, for whoever learns from transitions and not from episodes."""

from __future__ import annotations

from lhy_rl.core.trees import map_tree
from lhy_rl.data.demonstrations import Transitions
from lhy_rl.rollouts.fixed_length import Rollout


def transitions_of(rollout: Rollout) -> Transitions:
    """The valid steps of a rollout as the environment gave and took them; its collector kept them ``whole``."""
    assert rollout.env_actions is not None
    valid, terminated, start, rewards = (
        x.cpu().numpy() for x in (rollout.valid, rollout.terminated, rollout.start[:-1], rollout.rewards)
    )
    next_obs = map_tree(lambda x: x[1:].copy(), rollout.seen)
    for t, i, last in rollout.last:
        map_tree(lambda x, one, t=t, i=i: x.__setitem__((t, i), one), next_obs, last)
    return Transitions(
        map_tree(lambda x: x[:-1][valid], rollout.seen),
        rollout.env_actions[valid],
        map_tree(lambda x: x[valid], next_obs),
        rewards[valid],
        terminated[valid],
        start[valid],
    )
