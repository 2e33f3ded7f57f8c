"""Advantage actor-critic: one gradient step on a few fresh steps of every instance.

    L = -E[log pi(a|s) A] + c_v E[(G - V)^2] - c_e E[H(pi)]     (Mnih et al. 2016, section 4, without the threads)

The simplest actor-critic: use it where steps are cheap and there are many instances.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.common.on_policy import OnPolicy
from lhy_rl.agents.common.rollout_batch import Batch
from lhy_rl.functional.policy_gradient import masked_mean, reinforce_loss, value_loss
from lhy_rl.nn.acceleration.manual_gradients import a2c_gradient
from lhy_rl.rollouts.vector_envs import Environment


class A2C(OnPolicy):
    """Synchronous advantage actor-critic, with RMSprop.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable.
        n_steps: Steps of each instance that an update learns from.
        learning_rate: RMSprop's.
        gae_lambda: 1 uses all rewards of the rollout and then bootstraps from the critic.
        normalize_advantage: Bring advantages to mean 0 and standard deviation 1.
        num_envs: Parallel instances. More make updates less noisy, but fewer for the same number of steps.
        **on_policy: Options of ``a2c`` and ``ppo``, and of every agent.

    Logs the metrics of ``ppo``, with ``train/policy_gradient_loss`` named ``train/policy_loss`` (as in SB3), except
    ``train/loss``, ``train/approx_kl``, ``train/clip_fraction`` and ``train/clip_range``.
    """

    def __init__(
        self,
        env: Environment,
        *,
        n_steps: int = 5,
        learning_rate: float = 7e-4,
        gae_lambda: float = 1.0,
        normalize_advantage: bool = False,
        num_envs: int = 4,
        **on_policy: Any,
    ) -> None:
        super().__init__(
            env, n_steps=n_steps, learning_rate=learning_rate, gae_lambda=gae_lambda,
            normalize_advantage=normalize_advantage, num_envs=num_envs, **on_policy,
        )  # fmt: skip

    reuses_steps = False
    usual_log_interval = 100  # as in Stable-Baselines3: its updates are short

    def make_optimizer(self, epsilon: float) -> torch.optim.Optimizer:
        return torch.optim.RMSprop([self.parameters.vector], lr=self.learning_rate, alpha=0.99, eps=epsilon)

    def descend(self, batch: Batch) -> Metrics:
        self.passes += 1
        (steps,) = self.minibatches(batch)
        stats = self.gradient(steps)
        norm = self.parameters.step(self.optimizer, self.max_grad_norm)
        metrics = self.report(("policy_loss", "value_loss", "entropy", "grad_norm"), torch.cat([stats, norm[None]]))
        metrics["train/explained_variance"] = batch.explained_variance()
        return metrics

    def gradient(self, steps: Any) -> Tensor:
        """Write the gradient of the loss into the parameters; returns the statistics to log."""
        by_hand = a2c_gradient(self.manual, steps, self.value_coef, self.entropy_coef)
        if by_hand is not None:
            return by_hand
        new = self.policy.evaluate(
            steps.obs, steps.actions, steps.state, steps.start, entropy=True, action_mask=steps.action_mask,
            valid=steps.valid,
        )  # fmt: skip
        assert new.value is not None and new.entropy is not None
        policy_loss = reinforce_loss(new.log_prob, steps.advantages, steps.valid)
        critic_loss = value_loss(new.value, steps.returns, steps.valid)
        entropy = masked_mean(new.entropy, steps.valid)
        self.parameters.backward(policy_loss + self.value_coef * critic_loss - self.entropy_coef * entropy)
        return torch.stack([policy_loss, critic_loss, entropy]).detach()
