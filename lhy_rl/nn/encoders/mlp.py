"""The encoder of numbers: a multilayer perceptron."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.nn.encoders.base import Encoder, EncoderOptions, refuse
from lhy_rl.nn.encoders.image_spaces import byte_scale
from lhy_rl.nn.layers.dense import dense


class MLPEncoder(Encoder):
    """Layers over the flattened numbers of a Box or MultiBinary, (..., *shape) to (..., E); bytes are scaled to 0..1
    (:func:`~lhy_rl.nn.encoders.image_spaces.byte_scale`).

    With ``layers=0`` it only flattens, and ``output_size`` is the size of the flattened observation.
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
        self.layers = dense(
            self.input_size, options.widths, activation, options.norm, options.dropout, options.dense_layers
        )
        self.output_size = (self.input_size, *options.widths)[-1]
        self.owns_initialization = activation == "selu"

    def forward(self, obs: Tensor) -> Tensor:
        x, leading = self.flatten(obs)
        h: Tensor = self.layers(x)  # (N, E)
        return h.view(*leading, self.output_size)

    def flatten(self, obs: Tensor) -> tuple[Tensor, torch.Size]:
        """(..., *shape) to (N, I), and the leading dimensions."""
        leading = obs.shape[: obs.dim() - self.dimensions]
        x = obs.to(self._dtype)
        if self.scale != 1:
            x = x * self.scale
        return x.reshape(leading.numel(), self.input_size), leading

    @property
    def _dtype(self) -> torch.dtype:
        """The dtype of the weights; without weights torch's default, which later layers have."""
        return self.layers[0].weight.dtype if len(self.layers) else torch.get_default_dtype()  # type: ignore[return-value]
