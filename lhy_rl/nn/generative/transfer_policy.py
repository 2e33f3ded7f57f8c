"""Translation of pictures as a policy: an encoder reads the observed picture, and the action is the generated one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from torch import Tensor, nn

from lhy_rl.core.validation import check
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.generative.generator_policy import GeneratorHead, SamplePolicy
from lhy_rl.nn.generative.pictures import PictureEncoder, PictureGenerator, picture_space, to_pictures
from lhy_rl.nn.generative.sample_space import SampleSpace


@dataclass(frozen=True, kw_only=True)
class PictureNetworkOptions:
    """Options of the networks.

    Args:
        generator_width: Maps of the layer next to the picture, in generator and discriminator; the others have twice
            and four times as many. More generate better pictures and take longer.
        encoder_width: The same for the encoder.
        feature_size: Number of features of a picture. Fewer let less of its style through.
        spatial_transformer: Put a spatial transformer before the encoder, for pictures whose contents are rotated,
            moved or seen from another side.
        polarity: Whether the encoder distinguishes bright on dark from dark on bright. Set it to false if the domains
            differ in that.

    Raises:
        UserError: A number is out of range.
    """

    generator_width: int = 16
    encoder_width: int = 32
    feature_size: int = 64
    spatial_transformer: bool = False
    polarity: bool = True

    def __post_init__(self) -> None:
        check(
            generator_width=(self.generator_width, 4),
            encoder_width=(self.encoder_width, 2),
            feature_size=(self.feature_size, 1),
        )


class PictureTrunk(nn.Module):
    """The encoder f of observed pictures, as a policy's trunk; it has no memory."""

    def __init__(self, space: gym.spaces.Box, options: PictureNetworkOptions) -> None:
        super().__init__()
        height, width, channels = space.shape
        self.space, self.output_size = space, options.feature_size
        self.encoder = PictureEncoder(
            channels,
            (height, width),
            options.encoder_width,
            options.feature_size,
            options.spatial_transformer,
            options.polarity,
        )

    def initial_state(self, batch_size: int) -> State:
        """Nothing."""
        return ()

    def forward(self, obs: Tensor, state: State, start: Tensor | None) -> tuple[Tensor, State]:
        """(T, B, H, W, C) to (T, B, F)."""
        features = self.encoder(to_pictures(obs.flatten(0, 1), self.space))
        return features.view(*obs.shape[:2], -1), ()


class TransferPolicy(SamplePolicy):
    """G = g(f(.)), from observed to generated pictures, deterministic.

    Args:
        observation_space, action_space: Pictures of the same size.
        options: Options of the networks.

    Raises:
        UserError: The spaces are not of pictures.
    """

    trunk: PictureTrunk

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], options: PictureNetworkOptions
    ) -> None:
        observed = picture_space(observation_space, "observations")
        samples = SampleSpace(picture_space(action_space, "actions"))
        channels, height, width = samples.shape
        trunk = PictureTrunk(observed, options)
        generator = PictureGenerator(options.feature_size, channels, (height, width), options.generator_width)
        super().__init__(observation_space, trunk, GeneratorHead(samples, generator, noise_size=0))
