"""A fixed number of steps of every instance of a vector environment, episodes beginning and ending anywhere inside."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Phased
from lhy_rl.core.saved_states import check_like, check_rows
from lhy_rl.core.trees import leaves, map_tree
from lhy_rl.data.demonstrations import Transitions
from lhy_rl.nn.acceleration.numpy_actor import FastActor, fast_actor
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.checks import ActionMasks, not_a_number
from lhy_rl.rollouts.environment_state import state_of
from lhy_rl.rollouts.normalization import Normalizer

RECENT = 100  # episodes that the mean return is over, as in Stable-Baselines3

Actor = Callable[[int, Any, np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
"""Step, observations (B, ...), starts (B,) and legal actions (B, A) to actions, as chosen and for the environment."""


class PlayedStep(NamedTuple):
    """One step of all instances, as soon as it has been played; the arrays are the collector's own."""

    actions: np.ndarray
    """(B, ...) as the policy chose them."""
    env_actions: np.ndarray
    """(B, ...) as the environment was given them, inside its bounds."""
    obs: Any
    """(B, ...) what the environment gave."""
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray
    start: np.ndarray
    """(B,) bool: an episode begins with ``obs``."""
    infos: dict[str, Any]


@dataclass
class Rollout:
    """T steps of B instances.

    Attributes:
        obs: (T + 1, B, ...), the last row after the last step; normalised where the agent does so.
        actions: (T, B, ...).
        rewards: (T, B).
        start: (T + 1, B) bool: an episode begins with this observation.
        terminated, truncated: (T, B) bool.
        valid: (T, B) bool: false where the step only reset the environment (``AutoresetMode.NEXT_STEP``).
        action_mask: (T, B, A) bool, all true at the steps without masks; None where no step had any.
        state: The policy's memory before the first step.
        features: (T, B, H) that the actor's head read, where that costs nothing to know; they need no second reading.
        truncated_final_obs: (step, instance, observation) of truncated episodes whose last observation is not in
            ``obs``.
        raw_obs: (T + 1, B, ...) numpy arrays, the observations as the environment gave them; where asked for.
        final_obs: (step, instance, observation) of all episodes whose last observation is not in ``raw_obs``; where
            asked for.
        env_actions: (T, B, ...) numpy array, the actions as the environment took them; where asked for.
    """

    obs: Any
    actions: Tensor
    rewards: Tensor
    start: Tensor
    terminated: Tensor
    truncated: Tensor
    valid: Tensor
    action_mask: Tensor | None
    state: State
    features: Tensor | None = None
    truncated_final_obs: list[tuple[int, int, Any]] = field(default_factory=list)
    raw_obs: Any = None
    final_obs: list[tuple[int, int, Any]] = field(default_factory=list)
    env_actions: np.ndarray | None = None

    def transitions(self) -> Transitions:
        """The valid steps in rows, as the environment gave and took them; where ``raw_obs`` were kept."""
        assert self.env_actions is not None
        valid = self.valid.cpu().numpy()
        next_obs = map_tree(lambda x: x[1:].copy(), self.raw_obs)
        for t, i, final in self.final_obs:
            map_tree(lambda x, one, t=t, i=i: x.__setitem__((t, i), one), next_obs, final)
        return Transitions(
            map_tree(lambda x: x[:-1][valid], self.raw_obs),
            self.env_actions[valid],
            map_tree(lambda x: x[valid], next_obs),
            *(x.cpu().numpy()[valid] for x in (self.rewards, self.terminated, self.start[:-1])),
        )

    def normalize_rewards(self, normalizer: Normalizer) -> None:
        """Scale the rewards with the statistics of a normaliser, which learns from them."""
        if normalizer.rewarded is not None:
            done = self.terminated | self.truncated
            arrays = (x.cpu().numpy() for x in (self.rewards, done, self.valid))
            self.rewards = torch.from_numpy(normalizer.rewards(*arrays)).to(self.rewards.device)


