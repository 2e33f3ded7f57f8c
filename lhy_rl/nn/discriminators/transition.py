"""Discriminators of transitions: from observation, action and next observation to one score.

Whether the score is a logit, a critic's value or an energy depends on the objective
(:mod:`lhy_rl.functional.adversarial`). As for sentences, ``embed`` gives the continuous inputs, where a gradient
penalty can be taken, and ``forward_embedded`` maps them to the score.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from lhy_rl.core.errors import UserError
from lhy_rl.core.registry import Registry
from lhy_rl.nn.discriminators.transition_features import Block, TransitionFeatures
from lhy_rl.nn.encoders.base import Encoder, EncoderOptions
from lhy_rl.nn.encoders.select import make_encoder
from lhy_rl.nn.layers.dense import dense
from lhy_rl.nn.layers.eval_mode import evaluating

transition_discriminators = Registry(
    "discriminator",
    {
        "mlp": "lhy_rl.nn.discriminators.transition:DenseDiscriminator",
        "cnn": "lhy_rl.nn.discriminators.transition:ImageDiscriminator",
        "autoencoder": "lhy_rl.nn.discriminators.transition:AutoencoderDiscriminator",
        "shaped": "lhy_rl.nn.discriminators.airl:ShapedDiscriminator",
    },
)


@dataclass(frozen=True)
class NetworkOptions:
    """Options of a discriminator network.

    Attributes:
        inputs: ``state``, ``state_action``, ``state_next_state`` or ``state_action_next_state``.
        hidden_size: Width of the hidden layers.
        layers: Number of hidden layers.
        activation: Activation of the hidden layers.
        dropout: Share of the hidden layers' outputs dropped in training.
        spectral: Whether each weight is divided by its largest singular value, which makes a layer 1-Lipschitz
            (Miyato et al. 2018).
        absorbing: Whether observations have a mark for the absorbing state.
        gamma: Discount of the shaping term of a shaped network.
        state_only: Whether the reward term of a shaped network reads the state only.
    """

    inputs: str = "state_action"
    hidden_size: int = 64
    layers: int = 2
    activation: str = "tanh"
    dropout: float = 0.0
    spectral: bool = False
    absorbing: bool = True
    gamma: float = 0.99
    state_only: bool = True


class TransitionDiscriminator(nn.Module, ABC):
    """Base class of discriminators of transitions.

    Args:
        observation_space, action_space: The spaces of one environment.
        options: Options of the network.
    """

    is_energy = False
    reads_images = True

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], options: NetworkOptions
    ) -> None:
        super().__init__()
        self.options = options
        self.features = TransitionFeatures(observation_space, action_space, options.inputs, options.absorbing)
        self.register_load_state_dict_pre_hook(_former_names)  # type: ignore[no-untyped-call]

    def embed(self, features: Tensor) -> Tensor:
        """(N, F) of :class:`TransitionFeatures` to the normalised inputs, of the same shape."""
        return self.features.normalize(features)

    @abstractmethod
    def forward_embedded(self, embedded: Tensor) -> Tensor:
        """(N, F) inputs to (N,) scores."""

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) features to (N,) scores."""
        return self.forward_embedded(self.embed(features))

    @torch.no_grad()
    def score(self, features: Tensor) -> Tensor:
        """The scores (N,) in evaluation mode, without gradient."""
        with evaluating(self):
            return self(features)  # type: ignore[no-any-return]

    def reward_scores(self, features: Tensor) -> Tensor:
        """The scores (N,) for a saved reward: a shaped network leaves out its shaping term."""
        return self.score(features)


