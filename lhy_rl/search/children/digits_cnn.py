"""A convolutional network that learns digits, described layer by layer as Zoph and Le's controller writes it (2017).

Up to three convolutions, two of them with filters of their own, and for the whole network a kernel, a stride, an
activation, an optimizer and a learning rate: 2,400 configurations, a tenth of a second each. All of them were trained
by ``benchmarks/digits_table.py``; the table ``digits-cnn`` has the scores that :func:`digits_cnn` finds by training.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from lhy_rl.core.validation import check
from lhy_rl.data.digits import load_digits
from lhy_rl.data.splits import LabelledData
from lhy_rl.search.objective import FunctionObjective, Objective
from lhy_rl.search.space import Choice, Scalar, Space

EPOCHS, BATCH = 9, 100  # ten steps per epoch: there are 1,000 training pictures
FILTERS, THIRD_FILTERS = (4, 12), 12
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "swish": F.silu,
}
OPTIMIZERS: dict[str, Callable[[list[Tensor], float], torch.optim.Optimizer]] = {
    "momentum": lambda weights, lr: torch.optim.SGD(weights, lr, momentum=0.9, fused=True),
    "rmsprop": lambda weights, lr: torch.optim.RMSprop(weights, lr, foreach=True),
    "adam": lambda weights, lr: torch.optim.Adam(weights, lr, fused=True),
}


def cnn_space() -> Space:
    """2,400 configurations; the second layer's filters count only where it exists, and a third layer always has 12."""
    return Space(
        [
            Choice("layers", (1, 2, 3), ordinal=True),
            Choice("filters_1", FILTERS, ordinal=True),
            Choice("filters_2", FILTERS, ordinal=True, condition=("layers", (2, 3))),
            Choice("kernel", (1, 3), ordinal=True),
            Choice("stride", (1, 2), ordinal=True),
            Choice("activation", tuple(ACTIVATIONS)),
            Choice("optimizer", tuple(OPTIMIZERS)),
            Choice("learning_rate", (0.01, 0.03, 0.1, 0.3, 1.0), ordinal=True),
        ]
    )


class CNN:
    """Convolutions, each followed by the activation, and one linear layer on the flattened result.

    Args:
        configuration: One of :func:`cnn_space`.
        generator: Draws the initial weights: uniform within 1/sqrt(fan in), biases 0.
    """

    def __init__(self, configuration: Mapping[str, Scalar], generator: torch.Generator) -> None:
        self.activation = ACTIVATIONS[str(configuration["activation"])]
        kernel, self.stride = (int(str(configuration[name])) for name in ("kernel", "stride"))
        self.padding = kernel // 2
        self.weights: list[Tensor] = []  # a weight and a bias of each layer
        channels, size = 1, 8
        for layer in range(1, int(str(configuration["layers"])) + 1):
            filters = THIRD_FILTERS if layer == 3 else int(str(configuration[f"filters_{layer}"]))
            self._add((filters, channels, kernel, kernel), generator)
            channels, size = filters, -(-size // self.stride)
        self._add((10, channels * size * size), generator)

    def _add(self, shape: tuple[int, ...], generator: torch.Generator) -> None:
        weight, bound = torch.empty(shape), 1 / math.sqrt(math.prod(shape[1:]))
        self.weights += [weight.uniform_(-bound, bound, generator=generator), torch.zeros(shape[0])]
        for tensor in self.weights[-2:]:
            tensor.requires_grad_()

    def __call__(self, pictures: Tensor) -> Tensor:
        """(N, 1, 8, 8) pictures to (N, 10) logits."""
        *convolutions, weight, bias = self.weights
        x = pictures
        for filters, shift in zip(convolutions[::2], convolutions[1::2], strict=True):
            x = self.activation(F.conv2d(x, filters, shift, self.stride, self.padding))  # (N, C, H, W)
        return F.linear(x.flatten(1), weight, bias)


@dataclass(frozen=True)
class Curve:
    """The result of a training.

    Attributes:
        validation: Accuracy after each epoch, NaN from where it diverged, shorter where it was stopped.
        test: Accuracy at the end, NaN where it diverged; for reports only.
        seconds: CPU-seconds.
    """

    validation: list[float]
    test: float
    seconds: float


def train(
    configuration: Mapping[str, Scalar],
    seed: int,
    epochs: int = EPOCHS,
    report: Callable[[float, float], bool] | None = None,
) -> Curve:
    """Train one network; the same configuration and seed give the same curve, bit for bit on the same processor.

    One thread is used: for such small networks more threads are slower, and would sum in another order.

    Args:
        configuration: One of :func:`cnn_space`.
        seed: Of the first weights and of the order of the pictures.
        epochs: How long; a shorter training is the beginning of a longer one.
        report: Called with the epoch and the validation accuracy after it; False ends the training.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _train(configuration, seed, epochs, report or (lambda epoch, score: True))
    finally:
        torch.set_num_threads(threads)


def _train(
    configuration: Mapping[str, Scalar], seed: int, epochs: int, report: Callable[[float, float], bool]
) -> Curve:
    begin = time.process_time()
    (pictures, labels), validation, test = map(_tensors, load_digits())
    generator = torch.Generator().manual_seed(seed)
    network = CNN(configuration, generator)
    optimizer = OPTIMIZERS[str(configuration["optimizer"])](network.weights, float(str(configuration["learning_rate"])))
    curve = []
    for epoch in range(1, epochs + 1):
        for rows in torch.randperm(len(labels), generator=generator).view(-1, BATCH):
            loss = F.cross_entropy(network(pictures[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        curve.append(accuracy(network, *validation))
        if not report(epoch, curve[-1]) or math.isnan(curve[-1]):
            break
    if math.isnan(curve[-1]):
        curve += [math.nan] * (epochs - len(curve))
    final = math.nan if math.isnan(curve[-1]) else accuracy(network, *test)
    return Curve(curve, final, time.process_time() - begin)


@torch.no_grad()
def accuracy(network: CNN, pictures: Tensor, labels: Tensor) -> float:
    """The share of pictures that are recognised; NaN where an output is not finite."""
    logits = network(pictures)
    if not logits.isfinite().all():
        return math.nan
    return float((logits.argmax(1) == labels).double().mean())


def _tensors(part: LabelledData) -> tuple[Tensor, Tensor]:
    return torch.tensor(part.inputs)[:, None], torch.tensor(part.labels)


def validation_accuracy(
    configuration: Mapping[str, Scalar], seed: int, report: Callable[[float, float], bool], epochs: int = EPOCHS
) -> float:
    """Train one network; return its final validation accuracy, NaN if it diverged.

    Args:
        configuration: One of :func:`cnn_space`.
        seed: Of the first weights and of the order of the pictures.
        report: Called with the epoch and the validation accuracy after it; False ends the training.
        epochs: How long.
    """
    return train(configuration, seed, epochs, report).validation[-1]


def digits_cnn(epochs: int = EPOCHS) -> Objective:
    """The objective that trains a network for each trial; one that diverges is a failed trial.

    With seeds 0 and 1 and nine epochs it gives the scores of the table ``digits-cnn``.

    Args:
        epochs: Of each training.

    Raises:
        UserError: fewer than one.
    """
    check(epochs=(epochs, 1))
    about = {"live": "digits-cnn", "score": "validation accuracy", "epochs": epochs}
    return FunctionObjective(cnn_space(), partial(validation_accuracy, epochs=epochs), about, epochs)
