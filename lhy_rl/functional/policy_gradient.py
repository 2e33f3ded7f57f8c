"""Losses of policies and critics. Every loss is a mean over the entries where ``mask`` is true, to be minimised."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def masked_mean(x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean of the entries of ``x`` where ``mask`` (same shape, bool) is true; 0 where it is true nowhere.

    Entries outside the mask may be anything, infinite too.
    """
    if mask is None:
        return x.mean()
    return x.masked_fill(~mask, 0.0).sum() / mask.sum().clamp(min=1)


def reinforce_loss(log_prob: Tensor, advantage: Tensor, mask: Tensor | None = None) -> Tensor:
    """L = -E[log pi(a|s) A]   (Williams 1992; with a baseline in A, Sutton & Barto 2018, eq. 13.11).

    Args:
        log_prob: log pi of the actions taken, any shape.
        advantage: Same shape: return minus baseline; no gradient flows through it.
        mask: Same shape, bool.
    """
    return -masked_mean(log_prob * advantage.detach(), mask)


def value_loss(values: Tensor, returns: Tensor, mask: Tensor | None = None) -> Tensor:
    """L = E[(G - V(s))^2]; no gradient flows through the returns."""
    return masked_mean((returns.detach() - values).square(), mask)


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
    ratio, advantage = log_ratio.exp(), advantage.detach()
    clipped = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    return -masked_mean(torch.minimum(ratio * advantage, clipped * advantage), mask)


def proximal_slopes(
    log_prob: Tensor,
    values: Tensor,
    entropy: Tensor,
    old_log_prob: Tensor,
    advantage: Tensor,
    returns: Tensor,
    clip_range: float,
    value_coef: float = 0.5,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """What :func:`proximal_loss` says and its slopes, without a graph.

    Returns:
        What it says, (5,); and the loss's gradients in ``log_prob`` and ``values``, of their shape. That in each
        entropy is ``-entropy_coef`` divided by the number of entries.
    """
    log_ratio = log_prob - old_log_prob
    if mask is not None:
        log_ratio = log_ratio.masked_fill(~mask, 0.0)
    ratio = log_ratio.exp()
    weight: Any = 1.0 / log_prob.numel() if mask is None else mask.to(log_prob) / mask.sum().clamp(min=1)
    error, gain, inside = values - returns, ratio * advantage, ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
    held = torch.minimum(gain, inside * advantage)
    terms = torch.stack([held.neg(), error.square(), entropy, ratio - 1.0 - log_ratio, (ratio != inside).to(ratio)])
    pulled = torch.where(gain <= held, gain, 0.0) * -weight  # where the clipped one is smaller nothing pulls
    pushed = error * (2 * value_coef * weight)
    if mask is None:
        return terms.flatten(1).mean(1), pulled, pushed
    said = terms.masked_fill(~mask, 0.0).flatten(1) @ weight.flatten()
    return said, pulled.masked_fill(~mask, 0.0), pushed.masked_fill(~mask, 0.0)


class _ProximalLoss(torch.autograd.Function):
    """Loss and slopes in one pass; the chain of small operations that it replaces costs more than a small network."""

    @staticmethod
    def forward(
        ctx: Any,
        log_prob: Tensor,
        values: Tensor,
        entropy: Tensor,
        old_log_prob: Tensor,
        advantage: Tensor,
        returns: Tensor,
        clip_range: float,
        value_coef: float,
        entropy_coef: float,
        mask: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        said, pulled, pushed = proximal_slopes(
            log_prob, values, entropy, old_log_prob, advantage, returns, clip_range, value_coef, mask
        )
        ctx.save_for_backward(pulled, pushed)
        weight: Any = 1.0 / log_prob.numel() if mask is None else mask.to(log_prob) / mask.sum().clamp(min=1)
        ctx.entropy = -entropy_coef * weight
        ctx.mark_non_differentiable(said)
        return said[0] + value_coef * said[1] - entropy_coef * said[2], said

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Any, ...]:
        pulled, pushed = ctx.saved_tensors
        entropy = grad * ctx.entropy
        return grad * pulled, grad * pushed, entropy.expand_as(pulled), *[None] * 7


def proximal_loss(
    log_prob: Tensor,
    values: Tensor,
    entropy: Tensor,
    old_log_prob: Tensor,
    advantage: Tensor,
    returns: Tensor,
    clip_range: float,
    value_coef: float = 0.5,
    entropy_coef: float = 0.0,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """L = clipped_surrogate + c_v value_loss - c_e E[H(pi)]   (Schulman et al. 2017, eq. 9), in one node of the graph.

    All tensors have one shape; no gradient flows through ``old_log_prob``, ``advantage`` and ``returns``.

    Returns:
        The loss, differentiable once in ``log_prob``, ``values`` and ``entropy``; and without gradient (5,): the
        surrogate's loss, the critic's loss, the entropy, KL(old || new), the share of ratios beyond the clip.
    """
    return _ProximalLoss.apply(  # type: ignore[no-any-return, no-untyped-call]
        log_prob, values, entropy, old_log_prob, advantage, returns, clip_range, value_coef, entropy_coef, mask
    )


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
    return masked_mean(log_ratio.expm1() - log_ratio, mask)


def _finite_log_softmax(logits: Tensor) -> Tensor:
    """Log probabilities with -inf replaced by a number so low that its exponential is 0."""
    return logits.log_softmax(-1).clamp(min=torch.finfo(logits.dtype).min / 4)
