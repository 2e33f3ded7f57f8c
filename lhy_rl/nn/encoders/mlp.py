"""Dense encoders: of numbers, and of tokens, whose first layer is a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.functional.fused.tanh_mlp import tanh_layers
from lhy_rl.nn.acceleration.inventory import hooked
from lhy_rl.nn.encoders.base import Encoder, EncoderOptions, refuse
from lhy_rl.nn.layers.activations import initialize, make_activation, make_dropout


def after_linear(size: int, options: EncoderOptions, activation: str) -> list[nn.Module]:
    """What follows a linear layer: normalisation, activation, dropout, those that are wanted."""
    norm: list[nn.Module] = []
    if options.norm != "none":
        norm = [nn.BatchNorm1d(size) if options.norm == "batch" else nn.LayerNorm(size)]
    return [*norm, make_activation(activation), *make_dropout(activation, options.dropout)]


def dense(input_size: int, widths: Sequence[int], options: EncoderOptions, activation: str) -> Layers:
    """Linear layers of these widths, each with what follows it: (N, input_size) to (N, the last width)."""
    modules: list[nn.Module] = []
    for width in widths:
        linear = nn.Linear(input_size, width)
        initialize(linear, activation)
        modules += [linear, *after_linear(width, options, activation)]
        input_size = width
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
        if self.fused and not hooked(*self):
            return tanh_layers(x, *self.weights())
        return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]


def byte_scale(space: gym.Space[Any]) -> float:
    """What numbers of a space are multiplied by: 1 / the largest for uint8 (1/255 for images), 1 for all others.

    Bytes in three dimensions that are too small for a picture are symbols (Minigrid's 7x7x3: objects, colours and
    states, from 0 to 10) and stay as they are; divided by 255 they would be next to nothing.
    """
    from lhy_rl.nn.encoders.convolutional import SmallEncoder, image_size

    if not isinstance(space, gym.spaces.Box) or space.dtype != np.uint8 or not space.high.size:
        return 1.0
    if len(space.shape) in (3, 4) and min(image_size(space)[1:]) < SmallEncoder.smallest:
        return 1.0
    return 1.0 / max(int(space.high.max()), 1)


class MLPEncoder(Encoder):
    """Layers over the flattened numbers of a Box or MultiBinary, (..., *shape) to (..., E); bytes are scaled to 0..1
    (:func:`byte_scale`).

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
        self.layers = dense(self.input_size, options.widths, options, activation)
        self.output_size = (self.input_size, *options.widths)[-1]
        self.owns_initialization = activation == "selu"

    def forward(self, obs: Tensor) -> Tensor:
        x, leading = self.flatten(obs)
        h: Tensor = self.layers(x)  # (N, E)
        return h.view(*leading, self.output_size)

    def flatten(self, obs: Tensor) -> tuple[Tensor, torch.Size]:
        """(..., *shape) to numbers (N, I), and what leads."""
        leading = obs.shape[: obs.dim() - self.dimensions]
        x = obs.to(self._dtype)
        if self.scale != 1:
            x = x * self.scale
        return x.reshape(leading.numel(), self.input_size), leading

    @property
    def _dtype(self) -> torch.dtype:
        """That of the weights; without any, torch's usual one, as the layers behind have it."""
        return self.layers[0].weight.dtype if len(self.layers) else torch.get_default_dtype()  # type: ignore[return-value]


class TokenEncoder(Encoder):
    """A learned vector for each token: Discrete(n) to (..., E).

    MultiDiscrete and MultiBinary hold K tokens, with a table each. Their vectors are added, not put side by side: the
    sum is a linear layer over the K one-hot vectors, computed by looking up, and the output stays E wide however
    many they are. The options' activation and remaining layers follow, so that the whole is an MLP of ``layers``
    layers over the one-hots (a sum alone cannot tell which tokens occur together). One token alone needs no further
    layers and gets those of ``hidden_sizes`` only.
    """

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        super().__init__()
        self.first: int | None = None
        if isinstance(space, gym.spaces.Discrete):
            self.first, widths = int(space.start), options.widths if options.hidden_sizes is not None else ()
            counts = np.array([space.n])
        elif isinstance(space, gym.spaces.MultiDiscrete | gym.spaces.MultiBinary):
            self.dimensions, widths = len(space.shape), options.widths
            if isinstance(space, gym.spaces.MultiDiscrete):
                counts, firsts = np.asarray(space.nvec).ravel(), np.asarray(space.start).ravel()
            else:
                counts, firsts = np.full(int(np.prod(space.shape)), 2), np.zeros(1, np.int64)
            self.offsets: Tensor
            offsets = torch.from_numpy(np.cumsum(counts) - counts - firsts).long()
            self.register_buffer("offsets", offsets, persistent=False)
        else:
            raise refuse("tokens", space, "Discrete, MultiDiscrete and MultiBinary spaces")
        size = widths[0] if widths else options.embedding_size
        self.embedding = nn.Embedding(int(counts.sum()), size)
        if self.first is None:
            nn.init.normal_(self.embedding.weight, std=len(counts) ** -0.5)  # so that the sum has variance 1
        activation = options.activation_or("tanh")
        self.layers = nn.Sequential(
            *(after_linear(size, options, activation) if widths else []),
            *dense(size, widths[1:], options, activation),
        )
        self.output_size = widths[-1] if widths else size
        self.owns_initialization = activation == "selu" and len(self.layers) > 0

    def forward(self, obs: Tensor) -> Tensor:
        if self.first is not None:
            vectors: Tensor = self.embedding(obs.long() - self.first)
            if not len(self.layers):
                return vectors
            leading, vectors = obs.shape, vectors.flatten(0, -2)
        else:
            leading = obs.shape[: obs.dim() - self.dimensions]
            rows = obs.reshape(leading.numel(), len(self.offsets)).long() + self.offsets
            if hooked(self.embedding):
                vectors = self.embedding(rows).sum(1)
            else:
                vectors = F.embedding_bag(rows, self.embedding.weight, mode="sum")  # (N, K) to (N, E)
        h: Tensor = self.layers(vectors)
        return h.view(*leading, self.output_size)
