"""What the layers of a network put out: means, variances, and units that say the same whatever they are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lhy_rl.nn.backbones.base import SequenceBackbone
from lhy_rl.nn.layers.activations import activations

DEAD = 1e-6  # what varies less over the examples does not vary


class LayerStatistics(NamedTuple):
    """Of one layer's outputs over all examples."""

    name: str
    mean: float
    variance: float
    """Over examples and units together."""
    dead: float
    """Share of the units whose output is the same on every example: a rectifier at 0, a tanh at its end."""
    units: int


def layer_statistics(network: nn.Module, run: Callable[[], Any], valid: Tensor | None = None) -> list[LayerStatistics]:
    """The statistics of every activation function's outputs, and of every recurrent backbone's.

    Args:
        run: Shows the network its examples; layers are numbered in the order in which they are called first.
        valid: (L, N) bool: which of the steps that it is shown count; None takes all.
    """
    kinds = (*(activations.get(name) for name in activations.names()), nn.Sigmoid, SequenceBackbone)
    sums: dict[str, list[Tensor]] = {}
    handles = []

    def listen(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            y = _counted((output[0] if isinstance(output, tuple) else output).detach(), valid)
            units = y.transpose(1, -1) if y.dim() == 4 else y  # maps of a CNN are units
            sums.setdefault(name, []).append(units.reshape(-1, units.shape[-1]).double())

        return hook

    for name, module in network.named_modules():
        if isinstance(module, kinds):
            handles.append(module.register_forward_hook(listen(name)))
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    found = []
    for name, outputs in sums.items():
        y = torch.cat(outputs)
        dead = ((y.amax(0) - y.amin(0)) < DEAD).double().mean()
        found.append(LayerStatistics(name, float(y.mean()), float(y.var()), float(dead), y.shape[1]))
    return found


def _counted(y: Tensor, valid: Tensor | None) -> Tensor:
    """The outputs of the steps that count, of a block (L, N, units) or of its rows (L * N, ...)."""
    if valid is None:
        return y
    if y.dim() == 3 and y.shape[:2] == valid.shape:
        return y[valid]
    return y[valid.flatten()] if len(y) == valid.numel() else y
