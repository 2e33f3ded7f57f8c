"""Linear layers with tanh after each, as one node of the autograd graph and with a faster tanh.

tanh z is computed as 2 sigmoid(2 z) - 1, which on a CPU takes a third of the time of torch's tanh; the absolute error
in single precision is about 1e-7.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lhy_rl.functional.fused.plain import plain


def _outputs(x: Tensor, parameters: tuple[Tensor, ...]) -> list[Tensor]:
    """The input and the output of each layer."""
    layers = [x]
    for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
        twice = torch.addmm(bias, layers[-1], weight.T, beta=2, alpha=2).sigmoid_()
        layers.append(twice.mul_(2.0).sub_(1.0))
    return layers


class _TanhLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> Tensor:
        layers = _outputs(x, parameters)
        ctx.save_for_backward(*layers, *parameters[::2])
        return layers[-1]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        depth = len(ctx.saved_tensors) // 2
        layers, weights = ctx.saved_tensors[: depth + 1], ctx.saved_tensors[depth + 1 :]
        found: list[Tensor] = []
        for k in reversed(range(depth)):
            inner = grad * layers[k + 1]
            torch.addcmul(grad, inner, layers[k + 1], value=-1, out=inner)  # grad (1 - y^2)
            found += [inner.sum(0), inner.T @ layers[k]]
            if k or ctx.needs_input_grad[0]:
                grad = inner @ weights[k]
        return (grad if ctx.needs_input_grad[0] else None), *found[::-1]


def tanh_layers(x: Tensor, *parameters: Tensor) -> Tensor:
    """y = tanh(y W^T + b), layer after layer.

    Args:
        x: (N, I).
        parameters: W (O, I) and b (O,) of the first layer, of the second, ...

    Returns:
        (N, O), differentiable once.
    """
    if plain():
        for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
            x = torch.tanh(torch.nn.functional.linear(x, weight, bias))
        return x
    if not torch.is_grad_enabled():  # a third less time for a single row
        return _outputs(x, parameters)[-1]
    return _TanhLayers.apply(x, *parameters)  # type: ignore[no-any-return, no-untyped-call]
