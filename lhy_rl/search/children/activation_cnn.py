"""The network that the search for activation functions trains: a small convolutional network on MNIST-1D.

Three strided convolutions and a linear layer, the network of Greydanus (2020) with 16 channels instead of 25, and eight
epochs of Adam. Children differ in the activation function only. On this data set it matters: a network without one
classifies a third of the series, one with ReLU two thirds, after a quarter of a second of training.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, pad

from lhy_rl.data.mnist1d import mnist1d
from lhy_rl.data.splits import LabelledData, Splits
from lhy_rl.search.children.activation_formulas import SPACE, activation, simplest
from lhy_rl.search.objective import FunctionObjective
from lhy_rl.search.space import Scalar

Function = Callable[[Tensor], Tensor]
CHANNELS, CLASSES = 16, 10
BATCH, LEARNING_RATE = 100, 0.03
RECORDED = (2, 4, 8)  # epochs after which a child is evaluated; training ends with the last of them
RISING = 0.2  # share of the steps in which the learning rate rises; it falls as a cosine in the others
MEASURED = 500  # inputs evaluated at once


@dataclass(frozen=True)
class Outcome:
    """The result of a training.

    Attributes:
        validation: Accuracies after each recorded epoch, NaN from where it diverged.
        test: Accuracy at the end, NaN if it diverged; for reports only.
    """

    validation: tuple[float, ...]
    test: float


class ActivationCNNs:
    """S networks f = linear(flat(a(conv3(a(conv2(a(conv1(x)))))))) with a given activation function a.

    They differ in their weights only and are computed together, convolutions as batched matrix products, which was
    measured twice as fast for such small networks as torch's convolutions one after the other.

    Args:
        shape: Shape of an input: (L,) for a series, (H, W) for a picture.
        function: a, elementwise.
        generators: S of them, which draw the weights, as torch's layers do: uniform within 1/sqrt(inputs).
        kernels: Sizes of the three kernels, odd; the inputs are padded by half of them.
        strides: Of the three convolutions.
    """

    def __init__(
        self,
        shape: Sequence[int],
        function: Function,
        generators: Sequence[torch.Generator],
        kernels: Sequence[int] = (5, 3, 3),
        strides: Sequence[int] = (2, 2, 2),
    ) -> None:
        self.function, self.shape, self.kernels, self.strides = function, tuple(shape), kernels, strides
        size, widths = list(shape), [1, *[CHANNELS] * len(kernels)]
        inputs = [width * kernel ** len(size) for width, kernel in zip(widths, kernels, strict=False)]
        for stride in strides:
            size = [(n - 1) // stride + 1 for n in size]
        layers = [(n, CHANNELS) for n in inputs] + [(CHANNELS * math.prod(size), CLASSES)]
        drawn = [[draw_layer(*layer, generator) for layer in layers] for generator in generators]
        self.parameters = [
            torch.stack(parts).requires_grad_(True)
            for layer in zip(*drawn, strict=True)
            for parts in zip(*layer, strict=True)
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """(S, N, *shape) inputs, each network's own, to (S, N, 10) logits."""
        h = x[..., None]  # channels last
        for layer, (kernel, stride) in enumerate(zip(self.kernels, self.strides, strict=True)):
            h = self.function(self._affine(layer, Patches.apply(h, kernel, stride)))  # type: ignore[no-untyped-call]
        return self._affine(-1, h.flatten(2))

    def _affine(self, layer: int, x: Tensor) -> Tensor:
        """(S, N, ..., I) to (S, N, ..., O)."""
        weights, biases = self.parameters[2 * layer], self.parameters[2 * layer + 1]  # (S, I, O), (S, 1, O)
        return torch.baddbmm(biases, x.reshape(len(x), -1, x.shape[-1]), weights).view(*x.shape[:-1], -1)

    @torch.no_grad()
    def accuracies(self, data: LabelledData) -> list[float]:
        """(S,) accuracies; NaN where a logit is NaN."""
        x, y = map(torch.tensor, data)
        count = len(self.parameters[0])
        logits = torch.cat([self(part.expand(count, *part.shape)) for part in torch.split(x, MEASURED)], 1)
        right = (logits.argmax(-1) == y).double().mean(1)
        return torch.where(logits.isfinite().all(-1).all(-1), right, math.nan).tolist()


