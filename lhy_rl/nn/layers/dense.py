"""Linear layers, each with its normalisation, activation and dropout."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from lhy_rl.functional.fused.tanh_mlp import tanh_layers
from lhy_rl.nn.acceleration.inventory import hooked
from lhy_rl.nn.layers.activations import initialize, make_activation, make_dropout
from lhy_rl.nn.layers.highway import Highway


def after_linear(size: int, activation: str, norm: str = "none", dropout: float = 0.0) -> list[nn.Module]:
    """The modules after a linear layer: normalisation (``none``, ``batch`` or ``layer``), activation and dropout."""
    norms: list[nn.Module] = []
    if norm != "none":
        norms = [nn.BatchNorm1d(size) if norm == "batch" else nn.LayerNorm(size)]
    return [*norms, make_activation(activation), *make_dropout(activation, dropout)]


def norm_of_maps(maps: int, norm: str) -> list[nn.Module]:
    """The normalisation after a convolution: over all maps and places (``layer``), or of each map (``batch``)."""
    if norm == "none":
        return []
    return [nn.BatchNorm2d(maps) if norm == "batch" else nn.GroupNorm(1, maps)]


KINDS = ("plain", "highway")


def dense(
    input_size: int,
    widths: Sequence[int],
    activation: str,
    norm: str = "none",
    dropout: float = 0.0,
    kind: str = "plain",
) -> Layers:
    """Layers of these widths: (N, input_size) to (N, the last width).

    ``plain`` layers are linear, each followed by :func:`after_linear`. With ``highway``, layers as wide as the one
    below are highway layers, each followed by dropout.
    """
    modules: list[nn.Module] = []
    highways = sum(a == b for a, b in pairwise(widths))
    for depth, width in enumerate(widths):
        if kind == "highway" and depth and width == input_size:
            modules += [Highway(width, make_activation(activation), highways), *make_dropout(activation, dropout)]
            continue
        linear = nn.Linear(input_size, width)
        initialize(linear, activation)
        modules += [linear, *after_linear(width, activation, norm, dropout)]
        input_size = width
    return Layers(*modules)


class Layers(nn.Sequential):
    """Layers one after the other, run as one operation if each is linear and followed by tanh."""

    @property
    def fused(self) -> bool:
        """Whether each layer is currently linear and followed by tanh."""
        kinds = [type(module) for module in self._modules.values()]
        return bool(kinds) and kinds == [nn.Linear, nn.Tanh] * (len(kinds) // 2)

    def weights(self) -> list[Tensor]:
        """W and b of each layer, if all are linear and followed by tanh."""
        return [parameter for layer in self if isinstance(layer, nn.Linear) for parameter in (layer.weight, layer.bias)]

    def forward(self, x: Tensor) -> Tensor:
        if self.fused and not hooked(*self):
            return tanh_layers(x, *self.weights())
        return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]
