"""Videos for third-person imitation: from files, or filmed in the learner's environment, in any of its domains."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from lhy_rl.agents.rewards.frame_pairs import IMAGE
from lhy_rl.agents.supervised.experts import expert_for
from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.validation import positive
from lhy_rl.data.videos import ALLOWED, Videos, read_videos, resized
from lhy_rl.nn.encoders.image_spaces import image_size
from lhy_rl.rollouts.demonstrators import make_few, of_environment, trained_policy
from lhy_rl.rollouts.record_episodes import Act, record

PLAYED = ("scripted", "random")
FILMED = "scripted:DOMAIN, random:DOMAIN, policy.zip:DOMAIN"
STATE = "state"  # the key of the observation that a saved policy reads


def image_space(env: VectorEnv[Any, Any, Any]) -> gym.spaces.Box:
    """The space of the images that an environment observes.

    Raises:
        UserError: its observations have no images.
    """
    space = env.single_observation_space
    image = space.spaces.get(IMAGE) if isinstance(space, gym.spaces.Dict) else None
    if not isinstance(image, gym.spaces.Box) or image.dtype != np.uint8 or image.shape[-1:] != (3,):
        raise UserError(
            f"third_person needs observations Dict(image=Box(0, 255, (H, W, 3), uint8), ...), not {space}; "
            "lhy_rl/PointMassPixels-v0 has them"
        )
    return image


def find_videos(source: Any, env: VectorEnv[Any, Any, Any], episodes: int, seed: int, fps: float | None) -> Videos:
    """Videos from a file, or filmed in the environment: ``scripted:DOMAIN``, ``random:DOMAIN``, or those of a saved
    policy, ``policy.zip:DOMAIN``.

    Raises:
        UserError: there are no videos, ``fps`` is not positive, or the environment has no such domain.
    """
    if fps is not None:
        positive(video_fps=fps)
    size = image_size(image_space(env))[1:]
    if isinstance(source, Videos):
        return Videos(resized(source.frames, size), source.ends)
    if not isinstance(source, str | os.PathLike):
        raise UserError(f"unknown videos {brief(source)}; allowed: {FILMED}, or {ALLOWED}")
    who, colon, domain = str(source).rpartition(":")
    if colon and not Path(source).exists():
        if who in PLAYED:
            return filmed_videos(who, env, {"domain": domain}, episodes, seed)
        if Path(who).is_dir() or Path(who).suffix == ".zip":
            return policy_videos(who, env, {"domain": domain}, episodes, seed)
    if not Path(source).exists():
        raise UserError(f"there are no videos {str(source)!r}; allowed: {FILMED}, or {ALLOWED}")
    return read_videos(source, size, fps)


def filmed_videos(who: str, env: VectorEnv[Any, Any, Any], options: dict[str, Any], episodes: int, seed: int) -> Videos:
    """Episodes that the environment's own expert or a random policy plays.

    Args:
        who: ``scripted`` or ``random``.
        env: The environment to copy, with ``options`` changed.

    Raises:
        UserError: the environment was not made by an id, has no such option, or no expert.
    """
    env_id, known = made_by(env, f"{who} videos")
    source = of_environment(env_id, episodes, seed, {**known, **options}, who == "random")
    return _film(source.env, source.act, env, episodes, seed)


def learner_videos(policy: Any, env: VectorEnv[Any, Any, Any], episodes: int, seed: int) -> Videos:
    """Episodes of a policy's most probable actions, filmed in its own view.

    Args:
        policy: Has ``predict``, as our agents have.
        env: The environment to copy.

    Raises:
        UserError: the environment was not made by an id.
    """
    env_id, known = made_by(env, "videos of the learner")
    return _film(
        make_few(env_id, episodes, known), trained_policy(policy, deterministic=True, masks=True), env, episodes, seed
    )


def policy_videos(
    saved: str, env: VectorEnv[Any, Any, Any], options: dict[str, Any], episodes: int, seed: int
) -> Videos:
    """Episodes of a saved policy, which acts on the state.

    Args:
        saved: A run's folder, or an agent saved by us or by Stable-Baselines3.
        env: The environment to copy, with ``options`` changed.

    Raises:
        UserError: no such policy, one that reads something else, or an environment that was not made by an id.
    """
    env_id, known = made_by(env, "videos of a policy")
    expert = expert_for(saved, make_few(env_id, 1, {**known, "observation": STATE}))

    def act(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[Any, Any]:
        return expert.label(obs[STATE], start, np.ones(len(start), bool)), None

    return _film(make_few(env_id, episodes, {**known, **options}), act, env, episodes, seed)


def made_by(env: VectorEnv[Any, Any, Any], what: str) -> tuple[str, dict[str, Any]]:
    """The id by which an environment was made, and its options.

    Raises:
        UserError: it was not made by an id.
    """
    spec = env.spec
    if spec is None:
        raise UserError(f"{what} need an environment that was made by its id; give a file of videos")
    return spec.id, {name: value for name, value in spec.kwargs.items() if name not in ("num_envs", "autoreset_mode")}


def _film(
    played: VectorEnv[Any, Any, Any], act: Act, like: VectorEnv[Any, Any, Any], episodes: int, seed: int
) -> Videos:
    """Film episodes of an environment and close it; frames get the size of those of ``like``."""
    try:
        return Videos.of_demonstrations(record(played, act, episodes, seed=seed), image_size(image_space(like))[1:])
    finally:
        played.close()
