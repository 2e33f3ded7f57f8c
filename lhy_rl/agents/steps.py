"""A fixed number of steps of every instance of a vector environment, episodes beginning and ending anywhere inside."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import Tensor

from lhy_rl.agents.normalize import Normalizer
from lhy_rl.errors import UserError
from lhy_rl.nn.encoders import ACTION_MASK as MASK
from lhy_rl.nn.fast_actor import fast_actor
from lhy_rl.nn.policy import ActorCritic
from lhy_rl.nn.sequence import State
from lhy_rl.nn.trees import leaves, map_tree
from lhy_rl.protocols import Snapshot

RECENT = 100  # episodes that the mean return is over, as in Stable-Baselines3


@dataclass
class Steps:
    """T steps of B instances.

    Attributes:
        obs: (T + 1, B, ...), the last row after the last step; normalised where the agent does so.
        actions: (T, B, ...).
        rewards: (T, B).
        start: (T + 1, B) bool: an episode begins with this observation.
        terminated, truncated: (T, B) bool.
        valid: (T, B) bool: false where the step only reset the environment (``AutoresetMode.NEXT_STEP``).
        legal: (T, B, A) bool, where the environment says which actions are.
        state: The policy's memory before the first step.
        cut: (step, instance, observation) of truncated episodes whose last observation is not in ``obs``.
    """

    obs: Any
    actions: Tensor
    rewards: Tensor
    start: Tensor
    terminated: Tensor
    truncated: Tensor
    valid: Tensor
    legal: Tensor | None
    state: State
    cut: list[tuple[int, int, Any]] = field(default_factory=list)


class Collector:
    """Steps an environment with a policy, and remembers where it stopped.

    Args:
        env: Resetting in the same or in the next step.
        policy: Who acts.
        generator: Owner of the policy's draws.
        seed: Of the environment's first reset.
        normalizer: Of observations and rewards.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        policy: ActorCritic,
        generator: torch.Generator,
        seed: int,
        normalizer: Normalizer,
    ) -> None:
        mode = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        if mode is AutoresetMode.DISABLED:
            raise UserError("this environment does not begin new episodes by itself; allowed: SameStep, NextStep")
        self.env, self.policy, self.generator, self.seed = env, policy, generator, seed
        self.next_step = mode is AutoresetMode.NEXT_STEP
        self.normalizer = normalizer
        self.returns, self.lengths = np.zeros(env.num_envs), np.zeros(env.num_envs, np.int64)
        self.recent: deque[tuple[float, int]] = deque(maxlen=RECENT)
        self.obs: Any = None
        self.start = np.ones(env.num_envs, bool)
        self.ended = np.zeros(env.num_envs, bool)  # the next step only resets
        self.legal: np.ndarray | None = None
        self.state = policy.initial_state(env.num_envs)
        self.steps_done = 0

    def begin(self) -> None:
        """Reset every instance."""
        self.obs, infos = self.env.reset(seed=self.seed)
        self.legal = self._legal(infos)
        self.start[:], self.ended[:] = True, False
        self.returns[:], self.lengths[:] = 0, 0
        self.state = self.policy.initial_state(self.env.num_envs)

    @torch.no_grad()
    def collect(self, n_steps: int, on_step: Callable[[], bool] | None = None) -> Steps:
        """Play on.

        Args:
            on_step: Called after every step of the environments; False stops collecting there.

        Raises:
            UserError: observations or rewards that are not numbers, or a state without a legal action.
        """
        if self.obs is None:
            self.begin()
        env, device = self.env, self.policy.device
        b = env.num_envs
        obs_tb = map_tree(lambda x: np.empty((n_steps + 1, *x.shape), stored(x)), self.obs)
        rewards, flags = np.empty((n_steps, b), np.float32), np.empty((3, n_steps, b), bool)
        terminated, truncated, valid = flags
        start = np.empty((n_steps + 1, b), bool)
        legal = None if self.legal is None else np.empty((n_steps, *self.legal.shape), bool)
        noise = self.policy.actor.noise((n_steps, b), self.generator, device)
        fast = fast_actor(self.policy) if self.legal is None and isinstance(self.obs, np.ndarray) else None
        noise_np = noise.cpu().numpy()
        actions: list[Tensor] = []
        cut: list[tuple[int, int, Any]] = []
        first_state, t = self.state, 0
        while t < n_steps:  # hot
            self._observe(obs_tb, t)
            start[t], valid[t] = self.start, ~self.ended
            if fast is not None:
                action = torch.from_numpy(fast(obs_tb[t], noise_np[t]))
            else:
                action = self._act(obs_tb, t, noise[t], legal)
            actions.append(action)
            said = self.policy.actor.for_environment(action).cpu().numpy()
            self.obs, reward, terminated[t], truncated[t], infos = env.step(said)
            rewards[t] = reward
            self._count(rewards[t], terminated[t], truncated[t], valid[t], infos, cut, t)
            if legal is not None:
                self.legal = self._legal(infos)
            t += 1
            if on_step is not None and not on_step():
                break
        start[t] = self.start
        self._observe(obs_tb, t)
        self.steps_done += t
        if not np.isfinite(rewards[:t]).all():
            self._complain("reward", rewards[:t])

        def tensor(x: np.ndarray) -> Tensor:
            return torch.from_numpy(x[:t]).to(device)

        observations = map_tree(lambda x: torch.from_numpy(x[: t + 1]).to(device), obs_tb)
        for leaf in leaves(observations):
            if leaf.is_floating_point() and not bool(torch.isfinite(leaf).all()):
                self._complain("observation", leaf.cpu().numpy())
        return Steps(
            observations,
            torch.stack(actions),
            tensor(self.normalizer.rewards(rewards[:t], terminated[:t] | truncated[:t])),
            torch.from_numpy(start[: t + 1]).to(device),
            tensor(terminated),
            tensor(truncated),
            tensor(valid),
            None if legal is None else tensor(legal),
            first_state,
            cut,
        )

    def _observe(self, obs_tb: Any, t: int) -> None:
        """Enter the current observation, normalised."""

        def enter(buffer: np.ndarray, x: np.ndarray) -> None:
            buffer[t] = x

        map_tree(enter, obs_tb, self.normalizer.observations(self.obs, learn=True))

    def _act(self, obs_tb: Any, t: int, noise: Tensor, legal: np.ndarray | None) -> Tensor:
        """The policy's actions."""
        device = self.policy.device
        obs = map_tree(lambda x: torch.from_numpy(np.asarray(x[t])).to(device), obs_tb)
        now_legal = None
        if legal is not None:
            legal[t] = self._checked_legal(t)
            now_legal = torch.from_numpy(legal[t]).to(device)
        begins = torch.from_numpy(self.start).to(device) if self.policy.recurrent else None
        action, self.state = self.policy.act(obs, self.state, begins, legal=now_legal, noise=noise)
        return action

    def _count(
        self,
        reward: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        valid: np.ndarray,
        infos: dict[str, Any],
        cut: list[tuple[int, int, Any]],
        t: int,
    ) -> None:
        """Statistics of episodes, and who begins anew."""
        self.returns += reward
        self.lengths += 1
        done = terminated | truncated
        if self.next_step:
            self.start, self.ended = self.ended, done
        else:
            self.start = done
        if not done.any() and not (self.next_step and self.start.any()):
            return
        for i in np.flatnonzero(done & valid).tolist():
            self.recent.append((float(self.returns[i]), int(self.lengths[i])))
            if not self.next_step and truncated[i] and not terminated[i]:
                final = self.normalizer.observations(_one(infos["final_obs"], i), learn=False)
                cut.append((t, i, final))
        fresh = self.start
        self.returns[fresh], self.lengths[fresh] = 0.0, 0

    def _legal(self, infos: dict[str, Any]) -> np.ndarray | None:
        """(B, A) masks that the infos hold; all true where an instance gave none."""
        if MASK not in infos:
            return None
        mask = np.stack([np.asarray(row, bool) for row in infos[MASK]])
        given = infos.get(f"_{MASK}")
        if given is not None:
            mask[~given] = True
        return mask

    def _checked_legal(self, t: int) -> np.ndarray:
        assert self.legal is not None, "the environment's infos held an action_mask and now do not"
        none = np.logical_not(self.legal.any(-1, keepdims=True))[:, 0]
        if none.any() and (none & ~self.ended).any():
            i = int(np.flatnonzero(none)[0])
            raise UserError(f"no action is legal in instance {i} at step {self.steps_done + t}; mend its action_mask")
        mask: np.ndarray = np.logical_or(self.legal, none[:, None])
        return mask

    def _complain(self, what: str, array: np.ndarray) -> None:
        step, instance = np.argwhere(~np.isfinite(array))[0][:2].tolist()
        raise UserError(
            f"the {what} of instance {instance} at step {self.steps_done - len(array) + step} is not a number "
            f"({array[step, instance].flatten()[:4]}); mend the environment"
        )

    # ------------------------------------------------------------------ resume
    def state_dict(self) -> dict[str, Any]:
        """Where it stopped; with the environment's own state where that can be had."""
        known = isinstance(self.env.unwrapped, Snapshot) and self.obs is not None
        return {
            "environment": self.env.unwrapped.snapshot() if known else None,  # type: ignore[attr-defined]
            "state": list(self.state),
            "start": self.start,
            "ended": self.ended,
            "legal": self.legal,
            "returns": self.returns,
            "lengths": self.lengths,
            "recent": [list(episode) for episode in self.recent],
            "steps_done": self.steps_done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on there; an environment whose state cannot be had begins new episodes."""
        self.recent = deque(((float(r), int(n)) for r, n in state["recent"]), maxlen=RECENT)
        self.steps_done = int(state["steps_done"])
        if state["environment"] is None:
            if self.steps_done:
                self.begin()
            return
        self.env.unwrapped.restore(state["environment"])  # type: ignore[attr-defined]
        self.obs = self.env.unwrapped.observe()  # type: ignore[attr-defined]
        self.state = tuple(s.to(self.policy.device) for s in state["state"])
        self.start, self.ended = np.array(state["start"], bool), np.array(state["ended"], bool)
        self.legal = None if state["legal"] is None else np.array(state["legal"], bool)
        self.returns, self.lengths = np.array(state["returns"]), np.array(state["lengths"])


def stored(x: Any) -> Any:
    """The type in which observations are kept: numbers as torch's own float, images and tokens as they are."""
    return np.float32 if np.issubdtype(np.asarray(x).dtype, np.floating) else np.asarray(x).dtype


def _one(final_obs: Any, i: int) -> Any:
    """Instance i's last observation, as the infos of Gymnasium's vector environments hold it."""
    if isinstance(final_obs, dict):
        return {key: _one(value, i) for key, value in final_obs.items()}
    if isinstance(final_obs, tuple):
        return tuple(_one(value, i) for value in final_obs)
    return map_tree(np.asarray, final_obs[i])
