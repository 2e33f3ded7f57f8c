"""Translating pictures as a policy: what is observed goes through an encoder, and the action is what is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import torch
from gymnasium.spaces import Discrete
from torch import Tensor, nn

from lhy_rl.core.validation import check
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.generative.pictures import (
    PictureEncoder,
    PictureGenerator,
    from_pictures,
    picture_space,
    to_pictures,
)
from lhy_rl.nn.heads.base import ActionEvaluation, Head
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.nn.randomness import OwnRandomness


@dataclass(frozen=True, kw_only=True)
class PictureNetworkOptions:
    """How the networks are built.

    Args:
        generator_width: Maps of the layer next to the picture, of what draws and of the discriminator; twice and four
            times as many behind. More draws better and takes longer.
        encoder_width: The same of the encoder.
        feature_size: Numbers that the encoder makes of a picture. Fewer let less of its style through.
        spatial_transformer: Put a spatial transformer before the encoder, where what pictures are of stands turned,
            moved or seen from another side.
        polarity: Whether the encoder sees what is brighter than its ground otherwise than what is darker. False where
            the domains differ in that.

    Raises:
        UserError: a number out of its range.
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


class PictureHead(Head):
    """The generator g, as a policy's head: it draws one picture of features, always the same."""

    def __init__(self, space: gym.spaces.Box, options: PictureNetworkOptions) -> None:
        super().__init__()
        height, width, channels = space.shape
        self.space, self.pictures, self.shape = space, space, (height, width, channels)
        self.generator = PictureGenerator(options.feature_size, channels, (height, width), options.generator_width)

    @property
    def output(self) -> nn.Linear:  # type: ignore[override]
        """The layer that reads the features."""
        layer = self.generator.layers[0]
        assert isinstance(layer, nn.Linear)
        return layer

    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        action_mask: Tensor | None = None,
    ) -> Tensor:
        return from_pictures(self.generator(h), self.pictures)

    def draw(self, h: Tensor, noise: Tensor, action_mask: Tensor | None = None) -> Tensor:
        return self.sample(h)

    def evaluate(self, h: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> ActionEvaluation:
        raise NotImplementedError("what is drawn without a choice has no probability")

    def log_prob(
        self, h: Tensor, actions: Tensor, temperature: float = 1.0, action_mask: Tensor | None = None
    ) -> Tensor:
        raise NotImplementedError("what is drawn without a choice has no probability")


class TransferPolicy(ActorCritic):
    """G = g(f(.)), from observed pictures to drawn ones.

    Args:
        observation_space, action_space: Pictures of one size.
        options: How the networks are built.

    Raises:
        UserError: no pictures.
    """

    trunk: PictureTrunk  # type: ignore[assignment]
    actor: PictureHead

    def __init__(
        self, observation_space: gym.Space[Any], action_space: gym.Space[Any], options: PictureNetworkOptions
    ) -> None:
        observed, drawn = picture_space(observation_space, "observations"), picture_space(action_space, "actions")
        with OwnRandomness(0):  # of a policy that is replaced by networks of pictures
            super().__init__(Discrete(1), Discrete(2), embedding_size=1, core=None, critic="none")
        self.observation_space = observation_space
        self.trunk, self.actor = PictureTrunk(observed, options), PictureHead(drawn, options)
        self.recurrent = False
