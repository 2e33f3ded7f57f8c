"""Trained policies of Stable-Baselines3 as experts; files are read without unpickling."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.core import archive
from lhy_rl.core.errors import UserError, brief, install_extra
from lhy_rl.core.saved_states import check_like, fitting
from lhy_rl.data.spaces import spaces_of
from lhy_rl.nn.randomness import OwnRandomness

try:
    from stable_baselines3.common.policies import BasePolicy
    from stable_baselines3.common.vec_env import VecNormalize

    from lhy_rl.interop.sb3_saved_policy import channels_first, rebuilt
except ImportError as error:
    raise UserError(f"stable-baselines3 is not installed; {install_extra('sb3')}") from error

STATISTICS = "VecNormalize statistics"


class SB3Expert:
    """A policy with the interface of our agents.

    Attributes:
        observation_space, action_space: The spaces of one environment.
        policy: Stable-Baselines3's model or policy.
    """

    def __init__(
        self,
        policy: Any,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        statistics: Statistics | VecNormalize | None = None,
        seed: int = 0,
    ) -> None:
        self.policy = policy
        self.observation_space, self.action_space = observation_space, action_space
        self.statistics = statistics
        self.generator = torch.Generator().manual_seed(seed)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """Choose actions for the environment's observations, which are normalised first if there are statistics.

        Args:
            observation: One observation, or a batch (B, ...).
            state: The memory that the last call returned; None at the beginning.
            episode_start: (B,) bool: the memory is reset first.
            deterministic: Take the most probable actions instead of sampling; DQN's are always deterministic.

        Returns:
            Actions (B, ...), or one action for one observation, and the memory.
        """
        if self.statistics is not None:
            observation = self.statistics.normalize_obs(observation)
        device = torch.device(getattr(self.policy, "device", "cpu"))
        seed = int(torch.randint(2**31 - 1, (), generator=self.generator))
        with OwnRandomness(seed, device):  # SB3 samples from the global generator
            actions, memory = self.policy.predict(observation, state, episode_start, deterministic)
        return np.asarray(actions), memory

    @torch.no_grad()
    def distribution(
        self, observation: Any, state: Any = None, episode_start: np.ndarray | None = None
    ) -> tuple[Tensor, Any]:
        """The parameters of the policy's distributions, as of :meth:`lhy_rl.nn.heads.base.Head.distribution`.

        Args:
            observation: (B, ...) as the environment gives them.
            state: The memory that the last call returned; None at the beginning.
            episode_start: (B,) bool: the memory is reset first.

        Returns:
            Logits (B, A), for DQN the action values, or means and log standard deviations (B, 2A); and the memory,
            (B, ...) tensors, None without one.

        Raises:
            UserError: The policy has neither (SAC, TD3, DDPG, TQC).
        """
        policy: Any = self.policy
        if self.statistics is not None:
            observation = self.statistics.normalize_obs(observation)
        obs, _ = getattr(policy, "policy", policy).obs_to_tensor(observation)
        if hasattr(policy, "lstm_hidden_state_shape"):
            return self._recurrent_distribution(obs, state, episode_start)
        if hasattr(policy, "quantile_net"):
            return policy.quantile_net(obs).mean(1), None
        if hasattr(policy, "q_net"):
            return policy.q_net(obs), None
        if hasattr(policy, "get_distribution"):
            return numbers_of(policy.get_distribution(obs).distribution), None
        raise UserError(
            f"{type(policy).__name__} has no categorical or Gaussian distribution of actions; allowed: PPO, A2C, "
            "RecurrentPPO, DQN, QRDQN"
        )

    def _recurrent_distribution(
        self, obs: Any, state: Any, episode_start: np.ndarray | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """:meth:`distribution` for a policy with an LSTM, whose memory SB3 keeps as (layers, B, H)."""
        policy: Any = self.policy
        layers, _, width = policy.lstm_hidden_state_shape
        count = len(next(iter(obs.values())) if isinstance(obs, dict) else obs)
        if state is None:
            state = (torch.zeros(count, layers, width, device=policy.device),) * 2
        begins = np.zeros(count, bool) if episode_start is None else episode_start
        memory = tuple(torch.as_tensor(part).transpose(0, 1).contiguous() for part in state)
        start = torch.as_tensor(begins, dtype=torch.float32, device=policy.device)
        found, memory = policy.get_distribution(obs, memory, start)
        return numbers_of(found.distribution), tuple(part.transpose(0, 1).contiguous() for part in memory)


def numbers_of(distribution: Any) -> Tensor:
    """Parameters of SB3's action distributions: logits of all choices (B, A), or means and log standard deviations."""
    if isinstance(distribution, list):
        return torch.cat([part.logits for part in distribution], -1)
    if isinstance(distribution, torch.distributions.Normal):
        return torch.cat([distribution.mean, distribution.stddev.log()], -1)
    logits: Tensor = distribution.logits
    if isinstance(distribution, torch.distributions.Bernoulli):
        return torch.stack([torch.zeros_like(logits), logits], -1).flatten(-2)
    return logits


