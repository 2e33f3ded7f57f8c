"""Linear layers with leaky ReLUs between them as one node of the autograd graph, and their input gradient as another.

Such layers are piecewise linear. The gradient with respect to the input is therefore a product of the weights and of
the rectifiers' constant slopes; a gradient penalty differentiates it with respect to the weights only (Gulrajani et al.
2017, eq. 3).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lhy_rl.functional.fused.plain import plain

_inputs_alone = ContextVar("inputs_alone", default=False)


@contextmanager
def gradients_of_inputs_alone() -> Iterator[None]:
    """Context in which ``torch.autograd.grad(..., create_graph=True)`` computes gradients of inputs, not of weights."""
    token = _inputs_alone.set(True)
    try:
        yield
    finally:
        _inputs_alone.reset(token)


def leaky_layers(x: Tensor, leak: float, *parameters: Tensor) -> Tensor:
    """y = leaky(y W^T + b), layer after layer, the last one without the rectifier.

    Args:
        x: (N, I).
        leak: Slope of the rectifier below 0.
        parameters: W (O, I) and b (O,) of the first layer, of the second, ...

    Returns:
        (N, O).
    """
    if plain():
        return _plain_layers(x, leak, *parameters)
    return _LeakyLayers.apply(x, leak, *parameters)  # type: ignore[no-any-return, no-untyped-call]


def _plain_layers(x: Tensor, leak: float, *parameters: Tensor) -> Tensor:
    for place in range(0, len(parameters), 2):
        x = F.linear(x if place == 0 else F.leaky_relu(x, leak), parameters[place], parameters[place + 1])
    return x


def _through(grad: Tensor, layer: Tensor, leak: float) -> Tensor:
    """Backpropagate a gradient (N, H) from a rectifier's output to its input."""
    return torch.ops.aten.leaky_relu_backward(grad, layer, leak, True)  # type: ignore[no-any-return]


class _LeakyLayers(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, leak: float, *parameters: Tensor) -> Tensor:
        layers = [x]
        for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            layers.append(F.leaky_relu_(torch.addmm(bias, layers[-1], weight.T), leak))
        ctx.save_for_backward(*layers, *parameters)
        ctx.leak = leak
        return torch.addmm(parameters[-1], layers[-1], parameters[-2].T)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        depth, leak = len(ctx.saved_tensors) // 3, ctx.leak
        layers, parameters = ctx.saved_tensors[:depth], ctx.saved_tensors[depth:]
        weights = parameters[::2]
        if torch.is_grad_enabled():
            if _inputs_alone.get():
                found = _InputGradient.apply(grad, leak, *layers[1:], *weights)  # type: ignore[no-untyped-call]
                return (found, None, *[None] * (2 * depth))
            return _recorded(ctx, layers[0], leak, parameters, grad)
        grads: list[Tensor | None] = []
        for k in reversed(range(depth)):
            trained = ctx.needs_input_grad[2 + 2 * k]
            grads += [grad.sum(0), grad.T @ layers[k]] if trained else [None, None]
            if k:
                grad = _through(grad @ weights[k], layers[k], leak)
        return (grad @ weights[0] if ctx.needs_input_grad[0] else None), None, *grads[::-1]


def _recorded(
    ctx: Any, x: Tensor, leak: float, parameters: tuple[Tensor, ...], grad: Tensor
) -> tuple[Tensor | None, ...]:
    """All gradients, with a graph, so that they can be differentiated again."""
    wanted = [tensor for tensor in (x, *parameters) if tensor.requires_grad]
    found = iter(torch.autograd.grad(_plain_layers(x, leak, *parameters), wanted, grad, create_graph=True))
    first, *others = (next(found) if tensor.requires_grad else None for tensor in (x, *parameters))
    return first, None, *others


class _InputGradient(torch.autograd.Function):
    """grad W_L D_{L-1} ... D_1 W_1, with the rectifiers' slopes D."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, leak: float, *tensors: Tensor) -> Tensor:
        depth = (len(tensors) + 1) // 2
        layers, weights = tensors[: depth - 1], tensors[depth - 1 :]
        grads = [grad]  # at the output of each linear layer, the last one first
        for k in reversed(range(1, depth)):
            grads.append(_through(grads[-1] @ weights[k], layers[k - 1], leak))
        ctx.save_for_backward(*grads[::-1], *layers, *weights)
        ctx.leak = leak
        return grads[-1] @ weights[0]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        depth = (len(ctx.saved_tensors) + 1) // 3
        grads, weights = ctx.saved_tensors[:depth], ctx.saved_tensors[-depth:]
        layers, found = ctx.saved_tensors[depth:-depth], []
        for k in range(depth):
            found.append(grads[k].T @ grad)
            grad = grad @ weights[k].T
            if k < depth - 1:
                grad = _through(grad, layers[k], ctx.leak)
        return grad, None, *[None] * (depth - 1), *found
