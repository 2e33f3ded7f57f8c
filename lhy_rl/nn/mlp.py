"""Dense encoders: of numbers, and of tokens, whose first layer is a table."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.functional.dense import tanh_layers
from lhy_rl.nn.activations import initialize, make_activation, make_dropout
from lhy_rl.nn.encoders import Encoder, EncoderOptions, refuse


def after_linear(size: int, options: EncoderOptions, activation: str) -> list[nn.Module]:
    """What follows a linear layer: normalisation, activation, dropout, those that are wanted."""
    norm: list[nn.Module] = []
    if options.norm != "none":
        norm = [nn.BatchNorm1d(size) if options.norm == "batch" else nn.LayerNorm(size)]
    return [*norm, make_activation(activation), *make_dropout(activation, options.dropout)]


def dense(input_size: int, layers: int, options: EncoderOptions, activation: str) -> Layers:
    """Linear layers of width E, each with what follows it: (N, input_size) to (N, E)."""
    modules: list[nn.Module] = []
    for _ in range(layers):
        linear = nn.Linear(input_size, options.embedding_size)
        initialize(linear, activation)
        modules += [linear, *after_linear(options.embedding_size, options, activation)]
        input_size = options.embedding_size
    return Layers(*modules)


class Layers(nn.Sequential):
    """Layers one after the other; where all are linear with tanh behind, they are one operation."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(*modules)
        kinds = [type(module) for module in modules]
        self.fused = bool(modules) and kinds == [nn.Linear, nn.Tanh] * (len(modules) // 2)

    def weights(self) -> list[Tensor]:
        """W and b of each layer, where all are linear with tanh behind."""
        return [parameter for layer in self for parameter in layer.parameters(recurse=False)]

    def forward(self, x: Tensor) -> Tensor:
        if self.fused:
            return tanh_layers(x, *self.weights())
        return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


def byte_scale(space: gym.Space[Any]) -> float:
    """What numbers of a space are multiplied by: 1 / the largest for uint8 (1/255 for images), 1 for all others."""
    if isinstance(space, gym.spaces.Box) and space.dtype == np.uint8 and space.high.size:
        return 1.0 / max(int(space.high.max()), 1)
    return 1.0


class MLPEncoder(Encoder):
    """Layers over the flattened numbers of a Box or MultiBinary, (..., *shape) to (..., E); bytes are scaled to 0..1.

    With ``layers=0`` it only flattens, and ``output_size`` is the number of numbers.
    """

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        super().__init__()
        if not isinstance(space, gym.spaces.Box | gym.spaces.MultiBinary):
            raise refuse("mlp", space, "Box and MultiBinary spaces")
        assert space.shape is not None
        self.dimensions = len(space.shape)
        self.scale = byte_scale(space)
        self.input_size = int(np.prod(space.shape))
        activation = options.activation_or("tanh")
        self.layers = dense(self.input_size, options.layers, options, activation)
        self.output_size = options.embedding_size if options.layers else self.input_size
        self.owns_initialization = activation == "selu"

    def forward(self, obs: Tensor) -> Tensor:
        x, leading = self.flatten(obs)
        h: Tensor = self.layers(x)  # (N, E)
        return h.view(*leading, self.output_size)

    def flatten(self, obs: Tensor) -> tuple[Tensor, torch.Size]:
        """(..., *shape) to numbers (N, I), and what leads."""
        leading = obs.shape[: obs.dim() - self.dimensions]
        x = obs.to(self._dtype(obs))
        if self.scale != 1:
            x = x * self.scale
        return x.reshape(leading.numel(), self.input_size), leading

    def _dtype(self, obs: Tensor) -> torch.dtype:
        """That of the weights; without any, the observation's, float32 where that is not a float."""
        if len(self.layers):
            return self.layers[0].weight.dtype  # type: ignore[return-value]
        return obs.dtype if obs.is_floating_point() else torch.float32


class TokenEncoder(Encoder):
    """A learned vector for each token: Discrete(n) to (..., E).

    MultiDiscrete and MultiBinary hold K tokens, with a table each. Their vectors are added, not put side by side: the
    sum is a linear layer over the K one-hot vectors, computed by looking up, and the output stays E wide however
    many they are. The options' activation and remaining layers follow, so that the whole is an MLP of ``layers``
    layers over the one-hots (a sum alone cannot tell which tokens occur together).
    """

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        super().__init__()
        size = self.output_size = options.embedding_size
        if isinstance(space, gym.spaces.Discrete):
            self.first: int | None = int(space.start)
            self.embedding = nn.Embedding(int(space.n), size)
            return
        if not isinstance(space, gym.spaces.MultiDiscrete | gym.spaces.MultiBinary):
            raise refuse("tokens", space, "Discrete, MultiDiscrete and MultiBinary spaces")
        self.first = None
        self.dimensions = len(space.shape)
        if isinstance(space, gym.spaces.MultiDiscrete):
            counts, firsts = np.asarray(space.nvec).ravel(), np.asarray(space.start).ravel()
        else:
            counts, firsts = np.full(int(np.prod(space.shape)), 2), np.zeros(1, np.int64)
        self.offsets: Tensor
        self.register_buffer("offsets", torch.from_numpy(np.cumsum(counts) - counts - firsts).long(), persistent=False)
        self.embedding = nn.Embedding(int(counts.sum()), size)
        nn.init.normal_(self.embedding.weight, std=len(counts) ** -0.5)  # so that the sum has variance 1
        activation = options.activation_or("tanh")
        self.layers = nn.Sequential(
            *(after_linear(size, options, activation) if options.layers else []),
            *dense(size, options.layers - 1, options, activation),
        )
        self.owns_initialization = activation == "selu"

    def forward(self, obs: Tensor) -> Tensor:
        if self.first is not None:
            return self.embedding(obs.long() - self.first)  # type: ignore[no-any-return]
        leading = obs.shape[: obs.dim() - self.dimensions]
        rows = obs.reshape(leading.numel(), len(self.offsets)).long() + self.offsets
        h: Tensor = self.layers(F.embedding_bag(rows, self.embedding.weight, mode="sum"))  # (N, K) to (N, E)
        return h.view(*leading, self.output_size)
