"""The network of third-person imitation: features of frames, a class head and a domain head.

    F(o)                     features of a frame
    C(F(o_t), F(o_{t+n}))    score: does this look like the expert's behaviour? A pair of frames shows the motion
    D(F(o_t))                logit: is this the expert's view?

(Stadie et al. 2017, section 5 and figure 2.) F ends in a few numbers, each with mean 0 and variance 1 in a batch:
differences between the views cannot hide in numbers that hardly vary, where the domain head would not find them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from lhy_rl.nn.encoders.base import EncoderOptions
from lhy_rl.nn.encoders.select import make_encoder
from lhy_rl.nn.layers.dense import dense
from lhy_rl.nn.layers.eval_mode import evaluating

CHUNK = 1024  # frames read at once


@dataclass(frozen=True)
class ThirdPersonNetworkOptions:
    """How the network is built.

    Attributes:
        encoder: Network for the frames: ``cnn_pooled``, ``cnn_small``, ``cnn``, ``mlp``, or a custom class.
        feature_size: F, number of features of a frame.
        hidden_size: Width of the heads' hidden layer.
        dropout: Share of the features and of the heads' hidden layers dropped in training.
        spectral: Whether each weight is divided by its largest singular value (Miyato et al. 2018), except those of the
            domain head, which is to find any difference.
        energy: Whether the score is an energy, an autoencoder's error over the pair of features.
        norm: The encoder's normalisation: ``none``, ``layer`` or ``batch``.
    """

    encoder: str = "cnn_pooled"
    feature_size: int = 8
    hidden_size: int = 64
    dropout: float = 0.0
    spectral: bool = False
    energy: bool = False
    norm: str = "none"


class ThirdPersonDiscriminator(nn.Module):
    """Features, class head and domain head.

    Args:
        space: Space of a frame, (H, W, 3) or (3, H, W).
        options: Options of the network.
    """

    def __init__(self, space: gym.Space[Any], options: ThirdPersonNetworkOptions) -> None:
        super().__init__()
        self.is_energy = options.energy
        size, hidden = options.feature_size, options.hidden_size
        space = gym.spaces.Box(-np.inf, np.inf, space.shape, np.float32)
        read = EncoderOptions(hidden, layers=2, activation="relu", norm=options.norm, dropout=options.dropout)
        self.encoder = make_encoder(options.encoder, space, read)
        self.last = nn.Sequential(nn.Linear(self.encoder.output_size, size), nn.BatchNorm1d(size, affine=False))
        outputs = max(2, size // 4) if options.energy else 1
        self.class_head = _head(2 * size, hidden, outputs, options.dropout)
        self.decoder = _head(outputs, hidden, 2 * size, options.dropout) if options.energy else None
        self.domain_head = _head(size, hidden, 1, options.dropout)
        if options.spectral:
            for module in [m for name, m in self.named_modules() if not name.startswith("domain_head")]:
                if isinstance(module, nn.Linear | nn.Conv2d):
                    spectral_norm(module)

    def features(self, frames: Tensor, colours: Tensor | None = None) -> Tensor:
        """(N, H, W, 3) uint8 to (N, F); colours are multiplied by the matrices ``colours`` (N, 3, 3)."""
        read = standardized(frames)
        if colours is not None:
            read = (read.flatten(1, 2) @ colours).view(read.shape)
        features: Tensor = self.last(self.encoder(read))
        return features

    def class_scores(self, now: Tensor, later: Tensor) -> Tensor:
        """Features (N, F) of two frames to scores (N,): logits or critic's values, or energies."""
        pair = torch.cat([now, later], -1)
        out: Tensor = self.class_head(pair)
        if self.decoder is None:
            return out[..., 0]
        error: Tensor = (self.decoder(out) - pair.detach()).square().mean(-1)  # shrinking features gains nothing
        return error

    def domain_logits(self, features: Tensor) -> Tensor:
        """Features (N, F) to logits (N,) that the view is the expert's."""
        logits: Tensor = self.domain_head(features)
        return logits[..., 0]

    @torch.no_grad()
    def read(self, frames: Tensor) -> Tensor:
        """The features of any number of frames, in evaluation mode, without gradient."""
        with evaluating(self):
            return torch.cat([self.features(part) for part in torch.split(frames, CHUNK)])

    @torch.no_grad()
    def score(self, now: Tensor, later: Tensor) -> Tensor:
        """:meth:`class_scores` in evaluation mode, without gradient."""
        with evaluating(self):
            return self.class_scores(now, later)


def standardized(frames: Tensor) -> Tensor:
    """Frames (N, H, W, 3) whose colour channels have mean 0 and variance 1/9 each; a constant channel becomes 0.

    Brightness and background no longer reveal a view's colours, as with instance normalization (Ulyanov et al. 2016).
    """
    colours = frames.float() / 255
    colours = colours - colours.mean((1, 2), keepdim=True)
    deviation = colours.square().mean((1, 2), keepdim=True).sqrt()
    return colours / (3 * (deviation + 0.02))


def random_colours(n: int, share: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """(n, 3, 3) random rotations and reflections of colours for the first ``share``, the identity for the others."""
    turned = int(n * share)
    drawn = torch.linalg.qr(torch.randn((turned, 3, 3), generator=generator))[0]
    return torch.cat([drawn, torch.eye(3).expand(n - turned, 3, 3)]).to(device)


def _head(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(*dense(inputs, (hidden, hidden), "relu", dropout=dropout), nn.Linear(hidden, outputs))
