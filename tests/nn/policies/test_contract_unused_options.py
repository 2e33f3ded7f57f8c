"""Options that no part of a policy reads are refused in one line, and the others change no random numbers."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import gymnasium as gym
import pytest
import torch
from gymnasium import spaces
from gymnasium.spaces import Box

from lhy_rl.core.errors import UserError
from lhy_rl.nn.policies.actor_critic import ActorCritic

VECTOR, IMAGE, TOKEN = Box(-1, 1, (4,)), Box(0, 1, (1, 9, 9)), spaces.Discrete(3)


@pytest.mark.parametrize(
    ("space", "options", "message"),
    [
        (VECTOR, {"pooling": "max"}, "pooling is only for a CNN; MLPEncoder does not use it"),
        (TOKEN, {"norm": "layer"}, "norm is only for layers that can be normalised; TokenEncoder does not use it"),
        (TOKEN, {"activation": "relu"}, "activation is only for layers with an activation; TokenEncoder"),
        (
            VECTOR,
            {"dense_layers": "highway", "encoder_layers": 1},
            "dense_layers is only for layers that are as wide as",
        ),
        (
            IMAGE,
            {"encoder_layers": 3},
            "encoder_layers is only for an MLP, or the layers that join the parts of a Dict; SmallEncoder",
        ),
        (
            IMAGE,
            {"hidden_sizes": [3], "encoder": "capsule"},
            "hidden_sizes is only for an encoder with dense layers; Caps",
        ),
        (
            VECTOR,
            {"num_layers": 2, "core": None},
            "num_layers is 2, but there is no core or source encoder with layers",
        ),
        (
            VECTOR,
            {"source_size": 9},
            "source_size is only for a source, but there is no key 'source'; leave out source_size",
        ),
        (VECTOR, {"source_encoder": "mean"}, "source_encoder is only for a source, but there is no key 'source'"),
        (VECTOR, {"attention": "additive"}, "attention is only for a source, but there is no key 'source'"),
        (
            VECTOR,
            {"attention": "additive", "source_encoder": None},
            "attention is only for a source, but source_encoder is",
        ),
        (VECTOR, {"copy": True}, "copy is only for a source, but there is no key 'source'; leave out copy=True"),
        (
            VECTOR,
            {"head": "pointer"},
            "head is only for a source, but there is no key 'source'; leave out head='pointer'",
        ),
        (
            VECTOR,
            {"log_std_init": -1.0},
            "log_std_init is -1.0, which sets the noise of Box actions only; these are Discrete(2",
        ),
    ],
)
def test_options_that_nothing_reads_are_refused(space: gym.Space[Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        ActorCritic(space, spaces.Discrete(2), **options)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("space", "options"),
    [
        (VECTOR, {"activation": "tanh", "norm": "batch", "dense_layers": "highway", "encoder_layers": 3}),
        (IMAGE, {"pooling": "max", "activation": "relu", "norm": "layer", "hidden_sizes": [5, 5]}),
        (TOKEN, {"hidden_sizes": [4], "activation": "relu", "norm": "layer"}),
        (spaces.Dict({"a": VECTOR, "b": IMAGE}), {"pooling": "average", "encoder_layers": 1, "activation": "selu"}),
        (VECTOR, {"attention": "none", "source_encoder": None}),  # which is true
        (VECTOR, {"num_layers": 2, "core": "gru"}),
        (TOKEN, {"encoder_layers": 0}),  # which is true, too
    ],
)
def test_options_that_are_read_draw_the_same_weights(space: gym.Space[Any], options: dict[str, Any]) -> None:
    """What is made for comparison leaves no trace in the random numbers."""
    torch.manual_seed(0)
    ActorCritic(space, spaces.Discrete(2), **options)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    with patch("lhy_rl.nn.policies.actor_critic.refuse_unused"):
        ActorCritic(space, spaces.Discrete(2), **options)
    assert torch.equal(drawn, torch.rand(1))
