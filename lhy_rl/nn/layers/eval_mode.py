"""Training and evaluation mode of networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.dropout import _DropoutNd


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


@contextmanager
def without_dropout(network: nn.Module) -> Iterator[None]:
    """Inside, nothing is dropped, whatever the mode: a ratio needs the probabilities that were drawn with."""
    layers = [layer for layer in network.modules() if isinstance(layer, _DropoutNd)]
    shares = [layer.p for layer in layers]
    try:
        for layer in layers:
            layer.p = 0.0
        yield
    finally:
        for layer, share in zip(layers, shares, strict=True):
            layer.p = share
