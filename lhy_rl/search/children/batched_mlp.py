"""Small classifiers that are trained many at a time: multi-layer perceptrons stacked along a batch axis.

A search over hyperparameters trains hundreds of children of one shape. One by one each of their steps is a dozen calls
on matrices of a few kilobytes; stacked, the same calls compute all children, as batched matrix products
(`numpy.matmul`, which for these sizes was measured a third faster than `torch.bmm`). The parameters of a child are one
row of a (B, P) array, so that update rules, norms, snapshots and copies are plain arithmetic on arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError

BLOCK = 32
"""Children whose activations and gradients are computed together: what they need stays in the processor's cache."""

Layer = tuple[np.ndarray, np.ndarray]


class BatchedMLP:
    """B classifiers with ReLU layers and a softmax, trained on the mean negative log-likelihood.

        h = max(0, x W1 + b1), ..., z = h Wk + bk, NLL = -mean log softmax(z)[label]

    The methods keep no state: the caller holds the parameters. A child that has diverged has NaN or infinite losses and
        gradients, and does not affect the others.

    Args:
        sizes: Widths of the layers, the inputs (F) first and the classes (C) last.

    Attributes:
        num_parameters: P, numbers of one child.

    Raises:
        UserError: fewer than two sizes, or one below 1.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        if len(sizes) < 2:
            raise UserError(f"sizes={list(sizes)} is not allowed; must be at least two, the inputs and the classes")
        self.sizes = tuple(validation.integer("sizes", size, 1) for size in sizes)
        self.shapes = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        self.num_parameters = sum(inputs * outputs + outputs for inputs, outputs in self.shapes)

    def layers(self, parameters: np.ndarray) -> list[Layer]:
        """(B, P) to the weights (B, in, out) and biases (B, 1, out) of each layer, as views of the same memory."""
        found, first = [], 0
        for inputs, outputs in self.shapes:
            last = first + inputs * outputs
            weights = parameters[:, first:last].reshape(-1, inputs, outputs)
            biases = parameters[:, None, last : last + outputs]
            found.append((weights, biases))
            first = last + outputs
        return found

    def initial(self, seeds: Sequence[int] | np.ndarray) -> np.ndarray:
        """New children, one for each seed; a child does not depend on the others.

        Args:
            seeds: (B,) whole numbers of at least 0.

        Returns:
            (B, P) float32: weights from N(0, 2 / in) (He et al. 2015, section 2.2), biases 0.
        """
        parameters = np.zeros((len(seeds), self.num_parameters), np.float32)
        layers = self.layers(parameters)
        for child, seed in enumerate(seeds):
            rng = np.random.default_rng(int(seed))
            for weights, _ in layers:
                weights[child] = rng.normal(0.0, np.sqrt(2 / weights.shape[1]), weights.shape[1:])
        return parameters

    def logits(self, parameters: np.ndarray, x: np.ndarray) -> np.ndarray:
        """(B, n, C) logits of the children.

        Args:
            parameters: (B, P).
            x: (B, n, F), or (n, F) where all children have the same.
        """
        with np.errstate(all="ignore"):
            parts = [self._forward(self.layers(parameters[rows]), _of(x, rows, 3))[-1] for rows in _blocks(parameters)]
        return np.concatenate(parts)

    def loss(self, parameters: np.ndarray, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(B,) mean negative log-likelihood, in nats; arguments as in :meth:`gradient`."""
        with np.errstate(all="ignore"):
            return _log_likelihood(_log_softmax(self.logits(parameters, x)), labels)

    def accuracy(self, parameters: np.ndarray, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(B,) share of inputs whose most probable class is the label; meaningless for a diverged child."""
        right: np.ndarray = (self.logits(parameters, x).argmax(-1) == labels).mean(-1)
        return right

    def gradient(
        self, parameters: np.ndarray, x: np.ndarray, labels: np.ndarray, out: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The losses and their gradients.

        Args:
            parameters: (B, P) float32.
            x: (B, n, F) float32, or (n, F) where all children have the same.
            labels: (B, n) or (n,) whole numbers from 0 to C - 1.
            out: (B, P) float32 array to which the gradients are written, which saves an allocation.

        Returns:
            (B,) mean negative log-likelihoods and their (B, P) gradients.
        """
        losses = np.empty(len(parameters), np.float32)
        gradient = np.empty_like(parameters) if out is None else out
        with np.errstate(all="ignore"):
            for rows in _blocks(parameters):
                losses[rows] = self._backward(
                    self.layers(parameters[rows]), _of(x, rows, 3), _of(labels, rows, 2), self.layers(gradient[rows])
                )
        return losses, gradient

    # ------------------------------------------------------------------ one block of children
    def _forward(self, layers: list[Layer], x: np.ndarray) -> list[np.ndarray]:
        """The inputs of every layer, and the logits."""
        found = [x]
        for weights, biases in layers:
            x = np.matmul(x, weights)  # (B, n, out)
            x += biases
            if len(found) < len(layers):
                np.maximum(x, 0, out=x)
            found.append(x)
        return found

    def _backward(self, layers: list[Layer], x: np.ndarray, labels: np.ndarray, gradient: list[Layer]) -> np.ndarray:
        """Write the gradient; return the losses."""
        *inputs, logits = self._forward(layers, x)
        log_probs = _log_softmax(logits)
        losses = _log_likelihood(log_probs, labels)
        n = logits.shape[1]
        delta = np.exp(log_probs, out=log_probs)  # (B, n, C) gradient by the logits: (softmax - one-hot) / n
        children, samples = np.arange(len(delta))[:, None], np.arange(n)
        delta[children, samples, labels] -= 1
        delta *= np.float32(1 / n)
        for (weights, _), (grad_weights, grad_biases), before in reversed(
            list(zip(layers, gradient, inputs, strict=True))
        ):
            np.matmul(before.swapaxes(-1, -2), delta, out=grad_weights)
            np.matmul(np.ones((1, n), np.float32), delta, out=grad_biases)
            if before is not x:
                delta = np.matmul(delta, weights.swapaxes(-1, -2))
                delta *= before > 0
        return losses


def _blocks(parameters: np.ndarray) -> Iterator[slice]:
    for first in range(0, len(parameters), BLOCK):
        yield slice(first, first + BLOCK)


def _of(array: np.ndarray, rows: slice, ndim: int) -> np.ndarray:
    """These children's part of an array, which may be shared by all children."""
    return array[rows] if array.ndim == ndim else array


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted: np.ndarray = logits - logits.max(-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(-1, keepdims=True))
    return shifted


def _log_likelihood(log_probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(B, n, C) and the labels to (B,) mean negative log-likelihoods."""
    children, samples = np.arange(len(log_probs))[:, None], np.arange(log_probs.shape[1])
    chosen: np.ndarray = -log_probs[children, samples, labels].mean(-1)
    return chosen
