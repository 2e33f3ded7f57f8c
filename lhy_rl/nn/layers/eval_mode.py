"""Training and evaluation mode of networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """A context in which the network is in evaluation mode (no dropout); each module's mode is restored after it."""
    training = network.training
    others = [module for module in network.modules() if module.training is not training]
    network.eval()
    try:
        yield
    finally:
        network.train(training)
        for module in others:
            module.training = not training
