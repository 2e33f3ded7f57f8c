"""Proximal policy optimisation: several epochs on the same rollout, with a limit on how far the policy moves.

    L = -E[min(r A, clip(r, 1 - eps, 1 + eps) A)] + c_v E[(G - V)^2] - c_e E[H(pi)],   r = pi(a|s) / pi_old(a|s)

(Schulman et al. 2017, eqs. 7 and 9).

The workhorse: use it where episodes are long, actions continuous or the policy recurrent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.common.on_policy import SCHEDULES, OnPolicy
from lhy_rl.agents.common.rollout_batch import Batch
from lhy_rl.core.errors import suggest
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.policy_gradient import approximate_kl, clip_fraction, clipped_surrogate, masked_mean, value_loss
from lhy_rl.nn.acceleration.manual_gradients import ppo_gradient
from lhy_rl.rollouts.vector_envs import Environment

STATISTICS = ("policy_gradient_loss", "value_loss", "entropy", "approx_kl", "clip_fraction")
APPROX_KL = STATISTICS.index("approx_kl")


class PPO(OnPolicy):
    """Clipped surrogate objective, generalised advantages.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable.
        batch_size: Minibatch size in steps; a recurrent policy takes whole sequences of ``bptt_steps``.
        n_epochs: Passes over the rollout of an update. More passes learn more from a step and move the policy further.
        clip_range: eps; the larger, the further one update may move the policy. Usually 0.1 to 0.3.
        clip_range_schedule: ``constant``, or ``linear`` down to 0.
        target_kl: Stop an update before the first minibatch whose approximate KL divergence exceeds 1.5 times this
            (nats), as Stable-Baselines3 does; null never stops. The KL is then read on every minibatch.
        **on_policy: Options of ``a2c`` and ``ppo``, and of every agent.

    Logs ``rollout/ep_rew_mean`` and ``rollout/ep_len_mean`` (the last 100 episodes), ``train/loss``,
    ``train/policy_gradient_loss``, ``train/value_loss``, ``train/entropy_loss`` (the negative entropy), ``train/std``
    (of continuous actions), ``train/approx_kl``, ``train/clip_fraction``, ``train/grad_norm``,
    ``train/explained_variance``, ``train/learning_rate``, ``train/clip_range``, ``train/n_updates`` (passes so far).
    """

    def __init__(
        self,
        env: Environment,
        *,
        batch_size: int = 64,
        n_epochs: int = 10,
        clip_range: float = 0.2,
        clip_range_schedule: str = "constant",
        target_kl: float | None = None,
        **on_policy: Any,
    ) -> None:
        check(batch_size=(batch_size, 1), n_epochs=(n_epochs, 1))
        positive(clip_range=clip_range, target_kl=1.0 if target_kl is None else target_kl)
        if clip_range_schedule not in SCHEDULES:
            raise suggest(clip_range_schedule, SCHEDULES, "clip_range_schedule")
        super().__init__(env, **on_policy)
        self.batch_size = batch_size
        self.n_epochs = n_epochs
        self.clip_range = clip_range
        self.clip_range_schedule = clip_range_schedule
        self.target_kl = target_kl

    schedulable = ("learning_rate", "clip_range")
    changeable = (*OnPolicy.changeable, "batch_size", "n_epochs", "clip_range", "target_kl")

    def make_optimizer(self, epsilon: float) -> torch.optim.Optimizer:
        return torch.optim.Adam([self.parameters.vector], lr=self.learning_rate, eps=epsilon, fused=True)

    def descend(self, batch: Batch) -> Metrics:
        clip_range = self.scheduled("clip_range")
        stats: list[Tensor] = []
        norms: list[Tensor] = []
        for steps in self.passes_over(batch):
            stats.append(self.gradient(steps, clip_range))
            if self.target_kl is not None and float(stats[-1][APPROX_KL]) > 1.5 * self.target_kl:
                break  # before the step: the policy has moved too far already
            norms.append(self.parameters.step(self.optimizer, self.max_grad_norm))
        means = torch.stack(stats).mean(0)
        norm = torch.stack(norms).mean() if norms else means.new_zeros(())
        metrics = self.report((*STATISTICS, "grad_norm"), torch.cat([means, norm[None]]))
        policy_loss, critic_loss, entropy = means[:3].tolist()
        metrics["train/loss"] = policy_loss + self.value_coef * critic_loss - self.entropy_coef * entropy
        metrics["train/explained_variance"] = batch.explained_variance()
        metrics["train/clip_range"] = clip_range
        return metrics

    def passes_over(self, batch: Batch) -> Iterator[Any]:
        """The minibatches of all passes."""
        for _ in range(self.n_epochs):
            self.passes += 1
            yield from self.minibatches(batch, self.batch_size)

    def gradient(self, steps: Any, clip_range: float) -> Tensor:
        """Write the gradient of the loss on a minibatch into the parameters; returns the statistics to log."""
        by_hand = ppo_gradient(self.manual, steps, clip_range, self.value_coef, self.entropy_coef)
        if by_hand is not None:
            return by_hand
        new = self.policy.evaluate(
            steps.obs, steps.actions, steps.state, steps.start, entropy=True, action_mask=steps.action_mask,
            valid=steps.valid,
        )  # fmt: skip
        assert new.value is not None and new.entropy is not None
        log_ratio = new.log_prob - steps.log_prob
        policy_loss = clipped_surrogate(log_ratio, steps.advantages, clip_range, steps.valid)
        critic_loss = value_loss(new.value, steps.returns, steps.valid)
        entropy = masked_mean(new.entropy, steps.valid)
        self.parameters.backward(policy_loss + self.value_coef * critic_loss - self.entropy_coef * entropy)
        with torch.no_grad():
            kl, clipped = approximate_kl(log_ratio, steps.valid), clip_fraction(log_ratio, clip_range, steps.valid)
        return torch.stack([policy_loss, critic_loss, entropy, kl, clipped]).detach()
