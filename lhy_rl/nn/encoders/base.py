"""The base class of encoders, which turn observations of a space into vectors (..., E), and their options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np
from torch import Tensor, nn

from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.core.validation import flag, integer, positive, share
from lhy_rl.nn.layers.activations import activations
from lhy_rl.nn.layers.dense import KINDS
from lhy_rl.nn.layers.pooling import POOLINGS

NORMS = ("none", "batch", "layer")
FURTHER = (
    *("hidden_sizes", "dense_layers", "spatial_transformer", "crop", "map_rate", "routing_iterations", "capsule_size"),
    *("frozen", "features", "architecture"),
)
"""Options that only some encoders have."""


@dataclass(frozen=True)
class EncoderOptions:
    """Options of encoders; each encoder reads the ones that concern it.

    Args:
        embedding_size: E, width of the output and of an MLP's layers.
        layers: Number of layers of an MLP; with 0 it only flattens.
        hidden_sizes: Widths of the dense layers of an MLP, after the joined parts of a Dict, and after a CNN's
            convolutions. They replace ``layers`` layers of ``embedding_size``.
        activation: A name of :data:`lhy_rl.nn.layers.activations.activations`, or ``auto``: tanh in an MLP and relu in
            a CNN.
        norm: ``none``, ``batch`` (over all leading dimensions) or ``layer``, before each activation.
        pooling: How a CNN's layers shrink the image: ``strided`` convolutions, or convolutions of stride 1 and
            ``max``, ``average``, ``lp`` (p = 2) or ``fractional`` pooling, which cost about stride^2 times as much.
        dense_layers: ``plain``, or ``highway``: dense layers as wide as the one below mix their output with their
            input, so that dozens of them train (Srivastava et al. 2015); they have no ``norm``.
        dropout: Share of each dense layer's outputs dropped in training; AlphaDropout after SELU.
        spatial_transformer: Put one before the first convolution of a CNN, for pictures whose contents are rotated,
            moved or scaled (Jaderberg et al. 2015). It has the CNN's ``norm``, and learns better with one.
        crop: Share of an image's sides that a spatial transformer passes on, the middle at first. Lower it if the
            object is smaller than the image.
        map_rate: Learning rate of a spatial transformer's map, relative to the rest of the network. Lower it (to 0.03)
            if it turns away from the object before the object is known.
        routing_iterations: Routing iterations of ``capsule``, 1 to 3.
        capsule_size: Numbers in each capsule of ``capsule``; it has embedding_size / capsule_size capsules.
        frozen: Keep the weights of a pretrained encoder fixed, and train only the layers after it.
        features: Take the outputs of a pretrained encoder's last convolution, not its code: the places of things are
            easier to compare in them.
        architecture: Architecture of a pretrained encoder, as stored in an agent's file; its weights are the agent's.

    Raises:
        UserError: A name does not exist, or a number is out of range.
    """

    embedding_size: int = 32
    layers: int = 2
    activation: str = "tanh"
    norm: str = "none"
    pooling: str = "strided"
    dropout: float = 0.0
    hidden_sizes: Sequence[int] | None = None
    dense_layers: str = "plain"
    spatial_transformer: bool = False
    crop: float = 1.0
    map_rate: float = 1.0
    routing_iterations: int = 3
    capsule_size: int = 8
    frozen: bool = False
    features: bool = False
    architecture: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        sizes = () if self.hidden_sizes is None else self.hidden_sizes
        if isinstance(sizes, str) or not all(isinstance(size, int | np.integer) and size >= 1 for size in sizes):
            raise UserError(f"hidden_sizes is {sizes!r}; allowed: whole numbers from 1 up, as in [64, 64]")
        if self.embedding_size < 1:
            raise UserError(f"embedding_size is {self.embedding_size}; must be at least 1")
        if self.layers < 0:
            raise UserError(f"layers is {self.layers}; must be at least 0")
        if not 0 <= self.dropout < 1:
            raise UserError(f"dropout is {self.dropout}; must be at least 0 and below 1")
        flag("spatial_transformer", self.spatial_transformer)
        flag("frozen", self.frozen)
        flag("features", self.features)
        share("crop", self.crop)
        positive(map_rate=self.map_rate)
        integer("routing_iterations", self.routing_iterations, 1)
        integer("capsule_size", self.capsule_size, 1)
        names = [*activations.names(), "auto"]
        for given, allowed, what in (
            (self.activation, names, "activation"),
            (self.norm, NORMS, "norm"),
            (self.pooling, POOLINGS, "pooling"),
            (self.dense_layers, KINDS, "dense_layers"),
        ):
            if given not in allowed:
                raise suggest(given, allowed, what)

    def with_further(self, given: Mapping[str, Any]) -> EncoderOptions:
        """These options with further ones set, those that only some encoders have (:data:`FURTHER`).

        Raises:
            UserError: An option has another name.
        """
        for name in given:
            if name not in FURTHER:
                raise suggest(name, FURTHER, "encoder_option")
        return replace(self, **given)

    def activation_or(self, default: str) -> str:
        """The activation's name, or ``default`` if it is ``auto``."""
        return default if self.activation == "auto" else self.activation

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the dense layers, from the first to the last."""
        return (self.embedding_size,) * self.layers if self.hidden_sizes is None else tuple(self.hidden_sizes)


class Encoder(nn.Module, ABC):
    """Base class of encoders: maps observations (..., *space.shape) to (..., output_size).

    A subclass is made as ``X(space, options)`` and sets ``output_size``. It must take any number of leading dimensions,
    (T, B) in training as well as (N,).
    """

    output_size: int
    owns_initialization = False
    """Whether the encoder initialised its weights for its activation (SELU), so that policies must not do so again."""

    @property
    def learned(self) -> nn.Module | None:
        """The pretrained part, whose weights are not initialised again; None without one."""
        return None

    @abstractmethod
    def forward(self, obs: Any) -> Tensor:
        """Observations (a tensor, or a dict or tuple of tensors) to vectors."""


EncoderChoice = str | type[Encoder]
"""A name in :data:`lhy_rl.nn.encoders.select.encoders`, ``"module:Class"``, a custom class, or the file or the run
folder of a trained autoencoder."""


def refuse(encoder: str, space: gym.Space[Any], allowed: str) -> UserError:
    """The error for a space that the chosen encoder does not read."""
    return UserError(
        f"encoder {encoder!r} reads {allowed}, not {brief(space, 200)}; encoder='auto' chooses one that fits"
    )
