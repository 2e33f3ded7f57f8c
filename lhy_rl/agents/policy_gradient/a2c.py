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
from lhy_rl.agents.common.rollout_batch import Arrays, Batch, explained_variance, standardized
from lhy_rl.functional.policy_gradient import masked_mean, reinforce_loss, value_loss
from lhy_rl.nn.acceleration.manual_gradients import a2c_gradients
from lhy_rl.rollouts.vector_envs import Environment


class A2C(OnPolicy):
    """Synchronous advantage actor-critic, with RMSprop.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable.
        n_steps: Steps of each instance that an update learns from.
        learning_rate: RMSprop's.
        gae_lambda: 1 uses the rewards of the whole piece and then the critic.
        normalize_advantage: Bring advantages to mean 0 and standard deviation 1.
        num_envs: Instances. More make steadier updates, and fewer of them in the same steps.
        **on_policy: Options of ``a2c`` and ``ppo``, and of every agent.

    Logs what ``ppo`` logs, ``train/policy_gradient_loss`` under the name ``train/policy_loss`` (as in SB3), but for
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
            env,
            n_steps=n_steps,
            learning_rate=learning_rate,
            gae_lambda=gae_lambda,
            normalize_advantage=normalize_advantage,
            num_envs=num_envs,
            **on_policy,
        )

    reuses_steps = False
    usual_log_interval = 100  # as in Stable-Baselines3: its updates are short

    def make_optimizer(self, epsilon: float) -> torch.optim.Optimizer:
        return torch.optim.RMSprop([self.parameters.vector], lr=self.learning_rate, alpha=0.99, eps=epsilon)

    def improve(self, batch: Batch) -> Metrics:
        # of this class by name, because gail lends itself to this method
        step, step_by_hand = A2C.gradient_step, A2C.gradient_step_by_hand
        self.passes += 1
        said = step(self, batch) if self.manual is None else step_by_hand(self, batch.arrays())
        names = ("policy_loss", "value_loss", "entropy", "grad_norm", "explained_variance")
        return self.report(names, torch.cat([said, explained_variance(batch)[None]]))

    def gradient_step(self, part: Batch) -> Tensor:
        """One step down the loss; what there is to log, a tensor."""
        valid = part.valid if self.policy.recurrent else None
        advantage = standardized(part.advantages, valid) if self.normalize_advantage else part.advantages
        new = self.policy.evaluate(
            part.obs, part.actions, part.state, part.start, entropy=True, action_mask=part.action_mask
        )
        assert new.value is not None and new.entropy is not None
        policy_loss = reinforce_loss(new.log_prob, advantage, valid)
        critic_loss = value_loss(new.value, part.returns, valid)
        entropy = masked_mean(new.entropy, valid)
        loss = policy_loss + self.value_coef * critic_loss - self.entropy_coef * entropy
        norm = self.parameters.descend(self.optimizer, loss, self.max_grad_norm)
        return torch.stack([policy_loss, critic_loss, entropy, norm]).detach()

    def gradient_step_by_hand(self, part: Arrays) -> Tensor:
        """As :meth:`gradient_step`, of a small policy without memory."""
        assert self.manual is not None
        part = part.standardized() if self.normalize_advantage else part
        new = self.manual.evaluate(part.obs, part.actions, part.action_mask)
        said, grad_log_prob, grad_value = a2c_gradients(*new, part.advantages, part.returns, self.value_coef)
        self.manual.backward(grad_log_prob, grad_value, -self.entropy_coef / len(part.returns))
        norm = self.parameters.step(self.optimizer, self.max_grad_norm)
        return torch.cat([torch.from_numpy(said), norm[None]])
