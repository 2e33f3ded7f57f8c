"""The encoder of a trained autoencoder, as an agent's encoder of pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.core import archive, checkpoint_files
from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.saved_states import fitting
from lhy_rl.data import spaces
from lhy_rl.nn.encoders.base import Encoder, EncoderOptions
from lhy_rl.nn.encoders.image_spaces import axes_channel_last, image_size, looks_like_image
from lhy_rl.nn.generative.conditions import is_nothing
from lhy_rl.nn.generative.sample_encoder import SampleEncoder
from lhy_rl.nn.generative.sample_networks import PictureReader, SampleNetworkOptions
from lhy_rl.nn.generative.sample_space import SampleSpace
from lhy_rl.nn.layers.dense import dense

NUMBERS_A_CODE = {"VAE": 2, "Autoencoder": 1}
"""Numbers that these agents' encoders give for each number of a code; the code itself (a VAE's mean) comes first."""
ARCHITECTURE = ("agent", "networks", "samples")


class SavedEncoder(Encoder):
    """A picture's code in a ``vae`` or an ``autoencoder``, followed by layers: (..., *shape) to (..., E).

    The layers are those of an MLP: ``layers`` of width E, or ``hidden_sizes``. With ``features`` they get the outputs
    of the last convolution instead of the code. With ``frozen`` only these layers are trained; else training starts
    from the file's weights.

    Observations are pictures of the autoencoder's size, channel first or last, in bytes or floats with known bounds;
    or, for an autoencoder of vectors, of the same space.

    Args:
        space: Space of the observations.
        options: Options; their ``architecture`` is that of the file.

    Attributes:
        architecture: ``agent``, the class that learned it; ``networks``, its options; ``samples``, its space as JSON.

    Raises:
        UserError: There is no architecture, or the space does not fit it.
    """

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        super().__init__()
        if options.architecture is None:
            raise UserError("encoder 'saved' needs the file of a vae or an autoencoder: encoder='vae.zip'")
        self.architecture, self.frozen = dict(options.architecture), options.frozen
        with fitting("the architecture of the saved encoder cannot be read"):
            agent, networks, samples = (self.architecture[name] for name in ARCHITECTURE)
            network_options = SampleNetworkOptions(**networks)
            self.samples = SampleSpace(spaces.from_json(samples))
            size = NUMBERS_A_CODE[agent] * network_options.code_size
        self.given = observed(space, self.samples)
        self.shape = space.shape or ()
        self.network = SampleEncoder(gym.spaces.Discrete(1), self.samples, network_options, size)
        self.code_size, self.features = network_options.code_size, options.features
        inputs = self.code_size
        if self.features:
            if not isinstance(self.network.reader, PictureReader):
                raise UserError("features are those of convolutions, which this encoder does not have; must be false")
            last = self.network.reader.network.output.requires_grad_(False)  # it makes the code, which is not used
            inputs = last.in_features
        if self.frozen:
            self.network.requires_grad_(False)
        activation = options.activation_or("tanh")
        kinds = (activation, options.norm, options.dropout, options.dense_layers)
        self.layers = dense(inputs, options.widths, *kinds)
        self.output_size = (inputs, *options.widths)[-1]

    @property
    def learned(self) -> nn.Module:
        return self.network

    @classmethod
    def of(cls, place: str | os.PathLike[str], space: gym.Space[Any], options: EncoderOptions) -> SavedEncoder:
        """The encoder in a file that ``agent.save`` wrote, in a run folder, or in a checkpoint.

        Raises:
            UserError: There is no such file, or it is damaged, of another agent, or of other pictures.
        """
        architecture, weights = read(place)
        try:
            encoder = cls(space, replace(options, architecture=architecture))
        except UserError as error:
            raise UserError(f"encoder {str(place)!r}: {error}") from error
        with fitting(f"{str(place)!r} holds an encoder that does not fit its own options"):
            encoder.network.load_state_dict(weights)
        return encoder

    def forward(self, obs: Tensor) -> Tensor:
        leading = obs.shape[: -len(self.shape)]
        samples = self.as_samples(obs.reshape(leading.numel(), *self.shape))
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            read = self.read(samples)
        h: Tensor = self.layers(read)  # (N, E)
        return h.view(*leading, self.output_size)

    def read(self, samples: Tensor) -> Tensor:
        """(N, *shape) samples to features (N, F) or codes (N, Z)."""
        if self.features:
            assert isinstance(self.network.reader, PictureReader)
            return self.network.reader.network.features(samples)
        numbers: Tensor = self.network(samples, samples.new_zeros(len(samples)))
        return numbers[:, : self.code_size]

    def as_samples(self, obs: Tensor) -> Tensor:
        """(N, *shape) observations as samples in the network's scale."""
        if not self.samples.is_picture:
            return self.given.to_network(obs)
        pictures = obs.permute(axes_channel_last(self.shape)).reshape(len(obs), *self.given.box.shape)
        return self.given.to_network(pictures)


