"""The encoder of Dict and Tuple spaces: each part by its own encoder, then joint layers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.nn.encoders.base import Encoder, EncoderOptions, refuse
from lhy_rl.nn.encoders.select import make_encoder
from lhy_rl.nn.encoders.tokens import TokenEncoder
from lhy_rl.nn.layers.dense import dense


class DictEncoder(Encoder):
    """Dict and Tuple spaces: the encoded parts are concatenated, and an MLP over them relates them to each other.

    Numbers (vectors, bits, images below 8x8) are used as they are, images go through a CNN to E numbers, tokens through
    an embedding to E numbers; parts may be Dicts and Tuples themselves, and a Dict's ``action_mask`` is left out. The
    joint layers are those of an MLP: ``layers`` of width E, or ``hidden_sizes``. So a Dict of vectors gets the same
    network as the flattened vector. With ``layers=0`` the parts are only concatenated, and a linear head cannot relate
    one key to another.
    """

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        super().__init__()
        parts: dict[Any, gym.Space[Any]]
        match space:
            case gym.spaces.Dict():
                parts = {key: part for key, part in space.spaces.items() if key != ACTION_MASK}
            case gym.spaces.Tuple():
                parts = dict(enumerate(space.spaces))
            case _:
                raise refuse("dict", space, "Dict and Tuple spaces")
        if not parts:
            raise UserError(f"{space} has no observations; a Dict needs a key besides {ACTION_MASK!r}")
        self.keys = list(parts)
        made = []
        for key, part in parts.items():
            try:
                made.append(make_encoder("auto", part, replace(options, layers=0, hidden_sizes=None)))
            except UserError as error:
                raise UserError(f"observation {key!r}: {error}") from None
        for encoder in made:
            if isinstance(encoder, TokenEncoder):  # norm 1 like a one-hot vector, so that tokens do not drown numbers
                nn.init.normal_(encoder.embedding.weight, std=encoder.output_size**-0.5)
        self.parts = nn.ModuleList(made)
        width = sum(encoder.output_size for encoder in made)
        activation = options.activation_or("tanh")
        self.layers = dense(width, options.widths, activation, options.norm, options.dropout, options.dense_layers)
        self.output_size = (width, *options.widths)[-1]
        joint = activation == "selu" and len(options.widths) > 0
        self.owns_initialization = joint or any(encoder.owns_initialization for encoder in made)

    def forward(self, obs: Any) -> Tensor:
        x = torch.cat([part(obs[key]) for key, part in zip(self.keys, self.parts, strict=True)], -1)
        if len(self.layers):
            x = x.to(self.layers[0].weight.dtype)  # type: ignore[arg-type]
        leading, width = x.shape[:-1], x.shape[-1]
        h: Tensor = self.layers(x.reshape(leading.numel(), width))  # (N, width) to (N, E)
        return h.view(*leading, self.output_size)
