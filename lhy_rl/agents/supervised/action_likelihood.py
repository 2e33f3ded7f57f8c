"""The likelihood of an expert's actions under a policy, which `bc` and `dagger` maximise.

For discrete actions it is the likelihood under the policy's own distribution. For continuous actions the mean is
learned by the squared error, weighted by the spread of the expert's actions, with means beyond an action's bound
treated as at the bound. The standard deviation is not learned by gradient, but set in closed form to the likeliest one
given the mean: a deviation that shrinks while the mean is learned only makes the mean's gradient steps uneven.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lhy_rl.functional.censored_gaussian import censored_residual, gaussian_nll, likeliest_log_std
from lhy_rl.functional.fused.categorical import categorical_backward, categorical_forward
from lhy_rl.nn.heads.categorical import CategoricalHead
from lhy_rl.nn.heads.gaussian import GaussianHead
from lhy_rl.nn.policies.actor_critic import ActorCritic

LEAST_VARIANCE = 1e-8


class LabelledFeatures(NamedTuple):
    """Labelled steps as the actor's head reads them: features (N, H), actions (N, ...), action mask (N, A) or None.

    ``targets`` are a teacher's distributions (N, P), or None without a teacher.
    """

    features: Tensor
    actions: Tensor
    action_mask: Tensor | None
    targets: Tensor | None = None


class ActionLikelihood:
    """Log-probabilities and entropies of the policy's own distribution.

    Args:
        policy: The policy; its actor may be replaced later.
    """

    def __init__(self, policy: ActorCritic) -> None:
        self.policy = policy

    @property
    def head(self) -> Any:
        """The policy's actor."""
        return self.policy.actor

    @property
    def has_manual_gradient(self) -> bool:
        """Whether :meth:`manual_gradient` can replace :meth:`evaluate`: not for a subclass of the head."""
        return type(self.head) is CategoricalHead

    def fit_scale(self, actions: Tensor) -> None:
        """Measure the scale of the expert's actions (N, ...); discrete actions have none."""

    def evaluate(self, batch: LabelledFeatures) -> tuple[Tensor, Tensor, Tensor]:
        """Log-probabilities and entropies (N,), differentiable, and the statistics of these steps."""
        log_prob, entropy = self.head.evaluate(batch.features, batch.actions, batch.action_mask)
        return log_prob, entropy, torch.stack([-log_prob.detach().mean(), entropy.detach().mean()])

    def manual_gradient(self, outputs: Tensor, actions: Tensor, entropy_coef: float) -> tuple[Tensor, Tensor]:
        """The statistics, and the gradient of -E[log pi(a|s)] - c E[H] with respect to the head's outputs (N, A)."""
        n = len(outputs)
        log_prob, entropy, kept = categorical_forward(outputs, actions.long() - self.head.start)
        grad_log_prob = torch.full_like(log_prob, -1.0 / n)
        grad = categorical_backward(kept, grad_log_prob, -entropy_coef / n if entropy_coef else None)
        return torch.stack([-log_prob.mean(), entropy.mean()]), grad

    def metrics(self, stats: Tensor, entropy_coef: float) -> dict[str, float]:
        """``train/nll`` and ``train/entropy``, from the mean of the statistics of an update."""
        return {"train/nll": float(stats[0]), "train/entropy": float(stats[1])}

    def held_out_metrics(self, batches: Iterable[LabelledFeatures], entropy_coef: float) -> dict[str, float]:
        """``train/nll_held_out``, and the accuracy: how often the most probable action is the expert's."""
        log_probs, right = [], []
        for h, actions, action_mask, _ in batches:
            log_probs.append(self.head.log_prob(h, actions, action_mask=action_mask))
            right.append(self.head.sample(h, temperature=0.0, action_mask=action_mask) == actions)
        log_prob = torch.cat(log_probs)
        accuracy = torch.cat(right).view(len(log_prob), -1).all(1).float().mean()
        return {"train/nll_held_out": -float(log_prob.mean()), "train/accuracy_held_out": float(accuracy)}


class CensoredGaussianLikelihood(ActionLikelihood):
    """Log-probabilities of continuous actions under N(mean, spread of the expert's actions), without the constants.

    The statistics are the mean squared errors (A,). The policy's own standard deviation is set, not learned.
    """

    @property
    def has_manual_gradient(self) -> bool:
        return type(self.head) is GaussianHead

    def fit_scale(self, actions: Tensor) -> None:
        spread = actions.flatten(1).std(0, correction=0)
        self.scale = torch.where(spread > 1e-6, spread, torch.ones_like(spread))

    def evaluate(self, batch: LabelledFeatures) -> tuple[Tensor, Tensor, Tensor]:
        residual = self._residual(self.head.output(batch.features), batch.actions)
        log_prob = -0.5 * (residual / self.scale).square().sum(-1)
        return log_prob, torch.zeros_like(log_prob), residual.detach().square().mean(0)

    def manual_gradient(self, outputs: Tensor, actions: Tensor, entropy_coef: float) -> tuple[Tensor, Tensor]:
        residual = self._residual(outputs, actions)
        return residual.square().mean(0), residual / (-len(outputs) * self.scale**2)

    def metrics(self, stats: Tensor, entropy_coef: float) -> dict[str, float]:
        self._set_deviation(stats, entropy_coef)
        nll = gaussian_nll(stats, self.head.log_std.detach())
        return {"train/nll": float(nll), "train/entropy": float(self.head.entropy().detach())}

    def held_out_metrics(self, batches: Iterable[LabelledFeatures], entropy_coef: float) -> dict[str, float]:
        """``train/nll_held_out``; also sets the standard deviation from these errors."""
        residuals = torch.cat([self._residual(self.head.output(h), actions) for h, actions, *_ in batches])
        mean_square = residuals.square().mean(0)
        self._set_deviation(mean_square, entropy_coef)
        return {"train/nll_held_out": float(gaussian_nll(mean_square, self.head.log_std))}

    def _residual(self, mean: Tensor, actions: Tensor) -> Tensor:
        return censored_residual(mean, actions.flatten(1), self.head.low.flatten(), self.head.high.flatten())

    @torch.no_grad()
    def _set_deviation(self, mean_square: Tensor, entropy_coef: float) -> None:
        """Set the likeliest standard deviation, given the mean squared errors (A,)."""
        self.head.log_std.copy_(likeliest_log_std(mean_square.clamp(min=LEAST_VARIANCE), entropy_coef))


def likelihood_of(policy: ActorCritic) -> ActionLikelihood:
    """The likelihood that fits the policy's actor."""
    return (CensoredGaussianLikelihood if isinstance(policy.actor, GaussianHead) else ActionLikelihood)(policy)