def _former_names(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Rename keys of older files, which call the features ``rows``."""
    for name in [name for name in state if name.startswith(f"{prefix}rows.")]:
        state[f"{prefix}features.{name.removeprefix(f'{prefix}rows.')}"] = state.pop(name)


class DenseDiscriminator(TransitionDiscriminator):
    """Dense layers over all features of a transition."""

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], options: NetworkOptions
    ) -> None:
        super().__init__(observation_space, action_space, options)
        self.layers = perceptron(self.features.size, 1, options)

    def forward_embedded(self, embedded: Tensor) -> Tensor:
        return self.layers(embedded)[:, 0]  # type: ignore[no-any-return]


class ImageDiscriminator(TransitionDiscriminator):
    """Convolutions over the images in an observation and the next one, with shared weights, then dense layers."""

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], options: NetworkOptions
    ) -> None:
        super().__init__(observation_space, action_space, options)
        blocks = [block for block in (self.features.state, self.features.next_state) if block is not None]
        self.reader = ImageReader(blocks[0], options)
        self.observed = blocks
        rest = self.features.size - sum(block.columns.stop - block.columns.start for block in blocks)
        self.layers = perceptron(rest + len(blocks) * self.reader.output_size, 1, options)

    def forward_embedded(self, embedded: Tensor) -> Tensor:
        read = [self.reader(embedded[:, block.columns]) for block in self.observed]
        if self.features.action is not None:
            read.append(embedded[:, self.features.action.columns])
        return self.layers(torch.cat(read, 1))[:, 0]  # type: ignore[no-any-return]


class AutoencoderDiscriminator(TransitionDiscriminator):
    """The energy of a transition is an autoencoder's reconstruction error (Zhao et al. 2017).

    e(x) = ||decode(encode(x)) - x||^2 / F; the code has a quarter of the inputs' size, at least 2.
    """

    is_energy = True
    reads_images = False

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], options: NetworkOptions
    ) -> None:
        super().__init__(observation_space, action_space, options)
        code = max(2, self.features.size // 4)
        self.encoder = perceptron(self.features.size, code, options)
        self.decoder = perceptron(code, self.features.size, options)

    def forward_embedded(self, embedded: Tensor) -> Tensor:
        error: Tensor = (self.decoder(self.encoder(embedded)) - embedded).square().mean(-1)
        return error


class ImageReader(nn.Module):
    """The columns of an observation to features: images through convolutions, everything else unchanged.

    Args:
        block: The observation's place in the feature vector.
        options: Options of the network.
    """

    def __init__(self, block: Block, options: NetworkOptions) -> None:
        super().__init__()
        first = block.columns.start
        self.images: list[tuple[slice, tuple[int, ...]]] = []
        self.others: list[slice] = []
        made: list[Encoder] = []
        for piece in block.pieces:
            columns = slice(piece.columns.start - first, piece.columns.stop - first)
            if not piece.image:
                self.others.append(columns)
                continue
            assert piece.space.shape is not None
            space = gym.spaces.Box(0.0, 1.0, piece.space.shape, np.float32)
            encoder = make_encoder(
                "auto", space, EncoderOptions(options.hidden_size, activation="auto", dropout=options.dropout)
            )
            if options.spectral:
                _make_spectral(encoder)
            made.append(encoder)
            self.images.append((columns, piece.space.shape))
        if block.mark is not None:
            self.others.append(slice(block.mark - first, block.mark - first + 1))
        self.encoders = nn.ModuleList(made)
        others = sum(columns.stop - columns.start for columns in self.others)
        self.output_size = len(made) * options.hidden_size + others

    def forward(self, columns: Tensor) -> Tensor:
        """(N, columns of the block) to (N, output_size)."""
        read = [
            encoder(columns[:, place].view(-1, *shape))
            for encoder, (place, shape) in zip(self.encoders, self.images, strict=True)
        ]
        return torch.cat([*read, *(columns[:, place] for place in self.others)], 1)


def perceptron(input_size: int, output_size: int, options: NetworkOptions) -> nn.Sequential:
    """Hidden layers with their activation and dropout, and a linear layer to the output."""
    widths = (options.hidden_size,) * options.layers
    hidden = dense(input_size, widths, options.activation, dropout=options.dropout)
    layers = nn.Sequential(*hidden, nn.Linear(options.hidden_size if options.layers else input_size, output_size))
    if options.spectral:
        _make_spectral(layers)
    return layers


def _make_spectral(network: nn.Module) -> None:
    for module in list(network.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d):
            spectral_norm(module)


def make_discriminator(
    name: str,
    observation_space: gym.Space[Any],
    action_space: gym.Space[Any],
    options: NetworkOptions,
    objective: str = "gan",
) -> tuple[str, TransitionDiscriminator]:
    """The resolved name of the network, and the discriminator.

    ``auto`` is ``autoencoder`` for objectives of energies, else ``cnn`` if there are images, else ``mlp``.

    Raises:
        UserError: The name is unknown, or the network cannot read these spaces.
    """
    probe = TransitionFeatures(observation_space, action_space, options.inputs, options.absorbing)
    images = any(piece.image for piece in probe.state.pieces)
    if name == "auto":
        energies = objective in ("ebgan", "began")
        name = "autoencoder" if energies else "cnn" if images else "mlp"
    if name == "cnn" and not images:
        raise UserError(f"discriminator 'cnn' reads images, not {observation_space}; discriminator='mlp' reads these")
    kind: type[TransitionDiscriminator] = transition_discriminators.get(name)
    if images and not kind.reads_images:
        raise UserError(f"discriminator {name!r} does not read images; allowed: cnn, mlp")
    return name, kind(observation_space, action_space, options)