class RolloutCollector:
    """Steps an environment with a policy, and remembers where it stopped.

    Args:
        env: Resetting in the same or in the next step.
        policy: Who acts.
        generator: Owner of the policy's draws.
        seed: Of the environment's first reset.
        normalizer: Of observations.
        keep_raw_obs: Keep what :meth:`Rollout.transitions` is made of, too.
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
        mode = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if mode is AutoresetMode.DISABLED:
            raise UserError("this environment does not begin new episodes by itself; allowed: SameStep, NextStep")
        self.env, self.policy, self.generator, self.seed = env, policy, generator, seed
        self.next_step = mode is AutoresetMode.NEXT_STEP
        self.normalizer = normalizer
        self.keep_raw_obs = keep_raw_obs
        self.masks = ActionMasks(env.single_action_space, env.num_envs)
        self.returns, self.lengths = np.zeros(env.num_envs), np.zeros(env.num_envs, np.int64)
        self.recent: deque[tuple[float, int]] = deque(maxlen=RECENT)
        self.obs: Any = None
        self.start = np.ones(env.num_envs, bool)
        self.ended = np.zeros(env.num_envs, bool)  # the next step only resets
        self.action_mask: np.ndarray | None = None
        self.state = policy.initial_state(env.num_envs)
        self.steps_done = 0
        self.begins_anew = False  # after a resume without the environment's state
        self.fast: FastActor | None = None

    def begin(self) -> None:
        """Reset every instance."""
        if isinstance(self.env.unwrapped, Phased):
            self.env.unwrapped.stagger()
        if self.begins_anew:
            warnings.warn(
                "new episodes begin, for this environment's state was not saved with the agent: the training is not "
                "bit for bit the one that was never stopped",
                stacklevel=2,
            )
        seed = self.seed  # only once, or the same episodes would be played again
        if self.steps_done:
            seed = int(torch.randint(2**31 - 1, (), generator=self.generator))
        self.begins_anew = False
        self.obs, infos = self.env.reset(seed=seed)
        self.action_mask = self.masks.of(self.obs, infos)
        self.start, self.ended = np.ones_like(self.start), np.zeros_like(self.ended)
        self.returns[:], self.lengths[:] = 0, 0
        self.state = self.policy.initial_state(self.env.num_envs)

    @torch.no_grad()
    def collect(self, n_steps: int, on_step: Callable[[PlayedStep], bool] | None = None) -> Rollout:
        """Play on.

        Args:
            on_step: Called with every step of the environments; False stops collecting there.

        Raises:
            UserError: observations or rewards that are not numbers, or a state without a legal action.
        """
        if self.obs is None:
            self.begin()
        device, b = self.policy.device, self.env.num_envs
        learning = self.normalizer.observed is not None
        first = self.normalizer.observations(self.obs)
        obs_tb = map_tree(lambda x: np.empty((n_steps + 1, *x.shape), stored(x)), first)
        rewards, flags = np.empty((n_steps, b), np.float32), np.empty((3, n_steps, b), bool)
        terminated, truncated, done = flags
        start = np.empty((n_steps + 1, b), bool)
        start[0], ended = self.start, self.ended
        action_mask: np.ndarray | None = None  # made when the first mask comes
        act = self._actor(self.policy.actor.noise((n_steps, b), self.generator, device))
        actions: list[np.ndarray] = []
        env_actions: list[np.ndarray] = []
        truncated_final_obs: list[tuple[int, int, Any]] = []
        final_obs: list[tuple[int, int, Any]] = []
        normalized = self.keep_raw_obs and learning
        raw_obs = map_tree(lambda x: np.empty((n_steps + 1, *x.shape), stored(x)), self.obs) if normalized else obs_tb
        first_state, t = self.state, 0
        while t < n_steps:  # hot
            if learning:
                self.normalizer.learn(self.obs, ~self.ended)
            self._observe(obs_tb, t)
            if normalized:
                map_tree(lambda buffer, x, t=t: buffer.__setitem__(t, x), raw_obs, self.obs)
            action_mask_t = None
            if self.action_mask is not None:
                action_mask = np.ones((n_steps, *self.action_mask.shape), bool) if action_mask is None else action_mask
                action_mask[t] = action_mask_t = self.masks.checked(self.action_mask, ~self.ended, self.steps_done + t)
            action, said = act(t, map_tree(lambda x, t=t: x[t], obs_tb), start[t], action_mask_t)
            actions.append(action)
            if self.keep_raw_obs:
                env_actions.append(said)
            self.obs, rewards[t], terminated[t], truncated[t], infos = self.env.step(said)
            np.logical_or(terminated[t], truncated[t], out=done[t])
            if self.next_step:
                start[t + 1], self.ended = self.ended, done[t]
            else:
                start[t + 1] = done[t]
                if truncated[t].any():
                    truncated_final_obs += self._truncated(t, np.flatnonzero(truncated[t] & ~terminated[t]), infos)
                if self.keep_raw_obs and done[t].any():
                    final_obs += [(t, i, self._final(t, i, infos)) for i in np.flatnonzero(done[t]).tolist()]
            self.action_mask = self.masks.of(self.obs, infos)
            t += 1
            if on_step is not None:
                ends = terminated[t - 1], truncated[t - 1]
                if not on_step(PlayedStep(action, said, self.obs, rewards[t - 1], *ends, start[t], infos)):
                    break
        self._observe(obs_tb, t)
        if normalized:
            map_tree(lambda buffer, x: buffer.__setitem__(t, x), raw_obs, self.obs)
        if self.fast is not None:
            self.state = (*self.fast.state, *self.policy.split_state(self.state)[1])
        self.start, self.ended = start[t].copy(), self.ended.copy()
        self.steps_done += t
        valid = np.ones((t, b), bool)
        if self.next_step:
            valid[0], valid[1:] = ~ended, ~done[: t - 1]
        self._check("reward", rewards[:t], self.steps_done - t + 1)
        self._count(rewards[:t], done[:t], valid)
        observations = map_tree(lambda x: x[: t + 1], obs_tb)
        map_tree(lambda x: self._check("observation", x, self.steps_done - t), observations)

        def tensor(x: np.ndarray) -> Tensor:
            return torch.from_numpy(x).to(device)

        return Rollout(
            map_tree(tensor, observations),
            tensor(np.stack(actions)),
            tensor(rewards[:t]),
            tensor(start[: t + 1]),
            tensor(terminated[:t]),
            tensor(truncated[:t]),
            tensor(valid),
            None if action_mask is None else tensor(action_mask[:t]),
            first_state,
            tensor(np.stack(self.fast.features)) if self.fast is not None and self.fast.features else None,
            truncated_final_obs,
            map_tree(lambda x: x[: t + 1], raw_obs) if self.keep_raw_obs else None,
            final_obs,
            np.stack(env_actions) if self.keep_raw_obs else None,
        )

    def _actor(self, noise: Tensor) -> Actor:
        """Who chooses the actions of a rollout with the randomness given: in numpy where that is faster."""
        actor, device = self.policy.actor, self.policy.device
        self.fast = fast_actor(self.policy) if isinstance(self.obs, np.ndarray) else None
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

    def _observe(self, obs_tb: Any, t: int) -> None:
        """Enter the current observation, normalised."""

        def enter(buffer: np.ndarray, x: np.ndarray) -> None:
            buffer[t] = x

        map_tree(enter, obs_tb, self.normalizer.observations(self.obs))

    def _truncated(self, t: int, instances: np.ndarray, infos: dict[str, Any]) -> list[tuple[int, int, Any]]:
        """The last observations of episodes that a time limit ended at step t."""
        return [(t, i, self.normalizer.observations(self._final(t, i, infos))) for i in instances.tolist()]

    def _final(self, t: int, i: int, infos: dict[str, Any]) -> Any:
        """A copy of instance i's last observation, to which step t led; every number of it is one."""
        final = _one(infos["final_obs"], i)
        for array in leaves(final):
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise not_a_number("observation", i, self.steps_done + t + 1, array)
        return final

    def _count(self, rewards: np.ndarray, done: np.ndarray, valid: np.ndarray) -> None:
        """Returns and lengths of the episodes that ended, and so far of those that go on."""
        returns = self.returns + np.cumsum(np.where(valid, rewards, 0.0), 0, np.float64)
        lengths = self.lengths + valid.cumsum(0)
        for t, i in np.argwhere(done).tolist():
            self.recent.append((float(returns[t, i]), int(lengths[t, i])))
            returns[t:, i] -= returns[t, i]
            lengths[t:, i] -= lengths[t, i]
        self.returns, self.lengths = returns[-1].copy(), lengths[-1].copy()

    def _check(self, what: str, array: np.ndarray, first: int) -> None:
        """Every number of (T, B, ...) is one; the first row came after so many steps."""
        if array.dtype.kind != "f" or np.isfinite(array).all():
            return
        step, instance = np.argwhere(~np.isfinite(array))[0][:2].tolist()
        raise not_a_number(what, instance, first + step, array[step, instance])

    # ------------------------------------------------------------------ resume
    def state_dict(self) -> dict[str, Any]:
        """Where it stopped; with the environment's own state where that can be had."""
        known = state_of(self.env) if self.obs is not None else None
        return {
            "environment": None if known is None else known.snapshot(),
            "obs": None if known is None else map_tree(np.array, self.obs),
            "state": list(self.state),
            "start": self.start,
            "ended": self.ended,
            "legal": self.action_mask,
            "returns": self.returns,
            "lengths": self.lengths,
            "recent": [list(episode) for episode in self.recent],
            "steps_done": self.steps_done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on there.

        New episodes begin where the environment's state cannot be had, and with another number of instances.

        Raises:
            ValueError: not what :meth:`state_dict` gave.
        """
        self.recent = deque(((float(r), int(n)) for r, n in state["recent"]), maxlen=RECENT)
        self.steps_done = int(state["steps_done"])
        start = np.array(state["start"], bool)
        known = state_of(self.env) if state["environment"] is not None else None
        if known is None or len(start) != self.env.num_envs:
            self.obs, self.begins_anew = None, self.steps_done > 0
            return
        own = self.state_dict() | {"environment": None, "obs": None, "recent": None}
        own["legal"] = None if state["legal"] is None else np.ones(self.masks.shape, bool)
        check_like(state, own, "collector", shapes=True)
        if len(state["state"]) != len(self.state):
            raise ValueError(f"collector.state has {len(state['state'])} parts, not {len(self.state)}")
        known.restore(state["environment"])
        check_like(state["environment"], known.snapshot(), "environment")
        if hasattr(known, "observe"):
            self.obs = known.observe()
        else:
            check_rows(state["obs"], self.env.single_observation_space, (self.env.num_envs,), "collector.obs")
            self.obs = map_tree(np.array, state["obs"])
        self.state = tuple(s.to(self.policy.device) for s in state["state"])
        self.start, self.ended = start, np.array(state["ended"], bool)
        self.action_mask = None if state["legal"] is None else np.array(state["legal"], bool)
        self.returns, self.lengths = np.array(state["returns"]), np.array(state["lengths"])


def stored(x: Any) -> Any:
    """The type in which observations are kept: numbers as torch's own float, images and tokens as they are."""
    return np.float32 if np.issubdtype(np.asarray(x).dtype, np.floating) else np.asarray(x).dtype


def _one(final_obs: Any, i: int) -> Any:
    """A copy of instance i's last observation, which the infos of Gymnasium's vector environments hold."""
    if isinstance(final_obs, dict):
        return {key: _one(value, i) for key, value in final_obs.items()}
    if isinstance(final_obs, tuple):
        return tuple(_one(value, i) for value in final_obs)
    return map_tree(np.array, final_obs[i])
