"""Log-probabilities of categorical distributions as one node of the autograd graph: for a few actions, with the
entropy; and for a softmax layer over a large vocabulary, fused with its linear map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lhy_rl.functional.fused.plain import plain

ROWS = 128  # rows handled at a time, so that a chunk of logits stays in the cache


def categorical_forward(logits: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """log p(a) and H, (...), and the tensors that :func:`categorical_backward` needs."""
    log_p = torch.log_softmax(logits, -1)
    p = log_p.exp()
    weighted = p * log_p.clamp_(min=torch.finfo(logits.dtype).min)  # 0 log 0 = 0
    entropy = -weighted.sum(-1)
    return log_p.gather(-1, actions[..., None])[..., 0], entropy, (p, weighted, entropy, actions)


def categorical_backward(kept: tuple[Tensor, ...], grad: Tensor, grad_entropy: Tensor | float | None) -> Tensor:
    """d log p(a) / d logits = onehot(a) - p,   d H / d logits = -p (log p + H)."""
    p, weighted, entropy, actions = kept
    grad_logits = p * -(grad if grad_entropy is None else grad + grad_entropy * entropy)[..., None]
    grad_logits.scatter_add_(-1, actions[..., None], grad[..., None])
    if grad_entropy is not None:
        grad_logits -= weighted * (grad_entropy[..., None] if isinstance(grad_entropy, Tensor) else grad_entropy)
    return grad_logits


class _LogProbEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        log_prob, entropy, kept = categorical_forward(logits, actions)
        ctx.save_for_backward(*kept)
        return log_prob, entropy

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, grad_entropy: Tensor) -> tuple[Tensor | None, ...]:
        return categorical_backward(ctx.saved_tensors, grad, grad_entropy), None


def log_prob_and_entropy(logits: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """log softmax(logits)[a] and H = -sum_a p_a log p_a in nats.

    Args:
        logits: (..., A); may be -inf (illegal actions), but not all of them.
        actions: (...) int64 below A.

    Returns:
        Two tensors (...), differentiable once.
    """
    if plain():
        log_p = torch.log_softmax(logits, -1).clamp(min=torch.finfo(logits.dtype).min)
        return log_p.gather(-1, actions[..., None])[..., 0], -(log_p.exp() * log_p).sum(-1)
    return _LogProbEntropy.apply(logits, actions)  # type: ignore[no-any-return, no-untyped-call]


class _LinearLogProb(torch.autograd.Function):
    """log softmax(h W^T + b)[a] row by row, with one exponential per logit in forward and backward together.

    The usual chain (linear, log_softmax, gather) writes the (N, V) logits, their log-softmax and its
    gradient, and exponentiates twice. Here the forward keeps the probabilities p, and the backward builds
    the gradient of the logits, g (onehot(a) - p), chunk by chunk in the cache. The log-probability comes
    from that of the best token, whose p is at least 1/V: log p(a) = l(a) - l(best) + log p(best).
    """

    @staticmethod
    def forward(ctx: Any, h: Tensor, weight: Tensor, bias: Tensor, actions: Tensor, temperature: float) -> Tensor:
        n = len(h)
        probabilities = h.new_empty(n, len(weight))
        log_prob = h.new_empty(n)
        logits = h.new_empty(ROWS, len(weight))
        for first in range(0, n, ROWS):
            rows = slice(first, min(first + ROWS, n))
            part = torch.addmm(bias, h[rows], weight.T, out=logits[: rows.stop - first])
            if temperature != 1.0:
                part.div_(temperature)
            torch.softmax(part, -1, out=probabilities[rows])
            chosen = part.gather(1, actions[rows, None])[:, 0]
            log_prob[rows] = chosen - part.amax(-1) + probabilities[rows].amax(-1).log()
        ctx.save_for_backward(h, weight, actions, probabilities)
        ctx.temperature = temperature
        return log_prob

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        h, weight, actions, probabilities = ctx.saved_tensors
        grad = grad / ctx.temperature
        grad_h, grad_weight, grad_bias = torch.empty_like(h), torch.zeros_like(weight), weight.new_zeros(len(weight))
        buffer = h.new_empty(ROWS, len(weight))
        for first in range(0, len(h), ROWS):
            rows = slice(first, min(first + ROWS, len(h)))
            grad_logits = torch.mul(probabilities[rows], -grad[rows, None], out=buffer[: rows.stop - first])
            grad_logits.scatter_add_(1, actions[rows, None], grad[rows, None])
            torch.mm(grad_logits, weight, out=grad_h[rows])
            grad_weight.addmm_(grad_logits.T, h[rows])
            grad_bias += grad_logits.sum(0)
        return grad_h, grad_weight, grad_bias, None, None


def linear_log_prob(h: Tensor, weight: Tensor, bias: Tensor, actions: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probability of the actions taken: log softmax((h W^T + b) / temperature)[a].

    Args:
        h: (N, H) features.
        weight: (A, H).
        bias: (A,).
        actions: (N,) int64 below A.

    Returns:
        (N,), differentiable once in h, weight and bias.
    """
    if plain():
        logits = torch.nn.functional.linear(h, weight, bias) / temperature
        return torch.log_softmax(logits, -1).gather(1, actions[:, None])[:, 0]
    return _LinearLogProb.apply(h, weight, bias, actions, temperature)  # type: ignore[no-any-return, no-untyped-call]
