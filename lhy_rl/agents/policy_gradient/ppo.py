"""Proximal policy optimisation: several passes over the same steps, with a policy that may not go far.

    L = -E[min(r A, clip(r, 1 - eps, 1 + eps) A)],   r = pi(a|s) / pi_old(a|s)      (Schulman et al. 2017, eq. 7)

The workhorse: use it where episodes are long, actions continuous or the policy recurrent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.common.on_policy import SCHEDULES, OnPolicy
from lhy_rl.agents.common.rollout_batch import Arrays, Batch, explained_variance, standardized
from lhy_rl.core.errors import suggest
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.policy_gradient import proximal_loss
from lhy_rl.nn.acceleration.manual_gradients import ppo_gradients
from lhy_rl.rollouts.vector_envs import Environment

Step = Callable[[], Tensor]
"""Makes a gradient step and gives the gradient's norm before it was shortened."""
APPROX_KL = 3  # its place in what there is to log


class PPO(OnPolicy):
    """Clipped surrogate objective, generalised advantages.

    Args:
        env: An id, an ``Env``, a ``VectorEnv`` or a callable.
        batch_size: Steps a gradient step; with a recurrent policy whole pieces of ``bptt_steps``.
        n_epochs: Passes over the steps of an update. More learns more from each and drifts further.
        clip_range: eps; the larger, the further one update may move the policy. Usually 0.1 to 0.3.
        clip_range_schedule: ``constant``, or ``linear`` down to 0.
        target_kl: Stop an update before the first minibatch on which the policy has moved further than 1.5 times this
            (nats), as Stable-Baselines3 does; null never. It costs a look at each minibatch.
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

    def make_optimizer(self, epsilon: float) -> torch.optim.Optimizer:
        return torch.optim.Adam([self.parameters.vector], lr=self.learning_rate, eps=epsilon, fused=True)

    def improve(self, batch: Batch) -> Metrics:
        now = self.scheduled("clip_range")
        clip_range = self.clip_range if now is None else now
        said: list[Tensor] = []
        norms: list[Tensor] = []
        for row, step in self.losses(batch, clip_range):
            said.append(row)
            if self.target_kl is not None and float(row[APPROX_KL]) > 1.5 * self.target_kl:
                break  # before the step, so that the policy stays where it was found to be too far
            norms.append(step())
        names = ("policy_gradient_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "grad_norm")
        means = torch.stack(said).mean(0)
        norm = torch.stack(norms).mean() if norms else means.new_zeros(())
        metrics = self.report(names, torch.cat([means, norm[None]]))
        policy, value, entropy = means[:3].tolist()
        metrics["train/loss"] = policy + self.value_coef * value - self.entropy_coef * entropy
        metrics["train/explained_variance"] = float(explained_variance(batch))
        metrics["train/clip_range"] = clip_range
        return metrics

    def losses(self, batch: Batch, clip_range: float) -> Iterator[tuple[Tensor, Step]]:
        """Of each minibatch of each pass: what there is to log, and the step down its loss."""
        for _ in range(self.n_epochs):
            self.passes += 1
            if self.manual is None:
                yield from (self.loss(part, clip_range) for part in self.minibatches(batch, self.batch_size))
            else:
                parts = self.minibatches_of_arrays(batch, self.batch_size)
                yield from (self.loss_by_hand(part, clip_range) for part in parts)

    def loss(self, part: Batch, clip_range: float) -> tuple[Tensor, Step]:
        """What there is to log about a minibatch, a tensor, and the step down its loss."""
        valid = part.valid if self.policy.recurrent else None
        advantage = part.advantages
        if self.normalize_advantage and advantage.numel() > 1:
            advantage = standardized(advantage, valid)
        new = self.policy.evaluate(
            part.obs, part.actions, part.state, part.start, entropy=True, action_mask=part.action_mask
        )
        assert new.value is not None and new.entropy is not None
        old = part.log_prob, advantage, part.returns
        loss, said = proximal_loss(
            new.log_prob, new.value, new.entropy, *old, clip_range, self.value_coef, self.entropy_coef, valid
        )
        return said, lambda: self.parameters.descend(self.optimizer, loss, self.max_grad_norm)

    def loss_by_hand(self, part: Arrays, clip_range: float) -> tuple[Tensor, Step]:
        """As :meth:`loss`, of a small policy without memory."""
        manual = self.manual
        assert manual is not None
        part = part.standardized() if self.normalize_advantage else part
        new = manual.evaluate(part.obs, part.actions, part.action_mask)
        old = part.log_prob, part.advantages, part.returns
        said, grad_log_prob, grad_value = ppo_gradients(*new, *old, clip_range, self.value_coef)

        def step() -> Tensor:
            manual.backward(grad_log_prob, grad_value, -self.entropy_coef / len(part.returns))
            return self.parameters.step(self.optimizer, self.max_grad_norm)

        return torch.from_numpy(said), step
