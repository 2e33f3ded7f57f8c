"""Readers and writers of samples, chosen by name: convolutions for pictures, dense layers for points.

A reader maps samples (N, *shape) and their conditions to numbers (N, K); a writer maps numbers (N, Z) to samples. A
generator is a writer, a critic a reader, an autoencoder a reader and a writer.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.registry import Registry
from lhy_rl.core.validation import check
from lhy_rl.functional.fused.leaky_mlp import leaky_layers
from lhy_rl.nn.acceleration.inventory import hooked
from lhy_rl.nn.encoders.base import EncoderOptions
from lhy_rl.nn.encoders.convolutional import NatureEncoder
from lhy_rl.nn.generative.pictures import LEAK, SMALLEST, PictureDiscriminator, PictureGenerator
from lhy_rl.nn.generative.sample_space import SampleSpace
from lhy_rl.nn.generative.translation import PictureTranslator

sample_networks = Registry(
    "network",
    {
        "convolutions": "lhy_rl.nn.generative.sample_networks:ConvolutionalNetworks",
        "cnn": "lhy_rl.nn.generative.sample_networks:AgentNetworks",
        "mlp": "lhy_rl.nn.generative.sample_networks:DenseNetworks",
        "linear": "lhy_rl.nn.generative.sample_networks:LinearNetworks",
    },
)


@dataclass(frozen=True, kw_only=True)
class SampleNetworkOptions:
    """Options of the networks.

    Args:
        network: ``convolutions`` for pictures from 8 x 8 up, ``cnn`` for pictures from 36 x 36 up that are read by the
            CNN of the agents, ``mlp`` for anything, ``linear`` for no hidden layers, or ``auto``: convolutions if they
            fit, else mlp.
        width: Maps of the convolution next to the picture; the others have twice and four times as many.
        hidden_size: Width of each hidden layer of an MLP.
        layers: Number of hidden layers of an MLP.
        code_size: Size of the code that a sample is generated from, or encoded to.
        condition_size: Size of an encoded condition.

    Raises:
        UserError: A name is unknown, or a number is out of range.
    """

    network: str = "auto"
    width: int = 16
    hidden_size: int = 128
    layers: int = 2
    code_size: int = 32
    condition_size: int = 32

    def __post_init__(self) -> None:
        if self.network not in (names := (*sample_networks.names(), "auto")):
            raise suggest(self.network, names, "network")
        check(width=(self.width, 4), hidden_size=(self.hidden_size, 1), layers=(self.layers, 1))
        check(code_size=(self.code_size, 1), condition_size=(self.condition_size, 1))

    def networks_for(self, space: SampleSpace) -> SampleNetworks:
        """The networks of that name for samples of a space.

        Raises:
            UserError: Convolutions are chosen and do not fit.
        """
        name = self.network if self.network != "auto" else "convolutions" if space.is_picture else "mlp"
        made: SampleNetworks = sample_networks.get(name)(space, self)
        return made


class SampleNetworks(ABC):
    """Makes readers and writers of samples.

    Args:
        space: The space of the samples.
        options: Options of the networks.
    """

    def __init__(self, space: SampleSpace, options: SampleNetworkOptions) -> None:
        self.space, self.options = space, options

    @abstractmethod
    def reader(self, output_size: int, condition_size: int = 0) -> nn.Module:
        """A network from (N, *shape) and (N, condition_size) to (N, output_size)."""

    @abstractmethod
    def writer(self, input_size: int, bounded: bool = False) -> nn.Module:
        """A network from (N, input_size) to (N, *shape).

        Args:
            bounded: Whether it ends in a tanh and has a method ``before_tanh``; convolutions always do.
        """

    def translator(self, noise_size: int, bounded: bool = False) -> nn.Module:
        """A network from (N, noise_size + size of a picture), the noise first, to (N, *shape): translates a picture."""
        return self.writer(noise_size + self.space.size, bounded)


class ConvolutionalNetworks(SampleNetworks):
    """Convolutional networks for pictures (Radford et al. 2016)."""

    smallest = SMALLEST
    """Shorter side in pixels of the smallest picture that the networks fit."""

    def __init__(self, space: SampleSpace, options: SampleNetworkOptions) -> None:
        if not space.is_picture or min(space.shape[1:]) < self.smallest:
            raise UserError(
                f"network {options.network!r} needs images (H, W, C) from {self.smallest} x {self.smallest} up, not "
                f"{space.box}; allowed: {'convolutions, mlp' if space.is_picture else 'mlp'}"
            )
        super().__init__(space, options)

    def reader(self, output_size: int, condition_size: int = 0) -> nn.Module:
        return PictureReader(self.space.shape, condition_size, lambda channels: self.network(channels, output_size))

    def network(self, channels: int, output_size: int) -> PictureDiscriminator | AgentCNN:
        """A network from pictures (N, channels, H, W) to (N, output_size)."""
        _, height, width = self.space.shape
        return PictureDiscriminator(channels, (height, width), self.options.width, output_size)

    def writer(self, input_size: int, bounded: bool = False) -> nn.Module:
        channels, height, width = self.space.shape
        return PictureGenerator(input_size, channels, (height, width), self.options.width)

    def translator(self, noise_size: int, bounded: bool = False) -> nn.Module:
        return PictureTranslator(self.space.shape, self.options.width, noise_size)


class AgentNetworks(ConvolutionalNetworks):
    """The CNN of the agents as reader, so that what it learns from pictures can be an agent's encoder."""

    smallest = NatureEncoder.smallest

    def network(self, channels: int, output_size: int) -> AgentCNN:
        _, height, width = self.space.shape
        return AgentCNN(channels, (height, width), output_size)