class Statistics:
    """Means and variances of ``VecNormalize``, of the observation or of each key of a dict.

    Args:
        moments: Key to (mean, variance); the key is empty if the observation is no dict.
        epsilon: Added to the variances.
        clip: Largest absolute normalised value.
    """

    def __init__(self, moments: dict[str, tuple[np.ndarray, np.ndarray]], epsilon: float, clip: float) -> None:
        self.moments, self.epsilon, self.clip = moments, epsilon, clip

    def normalize_obs(self, obs: Any) -> Any:
        """Normalise observations to mean 0 and variance 1, and clip them."""
        if isinstance(obs, dict):
            return {key: self._scaled(obs[key], key) if key in self.moments else obs[key] for key in obs}
        return self._scaled(obs, "")

    def _scaled(self, obs: Any, key: str) -> np.ndarray:
        mean, variance = self.moments[key]
        scaled = (np.asarray(obs) - mean) / np.sqrt(variance + self.epsilon)
        result: np.ndarray = np.clip(scaled, -self.clip, self.clip).astype(np.float32)
        return result


def save_statistics(vec_normalize: VecNormalize, path: str | os.PathLike[str]) -> None:
    """Save the observations' statistics as JSON and safetensors, which :func:`load_expert` reads.

    To convert your own statistics that SB3 pickled: ``save_statistics(VecNormalize.load(pickle, venv), path)``.
    """
    moments = vec_normalize.obs_rms
    moments_of = moments if isinstance(moments, dict) else {"": moments}
    tree = {
        "kind": STATISTICS,
        "moments": {key: [np.asarray(m.mean), np.asarray(m.var)] for key, m in moments_of.items()},
        "epsilon": float(vec_normalize.epsilon),
        "clip": float(vec_normalize.clip_obs),
    }
    archive.write(path, tree)


def load_expert(
    path_or_model: Any,
    env: Any = None,
    *,
    policy_kwargs: dict[str, Any] | None = None,
    statistics: str | os.PathLike[str] | VecNormalize | None = None,
    device: str = "auto",
    seed: int = 0,
) -> SB3Expert:
    """An expert trained with Stable-Baselines3 or sb3-contrib: PPO, A2C, DQN, SAC, TD3, DDPG, RecurrentPPO, ...

    Args:
        path_or_model: The zip that ``model.save`` wrote, or a loaded model.
        env: The expert's environment, for its spaces: an id, an ``Env``, a vector environment, or the pair of spaces.
            Needed with a path, because the spaces in the file are pickled.
        policy_kwargs: The model's ``policy_kwargs``, if the file has them only as a pickle.
        statistics: Statistics of ``VecNormalize``: a file of :func:`save_statistics`, or the wrapper itself. A loaded
            model has its own.
        device: Device of a policy from a file: ``auto``, ``cpu``, ``cuda``, ...
        seed: Seed of the sampled actions.

    Raises:
        UserError: There is no such file, or it is damaged, of other spaces, or a policy that cannot be rebuilt from
            plain text.

    Example:
        >>> expert = load_expert("ppo_cartpole.zip", "CartPole-v1")  # doctest: +SKIP
        >>> actions, state = expert.predict(obs, deterministic=True)  # doctest: +SKIP
    """
    known = _statistics(statistics)
    if isinstance(path_or_model, str | os.PathLike):
        path = Path(path_or_model)
        if not path.exists() and not path.suffix:
            path = path.with_suffix(".zip")
        if env is None:
            raise UserError(f"an expert from {str(path)!r} needs env: its spaces are pickled, and not loaded")
        spaces = spaces_of(env)
        return SB3Expert(rebuilt(path, *spaces, policy_kwargs, device), *spaces, known, seed)
    model = path_or_model
    if not all(hasattr(model, name) for name in ("predict", "observation_space", "action_space")):
        raise UserError(f"{type(model).__name__} is not an expert; allowed: a zip's path, a model of Stable-Baselines3")
    spaces = (model.observation_space, model.action_space)
    if env is not None:
        given = spaces_of(env)
        wanted = (channels_first(given[0]), given[1])
        if spaces != wanted:
            had, asked = (f"{brief(pair[0])} and {brief(pair[1])}" for pair in (spaces, wanted))
            raise UserError(f"the expert's spaces are {had}, not {asked}")
        spaces = given
    if known is None and hasattr(model, "get_vec_normalize_env"):
        known = model.get_vec_normalize_env()
    inner = getattr(model, "policy", None)
    return SB3Expert(inner if isinstance(inner, BasePolicy) else model, *spaces, known, seed)


def _statistics(given: Any) -> Statistics | VecNormalize | None:
    if given is None or isinstance(given, VecNormalize):
        return given
    if str(given).endswith(".pkl"):
        raise UserError(
            f"{str(given)!r} is a pickle, which could run any code; if it is your own: "
            "lhy_rl.interop.sb3.save_statistics(VecNormalize.load(path, venv), 'statistics.zip')"
        )
    tree = archive.read(given)
    if not isinstance(tree, dict) or str(tree.get("kind")) != STATISTICS:
        raise UserError(f"{str(given)!r} holds no statistics of VecNormalize; save_statistics writes them")
    with fitting(f"{str(given)!r} holds statistics that cannot be used"):
        check_like(tree, {"moments": {}, "epsilon": 0.0, "clip": 0.0})
        pairs = tree["moments"].items()
        moments = {key: (np.asarray(mean, float), np.asarray(var, float)) for key, (mean, var) in pairs}
        if any(mean.shape != var.shape for mean, var in moments.values()):
            raise ValueError("its means and variances have different shapes")
        return Statistics(moments, float(tree["epsilon"]), float(tree["clip"]))
