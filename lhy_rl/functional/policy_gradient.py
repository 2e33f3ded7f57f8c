"""Losses of policies and critics. Every loss is a mean over the entries where ``mask`` is true, to be minimised.

Entries outside the mask may be anything, even infinite: loss and gradient do not depend on them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of the entries of ``x`` where ``mask`` (same shape, bool) is true; 0 if it is true nowhere."""
    if mask is None:
        return x.mean()
    return _only(x, mask).sum() / mask.sum().clamp(min=1)


def _only(x: Tensor, mask: Tensor | None) -> Tensor:
    """x, with 0 outside the mask, so that derivatives there are finite and vanish when multiplied by 0."""
    return x if mask is None else x.masked_fill(~mask, 0.0)


def reinforce_loss(log_prob: Tensor, advantage: Tensor, mask: Tensor | None = None) -> Tensor:
    """L = -E[log pi(a|s) A]   (Williams 1992; with a baseline in A, Sutton & Barto 2018, eq. 13.11).

    Args:
        log_prob: log pi of the actions taken, any shape.
        advantage: Same shape: return minus baseline; no gradient flows through it.
        mask: Same shape, bool.
    """
    return -masked_mean(_only(log_prob, mask) * _only(advantage.detach(), mask), mask)


def value_loss(values: Tensor, returns: Tensor, mask: Tensor | None = None) -> Tensor:
    """L = E[(G - V(s))^2]; no gradient flows through the returns."""
    return masked_mean(_only(returns.detach() - values, mask).square(), mask)


def actor_critic_loss(
    log_prob: Tensor,
    advantage: Tensor,
    values: Tensor,
    returns: Tensor,
    entropy: Tensor,
    value_coef: float = 0.5,
    entropy_coef: float = 0.0,
    mask: Tensor | None = None,
) -> Tensor:
    """L = -E[log pi(a|s) A] + c_v E[(G - V)^2] - c_e E[H(pi)]   (Mnih et al. 2016, section 4).

    All tensors have one shape; ``entropy`` is the policy's at each state, in nats.
    """
    policy = reinforce_loss(log_prob, advantage, mask)
    return policy + value_coef * value_loss(values, returns, mask) - entropy_coef * masked_mean(entropy, mask)


def clipped_surrogate(log_ratio: Tensor, advantage: Tensor, clip_range: float, mask: Tensor | None = None) -> Tensor:
    """L = -E[min(r A, clip(r, 1-eps, 1+eps) A)]   (Schulman et al. 2017, eq. 7).

    Args:
        log_ratio: log r = log pi(a|s) - log pi_old(a|s), any shape.
        advantage: Same shape; no gradient flows through it.
        clip_range: eps; the larger, the further one batch may move the policy. Usually 0.1 to 0.3.
        mask: Same shape, bool.
    """
    ratio, advantage = _only(log_ratio, mask).exp(), _only(advantage.detach(), mask)
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    return -masked_mean(torch.minimum(ratio * advantage, clipped * advantage), mask)


def clip_fraction(log_ratio: Tensor, clip_range: float, mask: Tensor | None = None) -> Tensor:
    """The share of ratios r outside [1 - eps, 1 + eps], where the clipped surrogate may be flat."""
    ratio = log_ratio.exp()
    return masked_mean((ratio != ratio.clamp(1.0 - clip_range, 1.0 + clip_range)).to(ratio), mask)


def categorical_entropy(logits: Tensor) -> Tensor:
    """H = -sum_a p_a log p_a in nats: (..., A) to (...). Logits may be -inf (masked actions)."""
    log_p = _finite_log_softmax(logits)
    return -(log_p.exp() * log_p).sum(-1)


def categorical_kl(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """KL(p || q) = sum_a p_a (log p_a - log q_a) in nats: (..., A) twice to (...). Logits may be -inf in both."""
    log_p, log_q = _finite_log_softmax(logits_p), _finite_log_softmax(logits_q)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def approximate_kl(log_ratio: Tensor, mask: Tensor | None = None) -> Tensor:
    """KL(old || new) from actions of the old policy: E[(r - 1) - log r], r = new/old   (Schulman 2020, "k3").

    Unbiased and never negative; ``log_ratio`` is log new - log old.
    """
    log_ratio = _only(log_ratio, mask)
    return masked_mean(log_ratio.expm1() - log_ratio, mask)


def _finite_log_softmax(logits: Tensor) -> Tensor:
    return finite(logits.log_softmax(-1))


def finite(log_probs: Tensor) -> Tensor:
    """Log-probabilities with -inf replaced by a finite number whose exponential is 0, so that p log p is 0."""
    return log_probs.clamp(min=torch.finfo(log_probs.dtype).min / 4)
