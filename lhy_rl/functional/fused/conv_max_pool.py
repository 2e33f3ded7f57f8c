"""A convolution over time followed by max pooling, with a gradient that uses the sparsity of the maximum."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def convolve_max(x: Tensor, weight: Tensor, width: int) -> Tensor:
    """max over positions p of sum_k W_k x_{p+k}: a convolution without bias, then max over time.

    Args:
        x: (N, T, E).
        weight: (M, width * E), M feature maps; the weights of a window's first token come first.
        width: Number of tokens in a window, at most T.

    Returns:
        (N, M), differentiable any number of times.
    """
    return _ConvolveMax.apply(x, weight, width)  # type: ignore[no-any-return, no-untyped-call]


def _windows(x: Tensor, width: int) -> Tensor:
    """(N, T, E) to (N * places, width * E): the tokens of each window."""
    n, steps, e = x.shape
    places = steps - width + 1
    return x.contiguous().as_strided((n, places, width * e), (steps * e, e, 1)).reshape(n * places, -1)


class _ConvolveMax(torch.autograd.Function):
    """For each map and sentence one window has the maximum, and only that window passes a gradient on.

    So a map's weight gradient is a weighted sum of N windows, not of N * places, and a window's gradient is
    a weighted sum of the maps that it won: gathering them (``embedding_bag``) costs a third of the dense
    products. The backward pass is made of differentiable operations, for gradient penalties. Of windows
    with equal outputs the last one wins.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, width: int) -> Tensor:
        n, places = len(x), x.shape[1] - width + 1
        windows = _windows(x, width)
        outputs = (windows @ weight.T).reshape(n, places, -1)
        best = outputs.amax(1)
        # like argmax(1), which on a CPU takes ten times as long because it is not vectorised
        number = torch.arange(places, dtype=torch.int16, device=x.device)[:, None]
        winner = ((outputs == best[:, None]) * number).amax(1)
        ctx.save_for_backward(x, weight, winner, windows)
        ctx.width = width
        return best

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, winner, windows = ctx.saved_tensors
        (n, steps, e), width = x.shape, ctx.width
        if torch.is_grad_enabled():  # for a gradient penalty this pass is differentiated, also in x
            windows = _windows(x, width)
        places = steps - width + 1
        sentence = torch.arange(n, device=x.device)[:, None]
        dx = dweight = None
        if ctx.needs_input_grad[0]:
            place, order = winner.sort(1)  # the maps that each window won: a bag for each
            all_places = torch.arange(places, dtype=place.dtype, device=x.device).repeat(n, 1)
            bags = torch.searchsorted(place, all_places) + sentence * len(weight)
            dwindows = F.embedding_bag(
                order.flatten(),
                weight,
                bags.flatten(),
                mode="sum",
                per_sample_weights=grad.gather(1, order).flatten(),
            ).reshape(n, places, width, e)
            dx = torch.zeros_like(x)
            for k in range(width):
                dx[:, k : k + places] += dwindows[:, :, k]
        if ctx.needs_input_grad[1]:
            row = winner + sentence * places
            dweight = F.embedding_bag(row.T.contiguous(), windows, mode="sum", per_sample_weights=grad.T.contiguous())
        return dx, dweight, None
