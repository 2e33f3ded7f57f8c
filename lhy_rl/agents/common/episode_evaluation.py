"""Log-probabilities of the actions of whole episodes under a policy, and its critic's values."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lhy_rl.core.trees import map_tree
from lhy_rl.nn.policies.actor_critic import ActorCritic, Evaluation
from lhy_rl.rollouts.full_episodes import Episodes


def evaluate_episodes(policy: ActorCritic, episodes: Episodes, all_actions: bool, entropy: bool) -> Evaluation:
    """Evaluate episodes with the current policy, (T, B); a policy without memory reads the valid steps only."""
    mask, action_mask = episodes.valid, episodes.action_mask
    if policy.recurrent or all_actions or bool(mask.all()):
        state = tuple(s[0] for s in episodes.states)
        return policy.evaluate(
            episodes.obs, episodes.actions, state, episodes.start, mask, 1.0, all_actions, entropy, action_mask
        )

    def played(x: Tensor) -> Tensor:
        return x[mask][None]  # (1, N)

    def placed(x: Any) -> Any:
        return None if x is None else x.new_zeros(mask.shape).masked_scatter(mask, x)

    new = policy.evaluate(
        map_tree(played, episodes.obs), played(episodes.actions), (), played(episodes.start),
        entropy=entropy, action_mask=None if action_mask is None else played(action_mask),
    )  # fmt: skip
    return Evaluation(*map(placed, (new.log_prob, new.value, new.entropy)))
