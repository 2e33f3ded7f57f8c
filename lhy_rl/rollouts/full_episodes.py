"""Whole episodes, one in each instance of a vector environment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TextTask
from lhy_rl.core.trees import map_tree
from lhy_rl.data.demonstrations import Transitions
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.rollouts.autoreset import EpisodeStepper
from lhy_rl.rollouts.checks import check_numbers
from lhy_rl.rollouts.final_values import final_values
from lhy_rl.rollouts.rollout import stored

LONGEST = 100_000  # most steps of an episode; environments that go on for ever need a time limit


@dataclass
class Episodes:
    """B episodes side by side, padded to T steps; entries after an episode's end do not count.

    Attributes:
        obs: (T, B, ...); floats are 0 after the end.
        actions: (T, B, ...).
        rewards: (T, B), 0 after the end.
        valid: (T, B) bool: true until the end.
        states: The policy's memory before the first step, (1, B, ...) tensors, or with ``keep_states`` before each
            step, (T, B, ...); a tensor that never changes is stored once.
        action_mask: (T, B, A) bool, all true at the steps without masks; None if no step had one.
        truncated_final_obs: (instance, final observation) of truncated episodes.
        raw_obs: (T, B, ...) numpy arrays, the observations as the environment gave them; None if not kept.
        final_obs: The final observation of each episode, as the environment gave it; empty if not kept.
        env_actions: (T, B, ...) numpy array, the actions as the environment took them; None if not kept.
    """

    obs: Any
    actions: Tensor
    rewards: Tensor
    valid: Tensor
    states: State
    action_mask: Tensor | None = None
    truncated_final_obs: tuple[tuple[int, Any], ...] = ()
    raw_obs: Any = None
    final_obs: tuple[Any, ...] = ()
    env_actions: Any = None

    @property
    def lengths(self) -> Tensor:
        """(B,) steps of each episode."""
        return self.valid.sum(0)

    @property
    def start(self) -> Tensor:
        """(T, B) bool: true at step 0 only, as each column is one episode."""
        start = torch.zeros_like(self.valid)
        start[0] = True
        return start

    def transitions(self) -> Transitions:
        """The steps as transitions, in the environment's own observations and actions; needs ``raw_obs``."""
        valid, last = self.valid.cpu().numpy(), self.lengths.cpu().numpy() - 1
        each, terminated = np.arange(len(last)), np.zeros_like(valid)
        terminated[last, each] = True
        for i, _ in self.truncated_final_obs:
            terminated[last[i], i] = False

        def following(x: np.ndarray, *final: np.ndarray) -> Any:
            next_x = np.concatenate([x[1:], x[:1]])
            next_x[last, each] = np.stack(final)
            return next_x[valid]

        return Transitions(
            map_tree(lambda x: x[valid], self.raw_obs),
            self.env_actions[valid],
            map_tree(following, self.raw_obs, *self.final_obs),
            self.rewards.cpu().numpy()[valid],
            terminated[valid],
            self.start.cpu().numpy()[valid],
        )

    def sentences(self, task: TextTask) -> Tensor:
        """(B, max_length) padded tokens of a text task's episodes."""
        tokens = torch.where(self.valid, self.actions, task.pad_token).T
        return torch.nn.functional.pad(tokens, (0, task.max_length - tokens.shape[1]), value=task.pad_token)


