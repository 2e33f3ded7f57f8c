"""Trainings by stochastic gradient descent, many at a time: their instances, and an epoch of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lhy_rl.data.digits import load_digits
from lhy_rl.search.children.batched_mlp import BLOCK, BatchedMLP

CLASSES = 10
IMAGES = 600  # training images of an instance
LEVELS = np.array([0.0, 0.1, 0.2, 0.4])  # shares of wrong labels
SPLITS = ("train", "test")
COUNT = 1000  # instances of a split


class Instances:
    """The instances of a split: images, wrong labels and initial weights, all determined by an instance's number.

    Args:
        split: ``train`` has the numbers 0 to 999, ``test`` 1,000 to 1,999.
        noise: The share of wrong labels; None takes one of four, by the number.
    """

    def __init__(self, split: str, noise: float | None) -> None:
        self.first = COUNT * SPLITS.index(split)
        self.noise = noise
        self.true_labels = load_digits().train.labels

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """(n,) numbers of instances, all different if there are enough."""
        return self.first + rng.choice(COUNT, n, replace=n > COUNT)

    def data(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The training data of instances.

        Args:
            numbers: (B,).

        Returns:
            (B, 600) indices of the images, (B, 600) labels, some of them wrong, and (B,) the share of wrong ones.
        """
        images = np.empty((len(numbers), IMAGES), np.int16)
        labels = np.empty((len(numbers), IMAGES), np.int8)
        noise = LEVELS[numbers % len(LEVELS)] if self.noise is None else np.full(len(numbers), self.noise)
        for row, number in enumerate(numbers):
            rng = np.random.default_rng([int(number), IMAGES])
            images[row] = rng.permutation(len(self.true_labels))[:IMAGES]
            labels[row] = self.true_labels[images[row]]
            wrong = slice(0, round(noise[row] * IMAGES))  # the images come in no order
            labels[row, wrong] += rng.integers(1, CLASSES, len(labels[row, wrong]), np.int8)
        return images, labels % CLASSES, noise


class Epoch(NamedTuple):
    """The result of a step of the environment.

    Attributes:
        parameters: (B, P); not finite where the training has diverged.
        loss, norm: (B,) the losses of the minibatches and their gradients' norms, means.
        flips: (B,) share of the gradient's components that have another sign than in the minibatch before, mean.
    """

    parameters: np.ndarray
    loss: np.ndarray
    norm: np.ndarray
    flips: np.ndarray


class SGDTraining:
    """Perceptrons with one hidden layer, on digits.

    Args:
        hidden_size: Width of that layer.
        batch_size: Images of a minibatch; an incomplete last minibatch of an epoch is left out.
        epochs: Epochs per step of the environment.
    """

    def __init__(self, hidden_size: int, batch_size: int, epochs: int) -> None:
        data = load_digits()
        self.pictures = data.train.inputs.reshape(len(data.train.inputs), -1)  # (N, F)
        self.held_out = {
            name: (part.inputs.reshape(len(part.inputs), -1), part.labels)
            for name, part in (("validation", data.validation), ("test", data.test))
        }
        self.mlp = BatchedMLP((self.pictures.shape[1], hidden_size, CLASSES))
        self.batch_size = batch_size
        self.epochs = epochs

    def validation_loss(self, parameters: np.ndarray) -> np.ndarray:
        """(B,) mean negative log-likelihood of the validation images, nats."""
        return self.mlp.loss(parameters, *self.held_out["validation"]).astype(float)

    def scores(self, parameters: np.ndarray) -> dict[str, np.ndarray]:
        """The final likelihoods and accuracies of trainings, (B,) each."""
        found = {}
        for name, (pictures, labels) in self.held_out.items():
            found[f"{name}_nll"] = self.mlp.loss(parameters, pictures, labels).astype(float)
            found[f"{name}_accuracy"] = self.mlp.accuracy(parameters, pictures, labels)
        return found

    def at_first(self, parameters: np.ndarray, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(B,) loss and (B,) norm of the gradient over all of the instances' images."""
        losses, norms = np.empty(len(images)), np.empty(len(images))
        for rows in _blocks(len(images)):
            losses[rows], gradient = self.mlp.gradient(parameters[rows], self.pictures[images[rows]], labels[rows])
            norms[rows] = np.linalg.norm(gradient, axis=1)
        return losses, norms

    def train(
        self,
        parameters: np.ndarray,
        images: np.ndarray,
        labels: np.ndarray,
        rates: np.ndarray,
        rng: np.random.Generator,
    ) -> Epoch:
        """Train for one or more epochs: theta <- theta - rate * gradient, minibatch by minibatch.

        Args:
            parameters: (B, P); they are not changed.
            images, labels: (B, 600), see :meth:`Instances.data`.
            rates: (B,) learning rates.
            rng: Shuffles the images, for each instance separately.
        """
        n = len(images)
        used = IMAGES - IMAGES % self.batch_size
        places = np.tile(np.arange(IMAGES, dtype=np.int16), (n, 1))
        order = np.concatenate([rng.permuted(places, axis=1)[:, :used] for _ in range(self.epochs)], 1)
        result = Epoch(parameters.copy(), np.zeros(n), np.zeros(n), np.zeros(n))
        with np.errstate(all="ignore"):
            for rows in _blocks(n):  # what a block of children needs stays in the processor's cache
                block = Epoch(*(array[rows] for array in result))
                self._train(block, images[rows], labels[rows], order[rows], rates[rows, None].astype(np.float32))
        return result

    def _train(
        self, result: Epoch, images: np.ndarray, labels: np.ndarray, order: np.ndarray, rates: np.ndarray
    ) -> None:
        """As :meth:`train`, for some children, in place: the result first holds their initial parameters."""
        batches = np.split(order, order.shape[1] // self.batch_size, axis=1)
        parameters, loss, norm, flips = result
        gradient = np.empty_like(parameters)
        positive, positive_before, changed = (np.zeros(parameters.shape, bool) for _ in range(3))
        for step, batch in enumerate(batches):
            pictures = self.pictures[np.take_along_axis(images, batch, 1)]  # (B, n, F)
            own_labels = np.take_along_axis(labels, batch, 1)
            loss += self.mlp.gradient(parameters, pictures, own_labels, gradient)[0] / len(batches)
            norm += np.sqrt(np.vecdot(gradient, gradient)) / len(batches)
            np.greater(gradient, 0, out=positive)
            if step:
                np.not_equal(positive, positive_before, out=changed)
                flips += np.bitwise_count(np.packbits(changed, 1)).sum(1) / (changed[0].size * (len(batches) - 1))
            positive, positive_before = positive_before, positive
            gradient *= rates
            parameters -= gradient


def _blocks(n: int) -> list[slice]:
    return [slice(first, first + BLOCK) for first in range(0, n, BLOCK)]
