"""The model interface that Stable-Baselines3's tools use: environment, predictions, logger, parameters, episodes."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import VectorEnv

from lhy_rl.agents.common import saved
from lhy_rl.core.errors import UserError, brief, install_extra
from lhy_rl.core.protocols import ACTION_MASK
from lhy_rl.core.saved_states import MISFIT, check_whole
from lhy_rl.core.trees import leading, leaves, map_tree, native
from lhy_rl.data.spaces import misfit
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.device import choose_device
from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.checks import ActionMasks
from lhy_rl.rollouts.fixed_length import RECENT, RolloutCollector
from lhy_rl.rollouts.vector_envs import one_by_one

Metrics = dict[str, float]

OPTIMIZER = "policy.optimizer"  # SB3's key
NOT_FOR_TENSORBOARD = ("time/iterations", "time/time_elapsed", "time/total_timesteps")  # as in SB3


def sb3_name(option: str) -> Any:
    """The property by which an option is read and set under the name that SB3 gives it."""
    return property(lambda agent: getattr(agent, option), lambda agent, value: setattr(agent, option, value))


class SB3Interface:
    """A mixin for :class:`~lhy_rl.agents.common.agent.Agent`, without any learning.

    Attributes:
        verbose: 1 prints a table after every ``log_interval`` updates.
        tensorboard_log: The folder for TensorBoard; None for none.
        schedules: Option to a function of the remaining share of ``learn`` (1 at the beginning, 0 at the end).
    """

    env: VectorEnv[Any, Any, Any]
    policy: ActorCritic
    device: torch.device
    predict_generator: torch.Generator
    hyperparameters: dict[str, Any]
    num_timesteps: int
    num_updates: int
    schedulable: tuple[str, ...] = ()  # options that may be such functions
    usual_log_interval = 1
    verbose = 0
    tensorboard_log: str | None = None
    schedules: dict[str, Callable[[float], float]]
    start_time = 0.0  # when ``learn`` began, and the number of timesteps then
    _num_timesteps_at_start = 0
    played_episodes: Sequence[tuple[float, int]] = ()  # (return, length) in an update of whole episodes
    live_episodes: deque[dict[str, float]] | None = None  # of SB3's callbacks, during ``learn``
    _sb3_env: tuple[Any, Any] | None = None  # the environment, and SB3's view of it
    _logger: Any = None
    _custom_logger = False
    ent_coef, vf_coef = sb3_name("entropy_coef"), sb3_name("value_coef")

    # ------------------------------------------------------------------ the environment
    def get_env(self) -> Any:
        """The environment as a ``VecEnv`` of Stable-Baselines3, the same object each time.

        Where it cannot be converted (Gymnasium's batched CartPole), a copy made of single environments is returned, or,
        where no such copy is known, the environment as it is.
        """
        from lhy_rl.interop.sb3 import to_sb3

        if self._sb3_env is None or self._sb3_env[0] is not self.env:
            try:
                self._sb3_env = self.env, to_sb3(self.env)
            except UserError:
                like = one_by_one(self.env)
                self._sb3_env = self.env, self.env if like is None else to_sb3(like)
        return self._sb3_env[1]

    @property
    def others_played(self) -> bool:
        """Whether other code may have stepped the environment: it is SB3's, or what ``get_env`` returned was used."""
        given_away = self._sb3_env is not None and getattr(self._sb3_env[1], "used", False)
        return given_away or hasattr(self.env.unwrapped, "venv")

    def get_vec_normalize_env(self) -> Any:
        """SB3's ``VecNormalize``, if the environment is in one; an agent's own normalisation is saved with it."""
        venv = getattr(self.env.unwrapped, "venv", None)
        if venv is None:
            return None
        from stable_baselines3.common.vec_env import unwrap_vec_normalize

        return unwrap_vec_normalize(venv)

    @property
    def n_envs(self) -> int:
        """Instances that step together."""
        return self.env.num_envs

    @property
    def observation_space(self) -> gym.Space[Any]:
        """The observation space of one instance."""
        return self.env.single_observation_space

    @property
    def action_space(self) -> gym.Space[Any]:
        """The action space of one instance."""
        return self.env.single_action_space

    # ------------------------------------------------------------------ predictions
    @torch.no_grad()
    def predict(
        self,
        observation: Any,
        state: State | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, State | None]:
        """Actions for observations, as Stable-Baselines3 gives them.

        Args:
            observation: One observation, or a batch (B, ...), as the environment gives it; an ``action_mask`` in a
                dict is applied.
            state: The state that the last call returned; None at the beginning.
            episode_start: (B,) bool; where true, the state is reset first.
            deterministic: The most probable actions instead of sampled ones.
            action_masks: (B, A) bool, or (A,) for one observation, as in ``info["action_mask"]``: the legal actions.
                Where a row is None or all false (Gymnasium's filler for an instance without a mask), all are legal.

        Returns:
            Actions (B,), or one action for one observation, and the new state.

        Raises:
            UserError: Not an observation of the environment, or an action mask of another size.
        """
        check_whole(self)
        space = self.env.single_observation_space
        try:
            return self._predicted(observation, space, state, episode_start, deterministic, action_masks)
        except MISFIT as error:
            if (why := misfit(observation, space)) is None:  # the observation is valid: it is another error
                raise
            raise UserError(f"this is not an observation of {type(self).__name__}'s environment: {why}") from error

    def _predicted(
        self,
        observation: Any,
        space: gym.Space[Any],
        state: State | None,
        episode_start: np.ndarray | None,
        deterministic: bool,
        action_masks: np.ndarray | None,
    ) -> tuple[np.ndarray, State | None]:
        """:meth:`predict`, but an invalid observation raises whatever numpy and torch raise."""
        if isinstance(space, gym.spaces.Dict):
            observation = {key: observation[key] for key in space.spaces}  # without other keys
        arrays = map_tree(np.asarray, observation)
        dimensions = leading(arrays, space)
        if dimensions not in (0, 1) or not all(np.isfinite(x).all() for x in leaves(arrays) if x.dtype.kind == "f"):
            raise ValueError("neither one observation nor a batch")
        single = dimensions == 0
        obs = self.observe(map_tree(lambda x: np.asarray(x)[None], observation) if single else observation)
        count = len(leaves(obs)[0])
        if state is None:
            state = self.policy.initial_state(count)
        state = tuple(torch.as_tensor(part, device=self.device) for part in state)
        if any(len(part) != count for part in state):
            raise UserError(f"there are {count} observations, so the state must be of {count}, too; give None at first")
        start = None
        if episode_start is not None:
            start = torch.as_tensor(np.atleast_1d(native(episode_start)), dtype=torch.bool, device=self.device)
            if start.shape != (count,):
                raise UserError(f"episode_start has shape {tuple(start.shape)}; must be ({count},), like observations")
        action_mask = None
        if action_masks is not None or (isinstance(observation, dict) and ACTION_MASK in observation):
            masks = ActionMasks(self.env.single_action_space, count)
            rows = [action_masks] if count == 1 and np.size(action_masks) > 1 else action_masks  # type: ignore[arg-type]
            known = masks.of(observation, {ACTION_MASK: rows})
            if known is not None:
                action_mask = torch.as_tensor(masks.checked(known, np.zeros(count, bool), 0), device=self.device)
        with evaluating(self.policy) if self.policy.training else nullcontext():
            actions, state = self.policy.act(
                obs, state, start, self.predict_generator, deterministic, action_mask=action_mask
            )
        array = self.policy.actor.for_environment(actions)
        return (array[0] if single else array), state

    def observe(self, observation: Any) -> Any:
        """A batch of observations, (B, ...) arrays, as the policy takes them."""
        return map_tree(lambda x: torch.as_tensor(native(x), device=self.device), observation)

    # ------------------------------------------------------------------ episodes and counters
    @property
    def ep_info_buffer(self) -> deque[dict[str, float]]:
        """Return ``r`` and length ``l`` of the last 100 episodes, as in SB3; current at each step in its callbacks."""
        if self.live_episodes is not None:
            return self.live_episodes
        collector = self._collector
        recent = self.played_episodes if collector is None else collector.recent
        return deque(({"r": r, "l": length, "t": 0.0} for r, length in recent), maxlen=RECENT)

    @property
    def unfinished_episodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns and lengths so far, (B,), of the unfinished episodes."""
        collector = self._collector
        if collector is None or collector.obs is None:
            return np.zeros(self.env.num_envs), np.zeros(self.env.num_envs, np.int64)
        return collector.returns.copy(), collector.lengths.copy()

    @property
    def _collector(self) -> RolloutCollector | None:
        """The collector of an agent that plays rollouts of fixed length; None for other agents."""
        found: RolloutCollector | None = getattr(self, "collector", None)
        return found

    @property
    def _n_updates(self) -> int:
        return self.num_updates

    # ------------------------------------------------------------------ the logger
    @property
    def has_logger(self) -> bool:
        """Whether the logger is in use: a table is printed, TensorBoard is written, or the user gave a logger."""
        return bool(self.verbose) or self.tensorboard_log is not None or self._custom_logger

    @property
    def logger(self) -> Any:
        """Stable-Baselines3's logger, for its callbacks."""
        if self._logger is None:
            self.open_logger("", True)
        return self._logger

    def set_logger(self, logger: Any) -> None:
        """Log to this logger instead (``stable_baselines3.common.logger.configure`` makes one)."""
        self._logger, self._custom_logger = logger, True

    def open_logger(self, tb_log_name: str, reset_num_timesteps: bool) -> None:
        """Open a logger for ``verbose`` and ``tensorboard_log``, unless the user gave one.

        Raises:
            UserError: Stable-Baselines3 or TensorBoard is not installed.
        """
        if self._custom_logger:
            return
        try:
            from stable_baselines3.common.logger import HumanOutputFormat, Logger
            from stable_baselines3.common.utils import configure_logger
        except ImportError as error:
            raise UserError(f"verbose and tensorboard_log need SB3's logger; {install_extra('sb3')}") from error
        if self.tensorboard_log is None:
            self._logger = Logger(None, [HumanOutputFormat(sys.stdout)] if self.verbose else [])
            return
        try:
            self._logger = configure_logger(self.verbose, self.tensorboard_log, tb_log_name, reset_num_timesteps)
        except ImportError as error:
            raise UserError(f"tensorboard_log needs TensorBoard; {install_extra('tensorboard')}") from error

    def record(self, metrics: Metrics) -> None:
        """Give metrics to the logger; times are whole numbers, as in SB3."""
        for name, value in metrics.items():
            number = int(value) if name in ("time/fps", "time/time_elapsed") else value
            self.logger.record(name, number, exclude="tensorboard" if name in NOT_FOR_TENSORBOARD else None)

    def times(self) -> dict[str, float]:
        """The metrics ``time/...`` of the current ``learn``."""
        seconds = max(time.perf_counter() - self.start_time, 1e-9)
        return {
            "time/iterations": self.num_updates,
            "time/total_timesteps": self.num_timesteps,
            "time/time_elapsed": seconds,
            "time/fps": (self.num_timesteps - self._num_timesteps_at_start) / seconds,
        }

    def dump_logs(self, iteration: int = 0) -> None:
        """Dump what was logged since the last dump, with the times and the returns of the last episodes."""
        episodes = self.ep_info_buffer
        metrics = self.times()
        if iteration:
            metrics["time/iterations"] = iteration
        if episodes:
            metrics["rollout/ep_rew_mean"] = float(np.mean([episode["r"] for episode in episodes]))
            metrics["rollout/ep_len_mean"] = float(np.mean([episode["l"] for episode in episodes]))
        self.record(metrics)
        self.logger.dump(step=self.num_timesteps)

    # ------------------------------------------------------------------ parameters
    def get_parameters(self) -> dict[str, dict[str, Any]]:
        """``{"policy": state_dict, "policy.optimizer": state_dict}``, as SB3's."""
        optimizer = getattr(self, "optimizer", None)
        return {
            "policy": self.policy.state_dict(),
            **({} if optimizer is None else {OPTIMIZER: optimizer.state_dict()}),
        }

    def set_parameters(
        self,
        load_path_or_dict: str | os.PathLike[str] | dict[str, dict[str, Any]],
        exact_match: bool = True,
        device: str = "auto",
    ) -> None:
        """Load parameters from a dict of :meth:`get_parameters`, or from the file of an agent.

        Args:
            load_path_or_dict: The dict, or the path.
            exact_match: All parameters must be given; otherwise missing ones stay as they are.
            device: Accepted, but the parameters stay on the agent's device.

        Raises:
            UserError: they do not fit.
        """
        choose_device(device)
        given = load_path_or_dict
        if isinstance(given, str | os.PathLike):
            given = _parameters_of_file(given)
        own = self.get_parameters()
        if unknown := sorted(set(given) - set(own)):
            raise UserError(f"unknown parameters {brief(unknown)}; allowed: {', '.join(own)}")
        if exact_match and (missing := sorted(set(own) - set(given))):
            raise UserError(f"the parameters lack {', '.join(missing)}; exact_match=False leaves these as they are")
        try:
            if "policy" in given:
                self.policy.load_state_dict(given["policy"], strict=exact_match)
            if OPTIMIZER in given:
                self.optimizer.load_state_dict(given[OPTIMIZER])  # type: ignore[attr-defined]
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"these parameters do not fit this agent: {brief(error, 200)}") from error


def _parameters_of_file(path: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """The parameters of an agent that was saved."""
    found = saved.read(path)
    if found is None:
        raise UserError(f"{str(Path(path))!r} is a checkpoint of a run; lhy_rl.load reads it")
    state = found.state
    return {"policy": state["policy"], **({OPTIMIZER: state["optimizer"]} if "optimizer" in state else {})}