class AgentCNN(nn.Module):
    """The convolutions of ``encoder="cnn"`` (Mnih et al. 2015) and a linear layer.

    Args:
        channels: C of the pictures (N, C, H, W), from -1 to 1.
        size: (H, W), from 36 x 36 up.
        output_size: K of the outputs (N, K).
    """

    def __init__(self, channels: int, size: tuple[int, int], output_size: int) -> None:
        super().__init__()
        space = gym.spaces.Box(0, 1, (channels, *size), np.float32)
        self.convolutions = NatureEncoder(space, EncoderOptions(activation="relu", hidden_sizes=()))
        self.output = nn.Linear(self.convolutions.output_size, output_size)

    def features(self, pictures: Tensor) -> Tensor:
        """(N, F), the outputs of the last convolution."""
        found: Tensor = self.convolutions((pictures + 1) / 2)
        return found

    def forward(self, pictures: Tensor) -> Tensor:
        numbers: Tensor = self.output(self.features(pictures))
        return numbers


class PictureReader(nn.Module):
    """A picture and its condition to numbers; a condition of a picture's size is appended as further channels, any
    other is mapped to one channel.

    Args:
        shape: (C, H, W) of a picture.
        condition_size: Size of a condition.
        network: Makes the network for a number of channels.
    """

    def __init__(
        self, shape: tuple[int, ...], condition_size: int, network: Callable[[int], PictureDiscriminator | AgentCNN]
    ) -> None:
        super().__init__()
        channels, *self.size = shape
        maps = channels if condition_size == math.prod(shape) else min(condition_size, 1)
        self.maps: nn.Module = nn.Identity()
        if maps == 1 and condition_size != math.prod(shape):
            self.maps = nn.Linear(condition_size, math.prod(self.size))
        self.network = network(channels + maps)

    def forward(self, samples: Tensor, condition: Tensor) -> Tensor:
        if condition.shape[1]:
            samples = torch.cat([samples, self.maps(condition).view(len(samples), -1, *self.size)], 1)
        numbers: Tensor = self.network(samples)
        return numbers


class DenseNetworks(SampleNetworks):
    """Dense layers over the numbers of a sample."""

    def reader(self, output_size: int, condition_size: int = 0) -> nn.Module:
        return DenseReader(self.layers(self.space.size + condition_size, output_size))

    def writer(self, input_size: int, bounded: bool = False) -> nn.Module:
        layers = self.layers(input_size, self.space.size)
        if bounded:
            return BoundedWriter(layers, nn.Unflatten(1, self.space.shape))
        return layers if len(self.space.shape) == 1 else nn.Sequential(layers, nn.Unflatten(1, self.space.shape))

    def layers(self, size: int, output_size: int) -> nn.Sequential:
        """Linear layers with leaky rectifiers between."""
        modules: list[nn.Module] = []
        for _ in range(self.depth):
            modules += [nn.Linear(size, self.options.hidden_size), nn.LeakyReLU(LEAK)]
            size = self.options.hidden_size
        return LeakyLayers(*modules, nn.Linear(size, output_size))

    @property
    def depth(self) -> int:
        """The number of hidden layers."""
        return self.options.layers


class LinearNetworks(DenseNetworks):
    """One linear map each; the optimum has a closed form (principal components)."""

    @property
    def depth(self) -> int:
        return 0


class LeakyLayers(nn.Sequential):
    """Linear layers with leaky rectifiers between, run as one operation unless one of them has a hook."""

    def forward(self, x: Tensor) -> Tensor:
        layers = list(self._modules.values())
        kinds = [type(layer) for layer in layers]
        if kinds != [nn.Linear, *[nn.LeakyReLU, nn.Linear] * (len(kinds) // 2)] or hooked(*layers):
            return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]
        parameters = [p for layer in layers for p in layer._parameters.values() if p is not None]
        return leaky_layers(x, LEAK, *parameters)


class BoundedWriter(nn.Sequential):
    """Layers followed by a tanh, so that outputs are from -1 to 1."""

    def before_tanh(self, x: Tensor) -> Tensor:
        """The output before the tanh."""
        return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        return self.before_tanh(x).tanh()


class DenseReader(nn.Module):
    """Layers over a sample and its condition, concatenated."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, samples: Tensor, condition: Tensor) -> Tensor:
        numbers: Tensor = self.layers(torch.cat([samples.flatten(1), condition], 1))
        return numbers