def draw_layer(inputs: int, outputs: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weights (I, O) and biases (1, O)."""
    bound = 1 / math.sqrt(inputs)
    weights, biases = (2 * torch.rand(rows, outputs, generator=generator) - 1 for rows in (inputs, 1))
    return bound * weights, bound * biases


class Patches(torch.autograd.Function):
    """(S, N, *places, C) to the patches that the next layer's places read, (S, N, *places', kernel ... kernel C).

    The same as ``Tensor.unfold``, whose gradient would take longer than the matrix products here.
    """

    @staticmethod
    def forward(ctx: Any, h: Tensor, kernel: int, stride: int) -> Tensor:
        dimensions = h.ndim - 3
        h = pad(h, (0, 0, *[kernel // 2] * (2 * dimensions)))
        ctx.shape, ctx.kernel, ctx.reads = h.shape, kernel, reads(h.shape[2:-1], kernel, stride)
        return torch.cat([h[(slice(None), slice(None), *places)] for places in ctx.reads], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        total = gradient.new_zeros(ctx.shape)
        for places, part in zip(ctx.reads, gradient.chunk(len(ctx.reads), -1), strict=True):
            total[(slice(None), slice(None), *places)] += part
        inside = slice(ctx.kernel // 2, -(ctx.kernel // 2))
        return total[(slice(None), slice(None), *[inside] * (gradient.ndim - 3))], None, None


def reads(size: Sequence[int], kernel: int, stride: int) -> list[tuple[slice, ...]]:
    """For each number of a kernel, in order, the places of the padded input that it is multiplied by."""
    along = [[slice(k, n - kernel + k + 1, stride) for k in range(kernel)] for n in size]
    return list(itertools.product(*along))


def side_by_side(functions: Sequence[Function], counts: list[int]) -> Function:
    """One function for a stack of networks: ``functions[0]`` for the first ``counts[0]`` of them, and so on."""
    return lambda h: torch.cat([a(part) for a, part in zip(functions, torch.split(h, counts), strict=True)])


def train(
    function: Function,
    data: Splits,
    seeds: Sequence[int],
    recorded: Sequence[int] = RECORDED,
    kernels: Sequence[int] = (5, 3, 3),
    strides: Sequence[int] = (2, 2, 2),
) -> list[Outcome]:
    """Train children with an activation function; return the outcome for each seed.

    Args:
        function: Elementwise, with a gradient; or of several functions, :func:`side_by_side`.
        data: Training, validation and test data, (N, L) series or (N, H, W) pictures.
        seeds: Seeds of the weights and of the batches, one for each child.
        recorded: Epochs after which the accuracy is measured; the last one ends the training.
        kernels, strides: Kernel sizes and strides of the network.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    x, y = map(torch.tensor, data.train)
    networks = ActivationCNNs(x.shape[1:], function, generators, kernels, strides)
    optimizer = torch.optim.Adam(networks.parameters, LEARNING_RATE, fused=True)
    epochs, steps = max(recorded), math.ceil(len(x) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=epochs * steps, pct_start=RISING
    )
    validation: list[list[float]] = []
    test = [math.nan] * len(seeds)
    for epoch in range(1, epochs + 1):
        shuffled = torch.stack([torch.randperm(len(x), generator=generator) for generator in generators])
        for rows in shuffled.split(BATCH, 1):  # type: ignore[no-untyped-call]
            losses = cross_entropy(networks(x[rows]).transpose(1, 2), y[rows], reduction="none").mean(1)  # (S,)
            optimizer.zero_grad()
            losses.sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        if not losses.isfinite().any():
            break
        if epoch in recorded:
            validation.append(networks.accuracies(data.validation))
    else:
        test = networks.accuracies(data.test)
    missing = [[math.nan] * len(seeds)] * (len(recorded) - len(validation))
    return [Outcome(*pair) for pair in zip(zip(*validation, *missing, strict=True), test, strict=True)]


@functools.cache
def data_set() -> Splits:
    """MNIST-1D as it was used for the table."""
    return mnist1d()


def function_of(key: int) -> Function:
    """The activation function of a formula's key, computed by its shortest equivalent formula."""
    return activation(SPACE.configuration(SPACE.tokens_of(simplest()[key])))


def score(configuration: dict[str, Scalar], seed: int) -> float:
    """The validation accuracy of a formula, which equal formulas share."""
    key = int(SPACE.keys(SPACE.encode(configuration)))
    return train(function_of(key), data_set(), [seed])[0].validation[-1]


def live_objective() -> FunctionObjective:
    """The objective that trains formulas instead of looking them up; on the machine of the table its scores are the
    same."""
    return FunctionObjective(SPACE, score, {"child": "activation_cnn", "data": "mnist1d 42"}, float(RECORDED[-1]))
