"""Sampling from categorical distributions, fast enough for vocabularies of thousands."""

from __future__ import annotations

import torch
from torch import Tensor

BLOCK = 64  # width of a block of the two-level search; sums over blocks are contiguous


def sample_categorical(
    logits: Tensor,
    generator: torch.Generator | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    memory: Tensor | None = None,
) -> Tensor:
    """One sample per row from softmax(logits / temperature), by the inverse distribution function.

    Args:
        logits: (N, V), finite or -inf.
        generator: Random numbers; one uniform number per row is drawn.
        temperature: Above 1 flattens, below 1 sharpens, 0 takes the most probable.
        top_k: Keep only the k most probable tokens.
        memory: (N or more, V) buffer for the probabilities, to save an allocation.

    Returns:
        (N,) int64.
    """
    if temperature == 0.0:
        return logits.argmax(-1)
    if top_k is not None and top_k < logits.shape[-1]:
        best, token = logits.topk(top_k, dim=-1)
        choice = sample_categorical(best, generator, temperature)
        return token.gather(-1, choice[:, None])[:, 0]
    if temperature != 1.0:
        logits = logits / temperature
    out = None if memory is None else memory[: len(logits)]
    return invert_cumulative(torch.softmax(logits, -1, out=out), generator)


def invert_cumulative(weights: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """One sample per row, in proportion to weights >= 0 that need not sum to 1.

    The cumulative sum runs over blocks first and then inside the block that was hit, which reads
    the V weights once instead of writing and searching a cumulative sum of V numbers
    (`torch.multinomial` costs about 20 times as much at V = 5000).

    Args:
        weights: (N, V), at least one positive in each row.

    Returns:
        (N,) int64; never a token of weight 0.
    """
    n, v = weights.shape
    owner = weights.device if generator is None else generator.device
    uniform = torch.rand(n, 1, generator=generator, device=owner).to(weights.device)
    if v <= BLOCK:
        return _search(weights, uniform * weights.sum(-1, keepdim=True))[0][:, 0]
    full = v // BLOCK * BLOCK
    blocks = weights[:, :full].reshape(n, -1, BLOCK).sum(-1) if full else weights.new_empty(n, 0)
    if full < v:
        blocks = torch.cat([blocks, weights[:, full:].sum(-1, keepdim=True)], 1)
    block, rest = _search(blocks, uniform * blocks.sum(-1, keepdim=True))
    index = block * BLOCK + torch.arange(BLOCK, device=weights.device)  # (N, BLOCK)
    inside = weights.gather(1, index.clamp(max=v - 1)) * (index < v)
    offset, _ = _search(inside, rest)
    return (block * BLOCK + offset)[:, 0]


def _search(weights: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """First index whose cumulative weight exceeds the target, (N, 1), and the target minus the weights before it.

    Rounding may leave the target at or above the total: then the last index of positive weight is taken.
    """
    cumulative = weights.cumsum(-1)
    last = (weights > 0).long().mul_(torch.arange(1, weights.shape[1] + 1, device=weights.device)).amax(-1, True) - 1
    index = torch.searchsorted(cumulative, target, right=True).minimum(last)
    before = cumulative.gather(1, index) - weights.gather(1, index)
    return index, (target - before).clamp_(min=0.0)  # rounding must not point before the block
