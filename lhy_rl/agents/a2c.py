"""Advantage actor-critic: one gradient step on a few fresh steps of every instance.

    L = -E[log pi(a|s) A] + c_v E[(G - V)^2] - c_e E[H(pi)]     (Mnih et al. 2016, section 4, without the threads)

The simplest actor-critic: use it where steps are cheap and there are many instances.
"""

from __future__ import annotations

from typing import Any

import torch

from lhy_rl.agents.base import Metrics
from lhy_rl.agents.batch import Batch, explained_variance, flattened, standardized
from lhy_rl.agents.environments import Environment
from lhy_rl.agents.on_policy import OnPolicy
from lhy_rl.functional.policy_gradient import actor_critic_loss, masked_mean, reinforce_loss, value_loss


class A2C(OnPolicy):
    """Synchronous advantage actor-critic, with RMSprop.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable.
        n_steps: Steps of each instance that an update learns from.
        learning_rate: RMSprop's.
        gae_lambda: 1 uses the rewards of the whole piece and then the critic.
        normalize_advantage: Bring advantages to mean 0 and standard deviation 1.
        **on_policy: Options of ``a2c`` and ``ppo``, and of every agent.

    Logs what ``ppo`` logs, but for ``train/approx_kl``, ``train/clip_fraction`` and ``train/clip_range``.
    """

    def __init__(
        self,
        env: Environment,
        *,
        n_steps: int = 5,
        learning_rate: float = 7e-4,
        gae_lambda: float = 1.0,
        normalize_advantage: bool = False,
        **on_policy: Any,
    ) -> None:
        super().__init__(
            env,
            n_steps=n_steps,
            learning_rate=learning_rate,
            gae_lambda=gae_lambda,
            normalize_advantage=normalize_advantage,
            **on_policy,
        )

    def make_optimizer(self, epsilon: float) -> torch.optim.Optimizer:
        return torch.optim.RMSprop([self.parameters.vector], lr=self.learning_rate, alpha=0.99, eps=epsilon)

    def improve(self, batch: Batch) -> Metrics:
        part = batch if self.policy.recurrent else flattened(batch)
        valid = part.valid
        advantage = standardized(part.advantages, valid) if self.normalize_advantage else part.advantages
        if self.twins is not None:
            log_prob, value, entropy = self.twins.evaluate(part.obs, part.actions, part.legal)
            n = advantage.numel()
            slopes = -advantage / n, (value - part.returns) * (2 * self.value_coef / n), -self.entropy_coef / n
            norm = self.parameters.follow(self.optimizer, self.twins.pull(*slopes), self.max_grad_norm)
        else:
            new = self.policy.evaluate(part.obs, part.actions, part.state, part.start, entropy=True, legal=part.legal)
            assert new.value is not None and new.entropy is not None
            log_prob, value, entropy = new.log_prob, new.value, new.entropy
            loss = actor_critic_loss(
                log_prob, advantage, value, part.returns, entropy, self.value_coef, self.entropy_coef, valid
            )
            norm = self.parameters.descend(self.optimizer, loss, self.max_grad_norm)
        with torch.no_grad():
            said = torch.stack(
                [
                    reinforce_loss(log_prob, advantage, valid),
                    value_loss(value, part.returns, valid),
                    masked_mean(entropy, valid),
                    norm,
                    explained_variance(batch),
                ]
            )
        return self.report(("policy_loss", "value_loss", "entropy", "grad_norm", "explained_variance"), said)