@torch.no_grad()
def collect_episodes(
    env: VectorEnv[Any, Any, Any],
    policy: ActorCritic,
    seed: int,
    generator: torch.Generator | None = None,
    deterministic: bool = False,
    observe: Callable[[Any, np.ndarray | None], Any] = lambda obs, counts: obs,
    keep_raw_obs: bool = False,
    alike: int = 1,
    keep_states: bool = False,
) -> Episodes:
    """Reset all instances and step until every first episode has ended.

    An instance whose episode has ended is stepped further, in every autoreset mode, and its results are ignored.

    Args:
        seed: Seed of the reset: the same seed gives the same initial states.
        generator: Random generator that actions are sampled with.
        deterministic: Take the most probable actions (the greedy episodes of self-critical training).
        observe: Maps a batch of observations, and which of them count (B,) bool, to the policy's observations. Also
            called with a single final observation and None.
        keep_raw_obs: Also keep the raw observations and actions that :meth:`Episodes.transitions` needs.
        alike: Each group of ``alike`` consecutive instances begins in the same state.
        keep_states: Keep the policy's memory before each step, not only before the first one.

    Raises:
        UserError: An observation or reward is infinite or NaN, a state has no legal action, or an episode does not
            end.
    """
    device, of = policy.device, " of its episode"
    stepper = EpisodeStepper(env)
    stepper.reset(seed)
    if alike > 1:
        stepper.begin_alike(alike)
    state = policy.initial_state(env.num_envs)
    alive = np.ones(env.num_envs, bool)
    steps: list[tuple[Any, Tensor, Tensor, Tensor]] = []
    states: list[State] = []
    action_masks: list[Tensor | None] = []
    truncated_final_obs: list[tuple[int, Any]] = []
    raw_obs: list[Any] = []
    env_actions: list[np.ndarray] = []
    final_obs: list[Any] = [None] * env.num_envs

    def enter(x: Any) -> Tensor:
        """A copy, since some environments reuse their arrays; floats of ended episodes are 0."""
        array = np.array(x, dtype=stored(x))
        if array.dtype.kind == "f" and not alive.all():
            array[~alive] = 0.0
        return torch.as_tensor(array, device=device)

    while alive.any():
        if len(steps) == LONGEST:
            raise UserError(f"an episode did not end within {LONGEST:,} steps; give the environment max_episode_steps")
        check_numbers("observation", stepper.obs, alive, len(steps), of)
        mask = stepper.action_mask(alive, len(steps), of)
        action_mask = None if mask is None else torch.as_tensor(mask, device=device)
        action_masks.append(action_mask)
        obs_t = map_tree(enter, observe(stepper.obs, alive))
        if not steps:
            state = policy.read_sources(obs_t, state)
        if keep_states or not steps:
            states.append(state)
        action, state = policy.act(obs_t, state, None, generator, deterministic, action_mask=action_mask)
        env_action = policy.actor.for_environment(action)
        if keep_raw_obs:
            raw_obs.append(map_tree(lambda x: np.array(x, stored(x)), stepper.obs))
            env_actions.append(env_action)
        reward, terminated, truncated = stepper.step(env_action)
        check_numbers("reward", reward, alive, len(steps) + 1, of)
        reward_t = torch.as_tensor(np.where(alive, reward, 0.0), dtype=torch.float32)
        steps.append((obs_t, action, reward_t, torch.as_tensor(alive)))
        ended = terminated | truncated
        for i in np.flatnonzero(truncated & ~terminated & alive).tolist():
            last = stepper.final_obs(i, f"{len(steps)}{of}")
            truncated_final_obs.append((i, map_tree(lambda x: np.asarray(x, stored(x)), observe(last, None))))
        if keep_raw_obs:
            for i in np.flatnonzero(ended & alive).tolist():
                final_obs[i] = stepper.final_obs(i)
        alive = alive & ~ended
    obs_tb, actions, rewards, mask_tb = zip(*steps, strict=True)
    return Episodes(
        map_tree(lambda *x: torch.stack(x), *obs_tb),
        torch.stack(actions),
        torch.stack(rewards).to(device),
        torch.stack(mask_tb).to(device),
        tuple(map(_over_time, zip(*states, strict=True))),
        _stacked(action_masks),
        tuple(truncated_final_obs),
        map_tree(lambda *x: np.stack(x), *raw_obs) if keep_raw_obs else None,
        tuple(final_obs) if keep_raw_obs else (),
        np.stack(env_actions) if keep_raw_obs else None,
    )


def truncated_final_values(policy: ActorCritic, episodes: Episodes) -> Tensor:
    """(T, B): at the last step of each truncated episode, the value of its final observation; 0 elsewhere."""
    instances, final_obs = zip(*episodes.truncated_final_obs, strict=True)
    who = torch.tensor(instances, device=policy.device)
    rows, state = episodes.lengths[who], policy.initial_state(episodes.valid.shape[1])

    def longer(x: Tensor) -> Tensor:
        return torch.cat([x, x[:1]])[: int(rows.max()) + 1]

    result = torch.zeros_like(episodes.rewards)
    result[rows - 1, who] = final_values(
        policy, map_tree(longer, episodes.obs), longer(episodes.start), state, rows, who, final_obs
    )
    return result


def _over_time(tensors: tuple[Tensor, ...]) -> Tensor:
    """T tensors stacked to (T, B, ...); a tensor that never changes, as of a source, is expanded, not copied."""
    one = tensors[0]
    return one.expand(len(tensors), *one.shape) if all(x is one for x in tensors) else torch.stack(tensors)


def _stacked(action_masks: list[Tensor | None]) -> Tensor | None:
    """The masks stacked to (T, B, A), all true at the steps without one; None if no step had one."""
    known = next((mask for mask in action_masks if mask is not None), None)
    if known is None:
        return None
    free = torch.ones_like(known)
    return torch.stack([free if mask is None else mask for mask in action_masks])
