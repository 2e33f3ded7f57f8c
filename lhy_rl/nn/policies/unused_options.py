"""Refuses options of a policy that its network does not use, since they would change nothing.

An encoder is known not to use an option if another value of the option makes the same network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from lhy_rl.core.errors import UserError, brief
from lhy_rl.nn.encoders.base import Encoder, EncoderOptions
from lhy_rl.nn.encoders.capsule import CapsuleEncoder
from lhy_rl.nn.encoders.select import make_encoder
from lhy_rl.nn.layers.spatial_transformer import SpatialTransformer
from lhy_rl.nn.policies.trunk import Trunk
from lhy_rl.nn.sources.reader import without_source

USUAL = EncoderOptions(activation="auto")
OTHERS: dict[str, tuple[Any, Any]] = {  # two values, so that at least one differs from the given one
    "activation": ("relu", "selu"),
    "norm": ("batch", "layer"),
    "pooling": ("max", "average"),
    "dense_layers": ("plain", "highway"),
    "hidden_sizes": ((3,), (4,)),
    "layers": (1, 3),
}
OF = {
    "activation": "layers with an activation",
    "norm": "layers that can be normalised",
    "pooling": "a CNN",
    "dense_layers": "layers that are as wide as the one below",
    "hidden_sizes": "an encoder with dense layers",
    "layers": "an MLP, or the layers that join the parts of a Dict",
}
WITHOUT_SOURCE: dict[str, tuple[Any, ...]] = {  # values that are right without a source: no encoder, no attention
    "source_encoder": ("auto", None),
    "source_size": (None,),
    "attention": ("dot", "none"),
    "head": ("auto",),
}
NAMES = {"layers": "encoder_layers"}
PARTS = (
    (("spatial_transformer", "crop", "map_rate"), SpatialTransformer, "a spatial_transformer, which a CNN has"),
    (("routing_iterations", "capsule_size"), CapsuleEncoder, "encoder 'capsule'"),
)


def refuse_unused(trunk: Trunk, parts: tuple[Any, ...], source: dict[str, Any]) -> None:
    """Refuse options that a trunk does not use; custom encoders and backbones are not checked.

    Args:
        parts: The arguments of :class:`Trunk`.
        source: Options of a source: ``source_encoder`` and others.

    Raises:
        UserError: An option is not used.
    """
    space, encoder, options, core, size, layers, dropout, reading, _ = parts
    observed = space if trunk.source is None else without_source(space)
    if _is_ours(trunk.encoder):
        _refuse_of_encoder(trunk.encoder, options, lambda other: make_encoder(encoder, observed, other))
    if trunk.source is None:
        why = "source_encoder is None" if source["source_encoder"] is None else "there is no key 'source'"
        for name, value in source.items():
            if value not in WITHOUT_SOURCE.get(name, (0, False)):
                raise UserError(f"{name} is only for a source, but {why}; leave out {name}={brief(value)}")
    if core is None and layers != 1 and (trunk.source is None or _is_ours(trunk.source.encoder)):
        more = None if reading is None else replace(reading, num_layers=layers + 1)
        if _same(trunk, lambda n: Trunk(space, encoder, options, core, size, n, dropout, more), layers + 1):
            raise UserError(f"num_layers is {layers}, but there is no core or source encoder with layers")


def _refuse_of_encoder(encoder: Encoder, given: EncoderOptions, make: Callable[[EncoderOptions], Encoder]) -> None:
    unused = f"; {type(encoder).__name__} does not use it"
    modules = list(encoder.modules())
    for options, kind, of in PARTS:
        used = any(isinstance(module, kind) for module in modules)
        for name in () if used else options:
            if getattr(given, name) != getattr(USUAL, name):
                raise UserError(f"encoder_option {name} is only for {of}{unused}")
    for name, others in OTHERS.items():
        value = getattr(given, name)
        if value == getattr(USUAL, name) or (name == "layers" and (value == 0 or given.hidden_sizes is not None)):
            continue  # 0 layers is always right, and hidden_sizes replaces the layers
        if _same(encoder, make, replace(given, **{name: others[value == others[0]]})):
            raise UserError(f"{NAMES.get(name, name)} is only for {OF[name]}{unused}")


def _is_ours(network: nn.Module) -> bool:
    return type(network).__module__.startswith("lhy_rl.")


def _same(network: nn.Module, make: Callable[[Any], nn.Module], given: Any) -> bool:
    """Whether ``make(given)`` has the same modules and parameters; the global random state is left unchanged."""
    with torch.random.fork_rng(devices=[]):
        try:
            other = make(given)
        except UserError:
            return False
    return _outline(network) == _outline(other)


def _outline(network: nn.Module) -> str:
    return f"{network} {[(name, tuple(x.shape)) for name, x in network.state_dict().items()]}"
