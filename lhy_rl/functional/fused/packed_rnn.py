"""Recurrent layers over packed sequences of different lengths, with hand-written backpropagation through time.

torch runs sequences of different lengths on a CPU as a chain of small differentiable operations, whose cost
is not the arithmetic but the overhead: an allocation and a node of the graph each. Here a step is a handful
of operations on preallocated memory, and in the backward pass everything that does not depend on later
steps (each gate's derivative, the weights' gradients) is one operation over all steps.

Layout, as in ``torch.nn.utils.rnn.PackedSequence``: the S sequences are sorted, the longest first; the rows
(R, ...) hold step 0 of all, then step 1 of those that are longer, ...; ``sizes`` are the rows of each step.
The weights are torch's: gates (r, z, n) of the GRU. torch has a fused LSTM on a CPU: see
lhy_rl/nn/backbones/recurrent.py.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def run_rnn(x: Tensor, h0: Tensor, weight: Tensor, sizes: list[int]) -> Tensor:
    """h' = tanh(x + U h)   (Elman 1990).

    Args:
        x: (R, H) packed, the inputs times W, with the biases.
        h0: (S, H) initial states, that of the longest sequence first.
        weight: (H, H), U.
        sizes: Number of rows of each step, non-increasing, with sum R.

    Returns:
        (R, H) states, differentiable once.
    """
    return _RNN.apply(x, h0, weight, sizes)  # type: ignore[no-any-return, no-untyped-call]


def run_gru(x: Tensor, h0: Tensor, weight: Tensor, bias: Tensor, sizes: list[int]) -> Tensor:
    """r, z = sigmoid(x_rz + U_rz h + b_rz),  n = tanh(x_n + r (U_n h + b_n)),  h' = (1 - z) n + z h.

    (Cho et al. 2014, as torch computes it.) Arguments as in :func:`run_rnn`, with x (R, 3H), U (3H, H) and b (3H,).
    """
    return _GRU.apply(x, h0, weight, bias, sizes)  # type: ignore[no-any-return, no-untyped-call]


def _steps(sizes: list[int], *rows: Tensor) -> list[tuple[Tensor, ...]]:
    """Split tensors by step, all at once, because a view of a single step costs as much as a small operation."""
    return list(zip(*(torch.split(r, sizes) for r in rows), strict=True))


def _head(tensor: Tensor, size: int) -> Tensor:
    """The first rows, of the sequences that continue."""
    return tensor if len(tensor) == size else tensor[:size]


def _before(first: Tensor, rows: Tensor, sizes: list[int]) -> Tensor:
    """(R, H) the row of the step before each row; ``first`` (S, H) before step 0."""
    longest, size = len(first), torch.tensor([len(first), *sizes], device=rows.device)
    shift = (longest - size[:-1]).repeat_interleave(size[1:])  # from a row's place to that of the one before
    place = shift.add_(torch.arange(len(rows), device=rows.device))
    return torch.cat([first, rows]).index_select(0, place)


class _RNN(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h0: Tensor, weight: Tensor, sizes: list[int]) -> Tensor:
        y, h, transposed = torch.empty_like(x), h0, weight.T
        for size, (x_t, y_t) in zip(sizes, _steps(sizes, x, y), strict=True):
            h = torch.addmm(x_t, _head(h, size), transposed, out=y_t).tanh_()
        ctx.save_for_backward(h0, weight, y)
        ctx.sizes = sizes
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        h0, weight, y = ctx.saved_tensors
        dgate, dh, dh0 = (
            1 - y * y,
            grad.clone(),
            torch.zeros_like(h0),
        )  # dgate: the derivative of tanh, times dh in the loop
        earlier = [dh0, *torch.split(dh, ctx.sizes)]
        for (dgate_t, dh_t), earlier_t in reversed(list(zip(_steps(ctx.sizes, dgate, dh), earlier[:-1], strict=True))):
            _head(earlier_t, len(dh_t)).addmm_(dgate_t.mul_(dh_t), weight)
        return dgate, dh0, dgate.T @ _before(h0, y, ctx.sizes), None


class _GRU(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h0: Tensor, weight: Tensor, bias: Tensor, sizes: list[int]) -> Tensor:
        width = h0.shape[1]
        gates, (n, y) = torch.empty_like(x), x.new_empty(2, len(x), width)
        rz, u_n = torch.split(gates, [2 * width, width], 1)
        # a step's product is added to these: for r and z to all other terms, for n to its own bias only (r scales it)
        torch.add(x[:, : 2 * width], bias[: 2 * width], out=rz)
        u_n.copy_(bias[2 * width :])
        n.copy_(x[:, 2 * width :])
        h, transposed = h0, weight.T
        steps = _steps(sizes, gates, rz, *rz.chunk(2, 1), u_n, n, y)
        for size, (gates_t, rz_t, r_t, z_t, u_n_t, n_t, y_t) in zip(sizes, steps, strict=True):
            h = _head(h, size)
            gates_t.addmm_(h, transposed)
            rz_t.sigmoid_()
            n_t.addcmul_(r_t, u_n_t).tanh_()
            h = torch.lerp(n_t, h, z_t, out=y_t)
        ctx.save_for_backward(h0, weight, gates, n, y)
        ctx.sizes = sizes
        return y  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        h0, weight, gates, n, y = ctx.saved_tensors
        r, z, u_n = gates.chunk(3, 1)
        before, dn = _before(h0, y, ctx.sizes), (1 - z) * (1 - n * n)
        dgates = torch.empty_like(gates).view(len(y), 3, -1)  # derivatives of r, z, n; times dh in the loop
        torch.mul(dn, r, out=dgates[:, 2])
        torch.mul(dgates[:, 2], u_n, out=dgates[:, 0]).mul_(1 - r)
        torch.sub(before, n, out=dgates[:, 1]).mul_(z).mul_(1 - z)
        dh, dh0, flat = grad.clone(), torch.zeros_like(h0), dgates.flatten(1)
        earlier = [dh0, *torch.split(dh, ctx.sizes)]
        steps = _steps(ctx.sizes, dgates, flat, dh, dh[:, None], z)
        for (dgates_t, flat_t, dh_t, wide_t, z_t), earlier_t in reversed(list(zip(steps, earlier[:-1], strict=True))):
            dgates_t.mul_(wide_t)
            _head(earlier_t, len(dh_t)).addcmul_(dh_t, z_t).addmm_(flat_t, weight)
        dweight, dbias = flat.T @ before, flat.sum(0)
        torch.mul(dn, dh, out=dgates[:, 2])  # r does not scale the input's term of n
        return flat, dh0, dweight, dbias, None
