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

LONGEST = 100_000  # steps of an episode; whoever plays on without an end needs a time limit


@dataclass
class Episodes:
    """B episodes side by side, up to T steps; what stands behind an episode's end does not count.

    Attributes:
        obs: (T, B, ...); floats are 0 behind the ends.
        actions: (T, B, ...).
        rewards: (T, B), 0 behind the ends.
        valid: (T, B) bool: true until the end.
        states: The policy's memory before the first step, (1, B, ...) tensors; where asked for, before each step,
            (T, B, ...), and what does not change is stored once.
        action_mask: (T, B, A) bool, all true at the steps without masks; None where no step had any.
        truncated_final_obs: (instance, last observation) of the episodes that a time limit ended.
        raw_obs: (T, B, ...) numpy arrays, the observations as the environment gave them; where asked for.
        final_obs: The last observation of each instance's episode, as the environment gave it; where asked for.
        env_actions: (T, B, ...) numpy array, the actions as the environment was given them; where asked for.
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
        """(T, B) bool: one episode a column, begun at step 0."""
        start = torch.zeros_like(self.valid)
        start[0] = True
        return start

    def transitions(self) -> Transitions:
        """The steps in rows, as the environment gave and took them; where ``raw_obs`` were kept."""
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
        """(B, max_length) tokens, padded, of episodes of a text task."""
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
    """Begin in all instances at once and step until every first episode has ended.

    An instance whose episode has ended is stepped on, whatever the autoreset mode, and nothing of it is looked at.

    Args:
        seed: Of the episodes' beginnings: the same seed begins the same episodes, in any environment.
        generator: Owner of the policy's draws.
        deterministic: The most probable actions (the greedy episodes of self-critical training).
        observe: From a batch of observations, and which of them count (B,) bool, to what the policy sees of them; also
            from one observation alone, on which nobody acts, and None.
        keep_raw_obs: Keep what :meth:`Episodes.transitions` is made of, too.
        alike: So many instances that stand one behind the other begin alike.
        keep_states: Keep the policy's memory before each step, not only before the first one.

    Raises:
        UserError: observations or rewards that are not numbers, a state without a legal action, or no end.
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
        """A copy, for some environments write into what they gave; floats of ended episodes are 0."""
        array = np.array(x, dtype=stored(x))
        if array.dtype.kind == "f" and not alive.all():
            array[~alive] = 0.0
        return torch.as_tensor(array, device=device)

    while alive.any():
        if len(steps) == LONGEST:
            raise UserError(f"an episode did not end in {LONGEST:,} steps; give the environment max_episode_steps")
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
    """(T, B): what the critic expects after the last step of an episode that a time limit cut, there; 0 elsewhere."""
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
    """(T, B, ...) of T tensors; where they are one and the same, a source that was read, it is not copied."""
    one = tensors[0]
    return one.expand(len(tensors), *one.shape) if all(x is one for x in tensors) else torch.stack(tensors)


def _stacked(action_masks: list[Tensor | None]) -> Tensor | None:
    """(T, B, A), all true at the steps without masks; None where no step had any."""
    known = next((mask for mask in action_masks if mask is not None), None)
    if known is None:
        return None
    free = torch.ones_like(known)
    return torch.stack([free if mask is None else mask for mask in action_masks])
