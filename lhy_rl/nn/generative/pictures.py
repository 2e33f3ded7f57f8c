"""Networks of pictures (N, C, H, W) from -1 to 1: an encoder, a generator and a discriminator.

Each has three layers of stride 2 (Radford et al. 2016). The generator begins with one place for each 8 x 8 pixels,
rounded up, and crops the result.
"""

from __future__ import annotations

import gymnasium as gym
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.nn.layers.spatial_transformer import SpatialTransformer

GROUPS = 4  # number of groups of group normalisations
LEAK = 0.2
SMALLEST = 8
"""Shorter side in pixels of the smallest picture that convolutions fit."""
MOST_CHANNELS = 16  # of a picture, or of all pictures of a stack together
BOUNDS = ((0, 255), (0, 1), (-1, 1))  # allowed bounds of pixels


class PictureEncoder(nn.Module):
    """A picture to features (N, F) from -1 to 1.

    Each picture's channels are normalised to mean 0 and variance 1 first, so that lighting and the colours of
    foreground and background do not matter.

    Args:
        channels: C.
        size: (H, W).
        width: Maps of the second convolution; the first has half as many, the later ones twice and four times as many.
        feature_size: F.
        spatial_transformer: Whether a spatial transformer comes first.
        polarity: Whether it distinguishes bright on dark from dark on bright.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        width: int,
        feature_size: int,
        spatial_transformer: bool = False,
        polarity: bool = True,
    ) -> None:
        super().__init__()
        self.polarity = polarity
        self.front = SpatialTransformer(channels) if spatial_transformer else nn.Identity()
        maps = (width // 2, width, 2 * width, 4 * width)
        layers: list[nn.Module] = []
        for number, (before, after) in enumerate(zip((channels, *maps), maps, strict=False)):
            layers += [nn.Conv2d(before, after, 3, 2 if number else 1, 1), nn.BatchNorm2d(after), nn.LeakyReLU(LEAK)]
        self.convolutions = nn.Sequential(*layers)
        self.output = nn.Linear(maps[-1] * (size[0] // 8) * (size[1] // 8), feature_size)
        self.output_size = feature_size

    def normalized(self, pictures: Tensor) -> Tensor:
        """The normalised pictures that the convolutions read."""
        normalized = F.instance_norm(pictures)
        return normalized if self.polarity else normalized.abs()

    def forward(self, pictures: Tensor) -> Tensor:
        h = self.convolutions(self.front(self.normalized(pictures)))
        features: Tensor = self.output(h.flatten(1)).tanh()
        return features


class PictureGenerator(nn.Module):
    """Features (N, F) to a picture.

    Args:
        feature_size: F.
        channels: C.
        size: (H, W).
        width: Maps of the last layer but one; the earlier ones have twice and four times as many.
    """

    def __init__(self, feature_size: int, channels: int, size: tuple[int, int], width: int) -> None:
        super().__init__()
        self.size = size
        height, across = eighth(size[0]), eighth(size[1])
        layers: list[nn.Module] = [nn.Linear(feature_size, 4 * width * height * across)]
        layers += [nn.Unflatten(1, (4 * width, height, across)), nn.GroupNorm(GROUPS, 4 * width), nn.ReLU()]
        for before in (4 * width, 2 * width):
            layers += [nn.ConvTranspose2d(before, before // 2, 4, 2, 1), nn.GroupNorm(GROUPS, before // 2), nn.ReLU()]
        layers.append(nn.ConvTranspose2d(width, channels, 4, 2, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        return self.before_tanh(features).tanh()

    def before_tanh(self, features: Tensor) -> Tensor:
        """The output before the tanh."""
        numbers: Tensor = self.layers(features)
        return numbers[..., : self.size[0], : self.size[1]]


class PictureDiscriminator(nn.Module):
    """A picture to logits of classes (N, K).

    Args:
        channels: C.
        size: (H, W).
        width: Maps of the first convolution; the later ones have twice and four times as many.
        classes: K.
    """

    def __init__(self, channels: int, size: tuple[int, int], width: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, 2, 1), nn.LeakyReLU(LEAK)]
        for before in (width, 2 * width):
            layers += [nn.Conv2d(before, 2 * before, 3, 2, 1), nn.GroupNorm(GROUPS, 2 * before), nn.LeakyReLU(LEAK)]
        self.convolutions = nn.Sequential(*layers)
        self.output = nn.Linear(4 * width * eighth(size[0]) * eighth(size[1]), classes)

    def features(self, pictures: Tensor) -> Tensor:
        """(N, F), the outputs of the last convolution."""
        found: Tensor = self.convolutions(pictures).flatten(1)
        return found

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.output(self.features(pictures))
        return logits


def eighth(side: int) -> int:
    """The length of a side after three layers of stride 2."""
    return -(-side // 8)


def picture_space(space: gym.Space[object], what: str) -> gym.spaces.Box:
    """The space, after checking that it is of pictures (H, W, C) that these networks take.

    Raises:
        UserError: It is not.
    """
    if isinstance(space, gym.spaces.Box) and len(space.shape) == 3:
        height, width, channels = space.shape
        bounds = float(space.low.min()), float(space.high.max())
        if height % 8 == width % 8 == 0 and channels <= 4 and bounds in BOUNDS:
            return space
    raise UserError(
        f"{what} are {space}; allowed: Box of (H, W, C) from 0 to 255, 0 to 1 or -1 to 1, sides multiples of 8, "
        "C at most 4"
    )


def to_pictures(stored: Tensor, space: gym.spaces.Box) -> Tensor:
    """(N, H, W, C) of a space of pictures to (N, C, H, W) from -1 to 1."""
    low, high = float(space.low.min()), float(space.high.max())
    return (stored.permute(0, 3, 1, 2).float() - low) * (2 / (high - low)) - 1


def from_pictures(pictures: Tensor, space: gym.spaces.Box) -> Tensor:
    """The inverse of :func:`to_pictures`."""
    low, high = float(space.low.min()), float(space.high.max())
    return (pictures.permute(0, 2, 3, 1) + 1) * ((high - low) / 2) + low
