"""Two ways to keep a language while a reward is maximised: imitate now and then, and pay for leaving a reference.

Without them two policies that are rewarded together may end in a code of their own (Lewis et al. 2017, section 4.2).
"""

from __future__ import annotations

import torch

from lhy_rl.agents.policy_gradient.ppo import PPO
from lhy_rl.core.trees import map_tree
from lhy_rl.functional.policy_gradient import categorical_kl, masked_mean
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.rollout import Rollout


def supervised_step(learner: PPO, rollout: Rollout) -> float:
    """One gradient step down L = -E[log pi(a|s)] over the valid steps of somebody's rollout; the loss before it.

    Args:
        learner: Whose policy and optimizer.
    """
    learner.policy.train()
    found = learner.policy.evaluate(
        map_tree(lambda x: x[:-1], rollout.obs), rollout.actions, rollout.state, rollout.start[:-1],
        action_mask=rollout.action_mask,
    )  # fmt: skip
    loss = -masked_mean(found.log_prob, rollout.valid)
    learner.parameters.descend(learner.optimizer, loss, learner.max_grad_norm)
    return float(loss.detach())


@torch.no_grad()
def penalize_drift(policy: ActorCritic, reference: ActorCritic, rollout: Rollout, coef: float) -> float:
    """Take ``coef`` (log pi(a|s) - log pi_reference(a|s)) off the rewards (Jaques et al. 2017, "KL-control").

    Returns:
        The exact KL(pi || pi_reference) at the states that were played, in nats a step, whatever ``coef`` is.
    """
    obs, start, mask = map_tree(lambda x: x[:-1], rollout.obs), rollout.start[:-1], rollout.action_mask
    own, other = (
        one.evaluate(obs, rollout.actions, rollout.state, start, all_actions=True, action_mask=mask)
        for one in (policy, reference)
    )
    assert own.log_probs is not None
    assert other.log_probs is not None
    if coef:
        rollout.rewards = rollout.rewards - coef * (own.log_prob - other.log_prob)
    return float(masked_mean(categorical_kl(own.log_probs, other.log_probs), rollout.valid))
