"""The encoder of tokens: an embedding table, and layers if an observation has several tokens."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.nn.acceleration.inventory import hooked
from lhy_rl.nn.encoders.base import Encoder, EncoderOptions, refuse
from lhy_rl.nn.layers.dense import after_linear, dense


class TokenEncoder(Encoder):
    """A learned vector for each token: Discrete(n) to (..., E).

    MultiDiscrete and MultiBinary hold K tokens, with a table each. Their vectors are added, not concatenated: the sum
    is a linear layer over the K one-hot vectors, computed by lookup, and the output stays E wide for any K. The
    options' activation and remaining layers follow, so that the whole is an MLP of ``layers`` layers over the one-hots
    (a sum alone cannot tell which tokens occur together). A single token needs no further layers and gets only those of
    ``hidden_sizes``.
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
            *(after_linear(size, activation, options.norm, options.dropout) if widths else []),
            *dense(size, widths[1:], activation, options.norm, options.dropout, options.dense_layers),
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
