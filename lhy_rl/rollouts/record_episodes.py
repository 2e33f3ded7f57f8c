"""Recording whole episodes of a policy as demonstrations."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.trees import leaves, map_tree
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.data.spaces import Space, conformed, misfit, without_texts
from lhy_rl.interop.final_observations import keep_final_observations
from lhy_rl.rollouts.autoreset import EpisodeStepper
from lhy_rl.rollouts.checks import ActionMasks, not_a_number

Act = Callable[[Any, Any, np.ndarray, np.ndarray | None], tuple[Any, Any]]
"""(observations, memory, which episodes begin, legal actions or None) to actions and the memory after them."""

Labels = Literal["executed", "expert"]
LONGEST = 100_000  # most steps of an episode
TRIES = 20  # episodes played for each one that reaches min_return, before recording is given up


class Stop(Exception):
    """Raised by the acting policy to end the recording; unfinished episodes are dropped."""


class Again(Exception):
    """Raised by the acting policy to start the current episodes over."""


def record(
    env: VectorEnv[Any, Any, Any],
    act: Act,
    episodes: int,
    *,
    seed: int = 0,
    noise: float = 0.0,
    labels: Labels = "executed",
    min_return: float | None = None,
    about: dict[str, Any] | None = None,
    tell: Callable[[Episode], None] = lambda episode: None,
) -> Demonstrations:
    """Record episodes, equally many in each instance, so that short episodes are not preferred.

    Args:
        env: Reset with the seed first; its autoreset mode must be same-step or next-step.
        act: The policy. It may raise :class:`Stop` or :class:`Again`.
        episodes: Number of whole episodes to keep; Ctrl-C or :class:`Stop` ends the recording earlier.
        noise: Probability that a step executes a random action instead (noise injection, Laskey et al. 2017), so that
            states around the expert's path are visited, too.
        labels: Which action of a noisy step is recorded: the ``executed`` one, so that the episode is what really
            happened, or the ``expert``'s, which would have been right there.
        min_return: Episodes with a lower return are discarded and played again.
        about: Metadata of the demonstrations.
        tell: Called with every episode that is kept.

    Raises:
        UserError: An episode does not end, too few reach ``min_return``, a number is infinite or NaN, or no action
            is legal.
        KeyboardInterrupt, Stop: Raised before the first episode was complete.
    """
    stepper = EpisodeStepper(env, "record needs an environment with autoreset; allowed: SameStep, NextStep")
    n = env.num_envs
    spaces = without_texts(env.single_observation_space), env.single_action_space
    share = np.full(n, episodes // n) + (np.arange(n) < episodes % n)
    rng, random_act = np.random.default_rng(seed), random_policy(env.single_action_space, seed)
    kept: list[Episode] = []
    tried, steps = 0, 0
    keep_final_observations(env)
    stepper.reset(seed)
    state: Any = None
    unfinished = [_UnfinishedEpisode() for _ in range(n)]
    try:
        while share.any():
            going = (share > 0) & ~stepper.resetting
            obs, start, action_mask = stepper.obs, stepper.start, stepper.action_mask(going, steps)
            try:
                answer = act(obs, state, start, action_mask)
            except Again:
                stepper.reset()
                state = None
                unfinished = [_UnfinishedEpisode() for _ in range(n)]
                continue
            if not isinstance(answer, tuple) or len(answer) != 2:
                raise UserError(f"act must return a pair of actions and recurrent state; given: {brief(answer)}")
            actions, state = answer
            actions = _checked_actions(actions, n, spaces[1])
            executed = actions
            if noise:
                executed = _mixed(actions, random_act(obs, None, start, action_mask)[0], rng.random(n) < noise)
            written = executed if labels == "executed" else actions
            for i in np.flatnonzero(going).tolist():
                unfinished[i].observations.append(_checked(_row(obs, i, spaces[0]), i, steps))
                unfinished[i].actions.append(_row(written, i))
            rewards, terminated, truncated = stepper.step(executed)
            steps += 1
            for i in np.flatnonzero(going).tolist():
                if not np.isfinite(rewards[i]):
                    raise not_a_number("reward", i, steps, np.asarray(rewards[i]))
                episode = unfinished[i]
                episode.rewards.append(float(rewards[i]))
                if len(episode.rewards) > LONGEST:
                    raise UserError(
                        f"an episode did not end within {LONGEST:,} steps; give the environment a time limit"
                    )
                if not stepper.ended[i]:
                    continue
                tried += 1
                episode.observations.append(_checked(_plain(stepper.final_obs(i), spaces[0]), i, steps))
                if min_return is None or sum(episode.rewards) >= min_return:
                    kept.append(episode.finished(bool(terminated[i]), bool(truncated[i]), *spaces))
                    tell(kept[-1])
                    share[i] -= 1
                elif tried >= TRIES * (len(kept) + 5):
                    raise UserError(f"{len(kept)} of {tried} episodes reached min_return, {min_return:g}; lower it")
                unfinished[i] = _UnfinishedEpisode()
    except (KeyboardInterrupt, Stop):
        if not kept:
            raise
    return Demonstrations(kept, *spaces, dict(about or {}))


@dataclass
class _UnfinishedEpisode:
    """The steps of an episode that has not ended yet."""

    observations: list[Any] = field(default_factory=list)
    actions: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)

    def finished(self, terminated: bool, truncated: bool, observation_space: Space, action_space: Space) -> Episode:
        observations, actions = (
            map_tree(lambda *x: np.stack(x), *steps) for steps in (self.observations, self.actions)
        )
        observations, actions = conformed(observations, observation_space), conformed(actions, action_space)
        return Episode(observations, actions, np.array(self.rewards), terminated, truncated)


def random_policy(action_space: Space, seed: int) -> Act:
    """A policy that draws actions uniformly, among the legal ones if the environment gives masks."""
    space = copy.deepcopy(action_space)
    space.seed(seed)
    firsts = ActionMasks(space, 1).firsts

    def draw(action_mask: np.ndarray) -> np.ndarray:
        """A legal action, given a mask (A,) bool of all choices concatenated."""
        chosen = [space.np_random.choice(np.flatnonzero(part)) for part in np.split(action_mask, firsts[1:])]
        return np.reshape(chosen, space.shape or ()) + getattr(space, "start", 0)

    def act(obs: Any, state: Any, start: np.ndarray, masks: np.ndarray | None) -> tuple[Any, Any]:
        drawn = [space.sample() if masks is None else draw(masks[i]) for i in range(len(start))]
        return map_tree(lambda *x: np.stack(x), *drawn), None

    return act


def _mixed(actions: Any, others: Any, chosen: np.ndarray) -> Any:
    """The actions, replaced by the others where ``chosen`` is true."""

    def mix(x: Any, y: Any) -> np.ndarray:
        mixed = np.array(x)
        mixed[chosen] = np.asarray(y)[chosen]
        return mixed

    return map_tree(mix, actions, others)


def _row(tree: Any, i: int, space: Space | None = None) -> Any:
    """A copy of row i, since some environments reuse their arrays; of a Dict only the keys of the space."""
    if isinstance(tree, dict):
        keys = space.spaces if isinstance(space, gym.spaces.Dict) else tree
        parts = space.spaces if isinstance(space, gym.spaces.Dict) else {}
        return {key: _row(tree[key], i, parts.get(key)) for key in keys}
    if isinstance(tree, tuple):
        return tuple(_row(x, i) for x in tree)
    return np.array(tree[i])


def _checked(row: Any, i: int, step: int) -> Any:
    """Instance i's observation; raises if a number is infinite or NaN."""
    for leaf in leaves(row):
        if leaf.dtype.kind == "f" and not np.isfinite(leaf).all():
            raise not_a_number("observation", i, step, leaf)
    return row


def _checked_actions(actions: Any, n: int, space: Space) -> Any:
    """The actions as arrays; raises unless there is one of the space for each of n instances."""
    arrays = map_tree(np.asarray, actions)
    why = misfit(arrays, space)
    if why is None and any(np.shape(leaf)[:1] != (n,) for leaf in leaves(arrays)):
        why = f"{brief(actions)}; wanted: one for each of {n} instances"
    if why is not None:
        raise UserError(f"act did not return actions: {why}")
    return arrays


def _plain(tree: Any, space: Space) -> Any:
    """A copy of a single observation, in the form that :func:`_row` gives."""
    if isinstance(space, gym.spaces.Dict):
        return {key: _plain(tree[key], part) for key, part in space.spaces.items()}
    return map_tree(np.array, tree)
