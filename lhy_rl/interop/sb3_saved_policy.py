"""Rebuilds a policy from the zip of Stable-Baselines3's ``model.save``, without unpickling anything.

The zip holds weights, which torch reads as tensors only, and a JSON in which everything that is not JSON is pickled;
``PPO.load`` unpickles it, which may run code. Here the pickles are not read: the policy is built from given spaces and
from the values in plain text, and then its weights are loaded.
"""

from __future__ import annotations

import importlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor, NatureCNN
from stable_baselines3.common.utils import get_device
from stable_baselines3.common.vec_env import VecTransposeImage

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, brief, pip_install
from lhy_rl.core.saved_states import fitting

POLICIES = {  # module of the saved policy's class: its base class, and the agents that use it
    "stable_baselines3.common.policies": ("ActorCriticPolicy", "PPO, A2C"),
    "stable_baselines3.dqn.policies": ("DQNPolicy", "DQN"),
    "stable_baselines3.sac.policies": ("SACPolicy", "SAC"),
    "stable_baselines3.td3.policies": ("TD3Policy", "TD3, DDPG"),
    "sb3_contrib.common.recurrent.policies": ("RecurrentActorCriticPolicy", "RecurrentPPO"),
    "sb3_contrib.qrdqn.policies": ("QRDQNPolicy", "QRDQN"),
    "sb3_contrib.tqc.policies": ("TQCPolicy", "TQC"),
}
FOR_LEARNING = ("optimizer_class", "optimizer_kwargs")  # policy_kwargs that an expert does not need
ACTIVATION = re.compile(r"<class 'torch\.nn\.modules\.activation\.(\w+)'>")


def rebuilt(
    path: Path,
    observation_space: gym.Space[Any],
    action_space: gym.Space[Any],
    policy_kwargs: dict[str, Any] | None,
    device: str,
) -> BasePolicy:
    """The policy of a zip, built for these spaces.

    Args:
        policy_kwargs: The model's ``policy_kwargs``; None takes those in the file's plain text.

    Raises:
        UserError: There is no such file, or it is damaged, of other spaces, or a policy that cannot be rebuilt from
            plain text.
    """
    data, weights = _members(path)
    with fitting(f"{str(path)!r} does not have the metadata of a model of Stable-Baselines3"):
        kind = _policy_class(path, data)
        _check_spaces(path, data, observation_space, action_space)
        kwargs = _readable(data, path) if policy_kwargs is None else dict(policy_kwargs)
    space = channels_first(observation_space)
    kwargs = {key: value for key, value in kwargs.items() if key not in FOR_LEARNING}
    if kind.__name__.endswith("ActorCriticPolicy"):
        kwargs.setdefault("use_sde", bool(data.get("use_sde")))
    kwargs.setdefault("features_extractor_class", _extractor(weights, space))
    try:
        with torch.random.fork_rng([]):  # the weights drawn here are replaced below
            policy: BasePolicy = kind(space, action_space, lr_schedule=_no_learning, **kwargs)
        policy.load_state_dict(weights)
    except (RuntimeError, TypeError, ValueError, AssertionError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{str(path)!r} does not fit {brief(observation_space)} and {brief(action_space)} with policy_kwargs "
            f"{brief(kwargs)}: {reason[:300]}"
        ) from error
    if kwargs.get("use_sde"):
        with torch.random.fork_rng([]):
            policy.reset_noise()  # type: ignore[operator]
    policy = policy.to(get_device(device))
    policy.set_training_mode(False)
    return policy


def _no_learning(progress: float) -> float:
    return 0.0


