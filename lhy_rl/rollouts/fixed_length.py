"""Collecting rollouts: a fixed number of steps of every instance, in which episodes begin and end anywhere."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor

from lhy_rl.core.errors import OtherArguments
from lhy_rl.core.protocols import Phased
from lhy_rl.core.saved_states import check_like, check_rows
from lhy_rl.core.trees import map_tree
from lhy_rl.nn.acceleration.numpy_actor import FastActor, fast_actor
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.autoreset import EpisodeStepper
from lhy_rl.rollouts.checks import not_a_number
from lhy_rl.rollouts.environment_state import state_of
from lhy_rl.rollouts.normalization import Normalizer
from lhy_rl.rollouts.rollout import Rollout, RolloutBuffer, put, stored

RECENT = 100  # number of episodes that the mean return is taken over, as in Stable-Baselines3

Actor = Callable[[int, Any, np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
"""Step, observations (B, ...), starts (B,) and action mask (B, A) or None to actions of the policy and of the space."""


class PlayedStep(NamedTuple):
    """One step of all instances, as soon as it has been played; the arrays are the collector's own."""

    actions: np.ndarray
    """(B, ...) as the policy chose them."""
    env_actions: np.ndarray
    """(B, ...) as the environment was given them, inside its bounds."""
    obs: Any
    """(B, ...) the environment's observations after the step."""
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    start: np.ndarray
    """(B,) bool: an episode begins with ``obs``."""
    infos: dict[str, Any]


