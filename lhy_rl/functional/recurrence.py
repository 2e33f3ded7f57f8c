"""Recurrent layers over packed sequences of different lengths, with the gradient through time by hand.

torch runs sequences of different lengths on a CPU as a chain of small differentiable operations, and what
that costs is not the arithmetic but the operations: an allocation and a node of the graph each. Here a step
is a handful of operations into memory made before, and in the backward pass everything that does not wait
for the later steps (each gate's derivative, the weights' gradients) is one operation over all steps.

Layout, as in ``torch.nn.utils.rnn.PackedSequence``: the S sequences are sorted, the longest first; the rows
(R, ...) hold step 0 of all, then step 1 of those that are longer, ...; ``sizes`` are the rows of each step.
The weights are torch's: gates (r, z, n) of the GRU, (i, f, g, o) of the LSTM.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def _before(first: Tensor, rows: Tensor, sizes: list[int]) -> Tensor:
    """(R, H) what stood before each row: ``first`` (S, H) at step 0, then the rows of the step before."""
    earlier = [first, *rows.split(sizes)[:-1]]
    return torch.cat([step[:size] for step, size in zip(earlier, sizes, strict=True)])


class _RNN(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h0: Tensor, weight: Tensor, sizes: list[int]) -> Tensor:
        y, h = torch.empty_like(x), h0
        for x_t, y_t in zip(x.split(sizes), y.split(sizes), strict=True):
            h = torch.addmm(x_t, h[: len(x_t)], weight.T, out=y_t).tanh_()
        ctx.save_for_backward(h0, weight, y)
        ctx.sizes = sizes
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        h0, weight, y = ctx.saved_tensors
        dh, dh0, dgate = grad.clone(), torch.zeros_like(h0), 1 - y * y  # dgate: the derivative, times dh in the loop
        steps = list(zip(dh.split(ctx.sizes), dgate.split(ctx.sizes), strict=True))
        for t in reversed(range(len(steps))):
            dh_t, dgate_t = steps[t]
            earlier = steps[t - 1][0][: len(dh_t)] if t else dh0
            earlier.addmm_(dgate_t.mul_(dh_t), weight)
        return dgate, dh0, dgate.T @ _before(h0, y, ctx.sizes), None


class _GRU(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h0: Tensor, weight: Tensor, bias: Tensor, sizes: list[int]) -> Tensor:
        width = h0.shape[1]
        gates, recurrent, y = torch.empty_like(x), torch.empty_like(x), x.new_empty(len(x), width)
        parts = [p.split(sizes) for p in (*_two(x, width), *_two(gates, width), recurrent, y)]
        h = h0
        for x_rz, x_n, rz, n, u, y_t in zip(*parts, strict=True):
            h = h[: len(n)]
            torch.addmm(bias, h, weight.T, out=u)
            torch.add(x_rz, u[:, : 2 * width], out=rz).sigmoid_()
            torch.addcmul(x_n, rz[:, :width], u[:, 2 * width :], out=n).tanh_()
            h = torch.lerp(n, h, rz[:, width:], out=y_t)  # (1 - z) n + z h
        ctx.save_for_backward(h0, weight, gates, recurrent[:, 2 * width :], y)
        ctx.sizes = sizes
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        h0, weight, gates, recurrent, y = ctx.saved_tensors
        r, z, n = gates.chunk(3, 1)
        before = _before(h0, y, ctx.sizes)
        slope_n = (1 - z) * (1 - n * n)
        dgates = torch.stack([slope_n * recurrent * r * (1 - r), (before - n) * z * (1 - z), slope_n * r], 1)
        dh, dh0 = grad.clone(), torch.zeros_like(h0)
        steps = list(zip(dh.split(ctx.sizes), dgates.split(ctx.sizes), z.split(ctx.sizes), strict=True))
        for t in reversed(range(len(steps))):
            dh_t, dgates_t, z_t = steps[t]
            earlier = steps[t - 1][0][: len(dh_t)] if t else dh0
            dgates_t.mul_(dh_t[:, None])
            earlier.addcmul_(dh_t, z_t).addmm_(dgates_t.flatten(1), weight)
        flat = dgates.flatten(1)
        dx = torch.cat([flat[:, : 2 * h0.shape[1]], slope_n.mul_(dh)], 1)
        return dx, dh0, flat.T @ before, flat.sum(0), None


class _LSTM(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h0: Tensor, c0: Tensor, weight: Tensor, sizes: list[int]) -> tuple[Tensor, Tensor]:
        width = h0.shape[1]
        gates, y, cells, squashed = torch.empty_like(x), *(x.new_empty(3, len(x), width).unbind())
        h, c = h0, c0
        for x_t, gates_t, y_t, c_t, s_t in zip(*(p.split(sizes) for p in (x, gates, y, cells, squashed)), strict=True):
            torch.addmm(x_t, h[: len(x_t)], weight.T, out=gates_t)
            in_forget, new, out = gates_t.split([2 * width, width, width], 1)
            i, f = in_forget.sigmoid_().chunk(2, 1)
            c = torch.mul(f, c[: len(x_t)], out=c_t).addcmul_(i, new.tanh_())
            h = torch.mul(out.sigmoid_(), torch.tanh(c, out=s_t), out=y_t)
        ctx.save_for_backward(h0, c0, weight, gates, y, cells, squashed)
        ctx.sizes = sizes
        return y, cells

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_h: Tensor, grad_c: Tensor) -> tuple[Tensor | None, ...]:
        h0, c0, weight, gates, y, cells, squashed = ctx.saved_tensors
        i, f, g, o = gates.chunk(4, 1)
        slope_c = o * (1 - squashed * squashed)
        dgates = torch.stack(
            [g * i * (1 - i), _before(c0, cells, ctx.sizes) * f * (1 - f), i * (1 - g * g), squashed * o * (1 - o)], 1
        )
        dh, dc, dh0, dc0 = grad_h.clone(), grad_c.clone(), torch.zeros_like(h0), torch.zeros_like(c0)
        steps = list(zip(*(p.split(ctx.sizes) for p in (dh, dc, dgates, slope_c, f)), strict=True))
        for t in reversed(range(len(steps))):
            dh_t, dc_t, dgates_t, slope_t, f_t = steps[t]
            earlier_h, earlier_c = (e[: len(dh_t)] for e in (steps[t - 1] if t else (dh0, dc0))[:2])
            dc_t.addcmul_(dh_t, slope_t)
            dgates_t[:, :3].mul_(dc_t[:, None])
            dgates_t[:, 3].mul_(dh_t)
            earlier_c.addcmul_(dc_t, f_t)
            earlier_h.addmm_(dgates_t.flatten(1), weight)
        flat = dgates.flatten(1)
        return flat, dh0, dc0, flat.T @ _before(h0, y, ctx.sizes), None


def _two(gates: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The first two gates and the third, (R, 2H) and (R, H)."""
    return gates[:, : 2 * width], gates[:, 2 * width :]
