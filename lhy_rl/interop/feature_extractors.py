"""Our encoders and sequence backbones as feature extractors of Stable-Baselines3."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.errors import UserError, install_extra
from lhy_rl.nn.backbones.base import CoreChoice, make_core
from lhy_rl.nn.encoders.base import EncoderChoice, EncoderOptions
from lhy_rl.nn.encoders.select import make_encoder

try:
    from stable_baselines3.common.preprocessing import is_image_space
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
except ImportError as error:
    raise UserError(f"stable-baselines3 is not installed; {install_extra('sb3')}") from error


class Encoder(BaseFeaturesExtractor):
    """An encoder of ours as SB3's ``features_extractor_class``.

    SB3 initialises linear and convolutional layers orthogonally afterwards; ``policy_kwargs={"ortho_init": False}``
    keeps the initialisation that ``activation="selu"`` needs.

    Args:
        observation_space: Given by SB3.
        encoder: A name of :data:`lhy_rl.nn.encoders.select.encoders`, ``auto`` for the one that fits the space, or a
            class.
        normalize_images: The policy's setting of that name. ``False`` for both is faster: our encoders scale bytes.
        options: Options of :class:`lhy_rl.nn.encoders.base.EncoderOptions`; ``activation`` is ``auto`` by default.

    Raises:
        UserError: The name is unknown, or the encoder does not read this space.

    Example:
        >>> from stable_baselines3 import PPO
        >>> kwargs = {"encoder": "mlp", "embedding_size": 64, "activation": "silu"}
        >>> policy_kwargs = {"features_extractor_class": Encoder, "features_extractor_kwargs": kwargs}
        >>> model = PPO("MlpPolicy", "CartPole-v1", policy_kwargs=policy_kwargs)
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        encoder: EncoderChoice = "auto",
        normalize_images: bool = True,
        **options: Any,
    ) -> None:
        space = _policy_space(observation_space, normalize_images)
        made = make_encoder(encoder, space, _options(options))
        super().__init__(observation_space, made.output_size)
        self.encoder = made

    def forward(self, observations: Any) -> Tensor:
        return self.encoder(_values(observations, self._observation_space))  # type: ignore[no-any-return]


class Sequence(BaseFeaturesExtractor):
    """A sequence backbone of ours over the last T steps in one observation (stacked frames, or a sentence).

    Each step is encoded, the backbone reads the steps in order from its initial state, and its last output is the
    feature. Steps are the first dimension: Box (T, ...), in which steps (H, W) are images of one channel; or tokens, a
    MultiDiscrete of T or a Box of T integers.

    Args:
        observation_space: Given by SB3.
        core: A name of :data:`lhy_rl.nn.backbones.base.cores`, or a class.
        core_options: Further options of the backbone.
        hidden_size: H, width of the backbone's output.
        num_layers: Layers of the backbone.
        encoder: The encoder of each step; ``auto`` for the one that fits it.
        normalize_images: The policy's setting of that name.
        options: Options of :class:`lhy_rl.nn.encoders.base.EncoderOptions`; ``activation`` is ``auto`` by default.

    Raises:
        UserError: A name is unknown, or the space is no sequence.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        core: CoreChoice = "gru",
        hidden_size: int = 64,
        num_layers: int = 1,
        encoder: EncoderChoice = "auto",
        normalize_images: bool = True,
        core_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        step = _step(_policy_space(observation_space, normalize_images), encoder)
        read = make_encoder(encoder, step, _options(options))
        backbone = make_core(core, read.output_size, hidden_size, num_layers, core_options)
        super().__init__(observation_space, backbone.output_size)
        self.encoder, self.core = read, backbone
        self.step_shape = tuple(step.shape or ())

    def forward(self, observations: Tensor) -> Tensor:
        obs = _values(observations, self._observation_space)
        x = self.encoder(obs.reshape(*obs.shape[:2], *self.step_shape)).transpose(0, 1)  # (T, B, E)
        start = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
        y, _ = self.core(x, self.core.initial_state(x.shape[1]), start)
        return y[-1]  # type: ignore[no-any-return]


def _options(given: dict[str, Any]) -> EncoderOptions:
    try:
        return EncoderOptions(**{"activation": "auto", **given})
    except TypeError as error:
        raise UserError(f"{error}; allowed options: {', '.join(EncoderOptions.__dataclass_fields__)}") from None


def _policy_space(space: gym.Space[Any], normalize_images: bool) -> gym.Space[Any]:
    """The space after SB3's preprocessing, in which images are already divided by 255."""
    if isinstance(space, gym.spaces.Dict):
        return gym.spaces.Dict({key: _policy_space(part, normalize_images) for key, part in space.spaces.items()})
    if normalize_images and isinstance(space, gym.spaces.Box) and is_image_space(space):
        return gym.spaces.Box(0.0, 1.0, space.shape, np.float32)
    return space


def _values(obs: Any, space: gym.Space[Any]) -> Any:
    """Observations preprocessed by SB3 in the form of our encoders: one-hot vectors are turned back into tokens."""
    match space:
        case gym.spaces.Dict():
            return {key: _values(obs[key], part) for key, part in space.spaces.items()}
        case gym.spaces.Discrete():
            return obs.flatten(1).argmax(-1)  # SB3's buffers turn (N, n) into (N, 1, n)
        case gym.spaces.MultiDiscrete():
            return torch.stack([part.argmax(-1) for part in obs.split(space.nvec.tolist(), -1)], -1)
    return obs


def _step(space: gym.Space[Any], encoder: EncoderChoice) -> gym.Space[Any]:
    """The space of one step of a sequence."""
    match space:
        case gym.spaces.MultiDiscrete() if len(space.shape) == 1 and len(set(space.nvec.tolist())) == 1:
            return gym.spaces.Discrete(int(space.nvec[0]))
        case gym.spaces.Box() if len(space.shape) == 1 and np.issubdtype(space.dtype, np.integer):
            if encoder in ("auto", "tokens") and space.is_bounded():
                first, last = int(space.low.min()), int(space.high.max())
                return gym.spaces.Discrete(last - first + 1, start=first)
            return gym.spaces.Box(space.low[0], space.high[0], (), space.dtype)
        case gym.spaces.Box() if len(space.shape) >= 1:
            shape = space.shape[1:] if len(space.shape) != 3 else (1, *space.shape[1:])
            low, high = space.low[0].reshape(shape), space.high[0].reshape(shape)
            return gym.spaces.Box(low, high, shape, space.dtype)
    raise UserError(
        f"Sequence reads Box (T, ...) and MultiDiscrete spaces of equal sizes, not {space}; Encoder reads single steps"
    )
