"""Encoders by name, and the one that fits an observation space."""

from __future__ import annotations

import math
import os
from typing import Any

import gymnasium as gym

from lhy_rl.core.errors import UserError
from lhy_rl.core.registry import Registry, is_ours
from lhy_rl.nn.encoders.base import Encoder, EncoderChoice, EncoderOptions
from lhy_rl.nn.encoders.convolutional import NatureEncoder
from lhy_rl.nn.encoders.image_spaces import image_size, looks_like_image
from lhy_rl.nn.own_networks import tried_encoder

EXAMPLE = "encoder='vae.zip'"
LARGE = 4096  # largest size of a Box of several dimensions for which ``auto`` chooses an MLP

encoders = Registry(
    "encoder",
    {
        "tokens": "lhy_rl.nn.encoders.tokens:TokenEncoder",
        "mlp": "lhy_rl.nn.encoders.mlp:MLPEncoder",
        "cnn": "lhy_rl.nn.encoders.convolutional:NatureEncoder",
        "cnn_small": "lhy_rl.nn.encoders.convolutional:SmallEncoder",
        "cnn_pooled": "lhy_rl.nn.encoders.convolutional:PooledEncoder",
        "capsule": "lhy_rl.nn.encoders.capsule:CapsuleEncoder",
        "capsule_shared": "lhy_rl.nn.encoders.capsule:SharedCapsuleEncoder",
        "cnn_series": "lhy_rl.nn.encoders.series:SeriesEncoder",
        "dict": "lhy_rl.nn.encoders.dict_encoder:DictEncoder",
        "state": "lhy_rl.nn.encoders.part:StateEncoder",
        "image": "lhy_rl.nn.encoders.part:ImageEncoder",
        "recursive": "lhy_rl.nn.encoders.recursive:RecursiveEncoder",
        "rntn": "lhy_rl.nn.encoders.rntn:RNTNEncoder",
        "mv_rnn": "lhy_rl.nn.encoders.mv_rnn:MVRNNEncoder",
        "saved": "lhy_rl.nn.generative.saved_encoder:SavedEncoder",
    },
)


def make_encoder(chosen: EncoderChoice, space: gym.Space[Any], options: EncoderOptions) -> Encoder:
    """The encoder of a space, chosen by name, by class, by ``auto``, or from a file or run folder.

    Raises:
        UserError: The name is unknown, the file holds no encoder, the encoder does not read this space, or a custom
            class does not fulfil the interface.
    """
    if isinstance(chosen, str) and is_place(chosen):
        learned: Encoder = encoders.get("saved").of(chosen, space, options)
        return learned
    for name in ("frozen", "features"):
        if getattr(options, name) and chosen != "saved":
            raise UserError(f"{name} is only for a saved encoder, such as {EXAMPLE}, not for {chosen!r}")
    kind = encoders.get(default_encoder(space)) if chosen == "auto" else encoders.choose(chosen, Encoder)
    made: Encoder = kind(space, options) if is_ours(kind) else tried_encoder(kind, space, options)
    return made


def is_place(chosen: Any) -> bool:
    """Whether this names an encoder's file or run folder: ``vae.zip``, ``runs/vae``."""
    if not isinstance(chosen, str) or chosen in encoders or ":" in chosen:
        return False
    return chosen.endswith(".zip") or os.sep in chosen or os.path.isdir(chosen)


def default_encoder(space: gym.Space[Any]) -> str:
    """The encoder that fits a space.

    ``tokens`` for discrete spaces, ``mlp`` for vectors, ``cnn`` for images from 36x36 up and ``cnn_small`` for
    images from 8x8 up and stacks of them (:func:`lhy_rl.nn.encoders.image_spaces.looks_like_image`), ``dict`` for
    spaces of spaces.

    Raises:
        UserError: No encoder reads this space; or it has several dimensions, does not look like an image, and has more
            than :data:`LARGE` numbers, so that an MLP would have millions of weights and must be chosen by name.
    """
    match space:
        case gym.spaces.Discrete() | gym.spaces.MultiDiscrete():
            return "tokens"
        case gym.spaces.MultiBinary():
            return "mlp"
        case gym.spaces.Dict() | gym.spaces.Tuple():
            return "dict"
        case gym.spaces.Box():
            if not looks_like_image(space):
                if len(space.shape) > 1 and math.prod(space.shape) > LARGE:
                    raise too_large(space)
                return "mlp"
            return "cnn" if min(image_size(space)[1:]) >= NatureEncoder.smallest else "cnn_small"
    raise UserError(
        f"no encoder for observations of {space}; allowed spaces: Box, Discrete, MultiDiscrete, MultiBinary, "
        "and Dict and Tuple of these"
    )


def too_large(space: gym.spaces.Box) -> UserError:
    """The error for a Box that is too large for a vector and looks like no image."""
    n = math.prod(space.shape)
    picture = (1, *space.shape) if len(space.shape) == 2 else "(channels, height, width)"
    return UserError(
        f"observations of shape {space.shape}, {n:,} numbers, are neither an image nor a stack of images of 1, 3 or 4 "
        f"channels; reshape them to images, gymnasium.wrappers.ReshapeObservation(env, {picture}), or to vectors, "
        f"({n},), as encoder='mlp' does by itself"
    )