class RolloutCollector:
    """Steps an environment with a policy, and continues where the last rollout stopped.

    Args:
        env: The environment; its autoreset mode must be same-step or next-step.
        policy: The policy that acts.
        generator: Random generator that actions are sampled with.
        seed: Seed of the environment's first reset.
        normalizer: Normaliser of the observations.
        keep_raw_obs: Also keep the raw observations and actions that :meth:`Rollout.transitions` needs.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        policy: ActorCritic,
        generator: torch.Generator,
        seed: int,
        normalizer: Normalizer,
        keep_raw_obs: bool = False,
    ) -> None:
        self.env, self.policy, self.generator, self.seed = env, policy, generator, seed
        refusal = "this environment has no autoreset; allowed: SameStep, NextStep"
        self.stepper = EpisodeStepper(env, refusal)
        self.normalizer = normalizer
        self.keep_raw_obs = keep_raw_obs
        self.returns, self.lengths = np.zeros(env.num_envs), np.zeros(env.num_envs, np.int64)
        self.recent: deque[tuple[float, int]] = deque(maxlen=RECENT)
        self.state = policy.initial_state(env.num_envs)
        self.steps_done = 0
        self.begins_anew = False  # after a resume without the environment's state
        self.fast: FastActor | None = None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"fast": None}  # a copy has weights of its own

    @property
    def obs(self) -> Any:
        """(B, ...) the environment's latest observations; None before the first reset."""
        return self.stepper.obs

    def forget(self) -> None:
        """Begin new episodes at the next rollout, because the environment was changed from outside."""
        self.stepper.obs = None

    def begin(self) -> None:
        """Reset every instance."""
        if isinstance(self.env.unwrapped, Phased):
            self.env.unwrapped.stagger()
        if self.begins_anew:
            warnings.warn(
                "new episodes begin, because this environment's state was not saved with the agent, or was saved with "
                "other arguments: the training will differ from one that was never stopped",
                stacklevel=2,
            )
        seed = self.seed  # only for the first reset, or the same episodes would be played again
        if self.steps_done:
            seed = int(torch.randint(2**31 - 1, (), generator=self.generator))
        self.begins_anew = False
        self.stepper.reset(seed)
        self.returns[:], self.lengths[:] = 0, 0
        self.state = self.policy.initial_state(self.env.num_envs)

    # ------------------------------------------------------------------ collect
    @torch.no_grad()
    def collect(self, n_steps: int, on_step: Callable[[PlayedStep], bool] | None = None) -> Rollout:
        """Collect a rollout.

        Args:
            n_steps: T, the number of steps.
            on_step: Called after every step of the environments; if it returns False, collecting stops there.

        Raises:
            UserError: An observation or reward is infinite or NaN, or a state has no legal action.
        """
        if self.obs is None:
            self.begin()
        act = self._actor(self.policy.actor.noise((n_steps, self.env.num_envs), self.generator, self.policy.device))
        rows, stepper, first_state, t = self._empty_rows(n_steps), self.stepper, self.state, 0
        while t < n_steps:  # hot
            rows.valid[t] = valid = ~stepper.resetting
            self.normalizer.learn(stepper.obs, valid)
            obs = self._observe(rows, t)
            action_mask = self._action_mask(rows, t, valid)
            action, env_action = act(t, obs, stepper.start, action_mask)
            rows.rewards[t], rows.terminated[t], rows.truncated[t] = stepper.step(env_action)
            self._record(rows, t, action, env_action)
            t += 1
            if on_step is not None:
                ends = rows.terminated[t - 1], rows.truncated[t - 1]
                played = PlayedStep(
                    action, env_action, stepper.obs, rows.rewards[t - 1], *ends, stepper.start, stepper.infos
                )
                if not on_step(played):
                    break
        self._observe(rows, t)
        if self.fast is not None:
            self.state = (*self.fast.state, *self.policy.split_state(self.state)[1])
        self.steps_done += t
        self._check("reward", rows.rewards[:t], self.steps_done - t + 1)
        map_tree(lambda x: self._check("observation", x[: t + 1], self.steps_done - t), rows.obs)
        self._count(rows.rewards[:t], rows.terminated[:t] | rows.truncated[:t], rows.valid[:t])
        features = self.fast.features if self.fast is not None else []
        return rows.rollout(t, first_state, features, self.policy.device)

    def _empty_rows(self, n_steps: int) -> RolloutBuffer:
        def empty(x: Any) -> np.ndarray:
            return np.empty((n_steps + 1, *np.shape(x)), stored(x))

        obs = map_tree(empty, self.normalizer.observations(self.obs))
        raw = self.keep_raw_obs and self.normalizer.observed is not None
        b = self.env.num_envs
        flags = np.empty((4, n_steps + 1, b), bool)
        return RolloutBuffer(obs, map_tree(empty, self.obs) if raw else obs, np.empty((n_steps, b), np.float32), *flags)

    def _observe(self, rows: RolloutBuffer, t: int) -> Any:
        """Store the current observation and where episodes begin; return the observation as the policy reads it."""
        rows.start[t] = self.stepper.start
        put(rows.obs, t, self.normalizer.observations(self.obs))
        if rows.raw_obs is not rows.obs:
            put(rows.raw_obs, t, self.obs)
        return map_tree(lambda x: x[t], rows.obs)

    def _action_mask(self, rows: RolloutBuffer, t: int, valid: np.ndarray) -> np.ndarray | None:
        mask = self.stepper.action_mask(valid, self.steps_done + t)
        if mask is not None:
            if rows.action_mask is None:  # the first mask; all actions were legal before
                rows.action_mask = np.ones((len(rows.rewards), *mask.shape), bool)
            rows.action_mask[t] = mask
        return mask

    def _record(self, rows: RolloutBuffer, t: int, action: np.ndarray, env_action: np.ndarray) -> None:
        """Store the actions, and the final observations of episodes, which are in no row."""
        rows.actions.append(action)
        if self.keep_raw_obs:
            rows.env_actions.append(env_action)
        stepper = self.stepper
        if stepper.mode is not AutoresetMode.SAME_STEP or not stepper.ended.any():
            return
        terminated = rows.terminated[t]
        for i in np.flatnonzero(stepper.ended).tolist():
            if self.keep_raw_obs or not terminated[i]:
                final = stepper.final_obs(i, self.steps_done + t + 1)
                if not terminated[i]:
                    rows.truncated_final_obs.append((t, i, self.normalizer.observations(final)))
                if self.keep_raw_obs:
                    rows.final_obs.append((t, i, final))

    def _actor(self, noise: Tensor) -> Actor:
        """The function that chooses a rollout's actions from the given noise, in numpy where that is faster."""
        actor, device = self.policy.actor, self.policy.device
        self.fast = fast_actor(self.policy, self.fast) if isinstance(self.obs, np.ndarray) else None
        if (fast := self.fast) is not None:
            fast.begin(self.policy.split_state(self.state)[0])
            numbers = noise.numpy()

            def in_numpy(
                t: int, obs: Any, start: np.ndarray, action_mask: np.ndarray | None
            ) -> tuple[np.ndarray, np.ndarray]:
                action = fast(obs, numbers[t], start, action_mask)
                return action, fast.for_environment(action)

            return in_numpy

        def tensor(x: np.ndarray) -> Tensor:
            return torch.from_numpy(np.asarray(x)).to(device)

        def in_torch(
            t: int, obs: Any, start: np.ndarray, action_mask: np.ndarray | None
        ) -> tuple[np.ndarray, np.ndarray]:
            begins = tensor(start) if self.policy.recurrent else None
            now_mask = None if action_mask is None else tensor(action_mask)
            obs = map_tree(tensor, obs)
            action, self.state = self.policy.act(obs, self.state, begins, action_mask=now_mask, noise=noise[t])
            return action.cpu().numpy(), actor.for_environment(action)

        return in_torch

    def _count(self, rewards: np.ndarray, done: np.ndarray, valid: np.ndarray) -> None:
        """Update the returns and lengths of finished episodes, and the running sums of the others."""
        returns = self.returns + np.cumsum(np.where(valid, rewards, 0.0), 0, np.float64)
        lengths = self.lengths + valid.cumsum(0)
        for t, i in np.argwhere(done).tolist():
            self.recent.append((float(returns[t, i]), int(lengths[t, i])))
            returns[t:, i] -= returns[t, i]
            lengths[t:, i] -= lengths[t, i]
        self.returns, self.lengths = returns[-1].copy(), lengths[-1].copy()

    def episode_metrics(self) -> dict[str, float]:
        """Mean return and length of the last episodes; empty before the first one has ended."""
        if not self.recent:
            return {}
        returns, lengths = zip(*self.recent, strict=True)
        return {"rollout/ep_rew_mean": sum(returns) / len(returns), "rollout/ep_len_mean": sum(lengths) / len(lengths)}

    def _check(self, what: str, array: np.ndarray, first: int) -> None:
        """Raise if a number of the (T, B, ...) array is infinite or NaN; its first row belongs to step ``first``."""
        if array.dtype.kind != "f" or np.isfinite(array).all():
            return
        step, instance = np.argwhere(~np.isfinite(array))[0][:2].tolist()
        raise not_a_number(what, instance, first + step, array[step, instance])

    # ------------------------------------------------------------------ resume
    def state_dict(self) -> dict[str, Any]:
        """The collector's state, with the environment's state if it can be saved."""
        known = state_of(self.env) if self.obs is not None else None
        return {
            "environment": None if known is None else known.snapshot(),
            "obs": None if known is None else map_tree(np.array, self.obs),
            "state": list(self.state),
            **self.stepper.state_dict(),
            "returns": self.returns,
            "lengths": self.lengths,
            "recent": [list(episode) for episode in self.recent],
            "steps_done": self.steps_done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a saved state.

        New episodes begin if the environment's state was not saved or cannot be restored, if the number of instances
        differs, or if the environment was made with other arguments.

        Raises:
            ValueError: The state does not come from :meth:`state_dict`.
        """
        self.recent = deque(((float(r), int(n)) for r, n in state["recent"]), maxlen=RECENT)
        self.steps_done = int(state["steps_done"])
        known = state_of(self.env) if state["environment"] is not None else None
        if known is None or len(state["start"]) != self.env.num_envs:
            self.forget()
            self.begins_anew = self.steps_done > 0
            return
        own = self.state_dict() | {"environment": None, "obs": None, "recent": None}
        own["legal"] = None if state["legal"] is None else np.ones(self.stepper.masks.shape, bool)
        check_like(state, own, "collector", shapes=True)
        if len(state["state"]) != len(self.state):
            raise ValueError(f"collector.state has {len(state['state'])} parts, not {len(self.state)}")
        try:
            known.restore(state["environment"])
        except OtherArguments:
            self.forget()
            self.begins_anew = self.steps_done > 0
            return
        check_like(state["environment"], known.snapshot(), "environment")
        if hasattr(known, "observe"):
            obs = known.observe()
        else:
            check_rows(state["obs"], self.env.single_observation_space, (self.env.num_envs,), "collector.obs")
            obs = map_tree(np.array, state["obs"])
        self.state = tuple(s.to(self.policy.device) for s in state["state"])
        self.stepper.load_state_dict(state, obs)
        self.returns, self.lengths = np.array(state["returns"]), np.array(state["lengths"])