def _members(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The zip's JSON, with pickles left as they are, and the policy's tensors."""
    try:
        archive.check_growth(path)
        with zipfile.ZipFile(path) as file:
            names = file.namelist()
            if archive.TREE in names:
                raise UserError(f"{str(path)!r} is an agent of lhy_rl; lhy_rl.load reads it")
            if not {"data", "policy.pth"} <= set(names):
                raise UserError(f"{str(path)!r} lacks data or policy.pth: not a model of Stable-Baselines3, or damaged")
            data = json.loads(file.read("data"))
            weights = file.read("policy.pth")
        if not isinstance(data, dict):
            raise ValueError("its data is not a dict")
        tensors = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
    except UserError:
        raise
    except zipfile.BadZipFile as error:
        raise UserError(f"{str(path)!r} is not a zip of Stable-Baselines3, or damaged ({error})") from error
    except Exception as error:  # json and torch raise many kinds for damaged files
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{str(path)!r} is damaged, or not a model of Stable-Baselines3: {reason}") from error
    return data, tensors


def _policy_class(path: Path, data: dict[str, Any]) -> Any:
    """The class to build; its module is named in plain text beside the pickle."""
    saved = data.get("policy_class")
    module = saved.get("__module__") if isinstance(saved, dict) else None
    if module not in POLICIES:
        known = ", ".join(agents for _, agents in POLICIES.values())
        raise UserError(
            f"the policy of {str(path)!r} is from {brief(module)} and cannot be built from plain text; "
            f"allowed: {known}. If you trust the file, load the model with Stable-Baselines3 and give it here"
        )
    try:
        return getattr(importlib.import_module(module), POLICIES[module][0])
    except ModuleNotFoundError as error:
        raise UserError(f"{str(path)!r} needs sb3-contrib; {pip_install('sb3-contrib')}") from error


def _readable(data: dict[str, Any], path: Path) -> dict[str, Any]:
    """The saved ``policy_kwargs`` in plain text.

    Raises:
        UserError: One of them is a pickle.
    """
    saved = data.get("policy_kwargs") or {}
    plain = {key: value for key, value in saved.items() if key not in (":type:", ":serialized:")}
    if ":serialized:" not in saved:
        return plain
    found = {}
    for key, value in plain.items():
        if key in FOR_LEARNING:
            continue
        if isinstance(value, str):  # the text of something that was not JSON
            activation = ACTIVATION.fullmatch(value)
            if activation is None:
                raise UserError(f"{key} of {str(path)!r} is pickled ({value[:80]}); give the model's policy_kwargs")
            value = getattr(torch.nn, activation[1])
        found[key] = value
    return found


def _check_spaces(
    path: Path, data: dict[str, Any], observation_space: gym.Space[Any], action_space: gym.Space[Any]
) -> None:
    """Compare the spaces with the shapes and sizes in plain text; loading the weights shows any other difference."""
    for key, space in (("observation_space", channels_first(observation_space)), ("action_space", action_space)):
        saved = data.get(key)
        if not isinstance(saved, dict):
            continue
        kind = re.fullmatch(r"<class '[\w.]*?(\w+)'>", str(saved.get(":type:")))
        shape, n = saved.get("_shape"), saved.get("n")
        had = f"{kind[1] if kind else 'a space'}{'' if n is None else f'({n})'} of shape {tuple(shape or ())}"
        same = kind is None or kind[1] == type(space).__name__
        same = same and (shape is None or tuple(shape) == tuple(space.shape or ()))
        same = same and (n is None or not isinstance(space, gym.spaces.Discrete) or str(n) == str(space.n))
        if not same:
            raise UserError(f"{str(path)!r} was trained with the {key} {had}, not {brief(space)}")


def _extractor(weights: dict[str, Any], space: gym.Space[Any]) -> Any:
    """The feature extractor, in which alone SB3's policies for vectors, images and dicts differ."""
    if isinstance(space, gym.spaces.Dict):
        return CombinedExtractor
    return NatureCNN if any("features_extractor.cnn." in name for name in weights) else FlattenExtractor


def channels_first(space: gym.Space[Any]) -> gym.Space[Any]:
    """The space as an SB3 policy sees it: images with the channels first."""
    if isinstance(space, gym.spaces.Dict):
        return gym.spaces.Dict({key: channels_first(part) for key, part in space.spaces.items()})
    if isinstance(space, gym.spaces.Box) and is_image_space(space) and not is_image_space_channels_first(space):
        return VecTransposeImage.transpose_space(space)
    return space
