"""Training and evaluation mode of networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Inside, the network is in evaluation mode (no dropout); afterwards it is as it was, part by part."""
    training = network.training
    others = [module for module in network.modules() if module.training is not training]
    network.eval()
    try:
        yield
    finally:
        network.train(training)
        for module in others:
            module.training = not training
