"""Activations by name, and what belongs to each: its initialisation and its dropout."""

from __future__ import annotations

from torch import nn

from lhy_rl.core.registry import Registry

activations = Registry(
    "activation",
    {
        "tanh": "torch.nn:Tanh",
        "relu": "torch.nn:ReLU",
        "leaky_relu": "torch.nn:LeakyReLU",
        "prelu": "torch.nn:PReLU",
        "rrelu": "torch.nn:RReLU",
        "elu": "torch.nn:ELU",
        "selu": "torch.nn:SELU",
        "gelu": "torch.nn:GELU",
        "silu": "torch.nn:SiLU",
    },
)


def make_activation(name: str) -> nn.Module:
    """The activation of that name, with torch's default parameters.

    Raises:
        UserError: The name is unknown.
    """
    module: nn.Module = activations.get(name)()
    return module


def make_dropout(activation: str, share: float) -> list[nn.Module]:
    """Dropout of a share of the activation's outputs: none at 0, AlphaDropout (which keeps mean and variance) for
    SELU (Klambauer et al. 2017, section 3), plain dropout for all others."""
    if share == 0:
        return []
    return [nn.AlphaDropout(share) if activation == "selu" else nn.Dropout(share)]


def initialize(layer: nn.Linear | nn.Conv2d, activation: str) -> None:
    """Give the layer before a SELU weights of variance 1 / fan-in (LeCun normal) and no bias; leave others alone.

    torch calls this gain ``linear``; its gain for ``selu``, 3/4, does not keep the variance.
    """
    if activation == "selu":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