def observed(space: gym.Space[Any], samples: SampleSpace) -> SampleSpace:
    """The observations as a space of samples like the given ones, with the channel last.

    Raises:
        UserError: They are not like the given ones.
    """
    if not samples.is_picture:
        if isinstance(space, gym.spaces.Box) and space.shape == samples.box.shape:
            return SampleSpace(space)
        raise UserError(f"it was trained on {brief(samples.box)}, observations are {brief(space)}; must be the same")
    channels, height, width = samples.shape
    wanted = f"images of {width} x {height} pixels and {channels} channel{'s' * (channels > 1)}"
    hint = "train it anew on images of this environment (lhy-rl record makes some)"
    if not isinstance(space, gym.spaces.Box) or not looks_like_image(space):
        raise UserError(f"it reads {wanted}, not {brief(space)}")
    found = image_size(space)
    if found != samples.shape:
        raise UserError(f"it was trained on {wanted}, observations are {found[2]} x {found[1]} with {found[0]}; {hint}")
    bounds = float(space.low.min()), float(space.high.max())
    given = SampleSpace(gym.spaces.Box(*bounds, (height, width, channels), space.dtype.type))
    if not given.is_picture:
        raise UserError(
            f"pixels are from {bounds[0]:g} to {bounds[1]:g}; allowed: 0 to 255, 0 to 1 or -1 to 1, "
            "as gymnasium.wrappers.RescaleObservation makes them"
        )
    return given


def read(place: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The architecture and the weights of the encoder in a file or in a run's newest checkpoint.

    Raises:
        UserError: There is no such file, or it is damaged or not of a ``vae`` or an ``autoencoder`` of samples without
            conditions.
    """
    path = Path(place)
    if path.is_dir():
        found = checkpoint_files.newest(path / checkpoint_files.FOLDER)
        if not found:
            raise UserError(f"{str(path)!r} is not a run with checkpoints to take an encoder from")
        path = found[0]
    tree = archive.read(archive.zipped(path))
    with fitting(f"{str(place)!r} is not an agent of this version of lhy_rl"):
        of_run = not isinstance(tree["agent"], str)
        about, state = (tree["about"], tree["agent"]) if of_run else (tree, tree["state"])
        agent, options = about["agent"], about["options"]
        if agent not in NUMBERS_A_CODE:
            raise UserError(f"{str(place)!r} holds a {agent}, not an encoder; allowed: those of vae and autoencoder")
        conditions, _ = map(spaces.from_json, about["spaces"])
        if not is_nothing(conditions):
            raise UserError(
                f"{str(place)!r} was trained with conditions, {brief(conditions)}, which an encoder does not get; "
                "train it anew without them: --env.conditional false"
            )
        known = {field.name for field in fields(SampleNetworkOptions)}
        networks = {name: value for name, value in options.items() if name in known}
        return dict(zip(ARCHITECTURE, (agent, networks, about["spaces"][1]), strict=True)), state["encoder"]


def excerpt(place: str | os.PathLike[str]) -> dict[str, Any]:
    """The tree of a small archive that holds the encoder only and that :func:`read` takes."""
    architecture, weights = read(place)
    about: Mapping[str, Any] = {"agent": architecture["agent"], "options": architecture["networks"]}
    nothing = spaces.to_json(gym.spaces.Discrete(1))
    return {**about, "spaces": [nothing, architecture["samples"]], "state": {"encoder": weights}}


def in_policy(policy: nn.Module) -> SavedEncoder | None:
    """The first such encoder in a policy; None without one."""
    return next((module for module in policy.modules() if isinstance(module, SavedEncoder)), None)
