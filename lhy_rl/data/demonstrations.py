"""Demonstrations of an expert: episodes, and the transitions in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np

from lhy_rl.core.errors import UserError, brief
from lhy_rl.core.trees import map_tree
from lhy_rl.data.spaces import words

Tree = Any
"""An array, or dicts and tuples of arrays, in the structure of a space."""


@dataclass(frozen=True)
class Episode:
    """One episode of L steps, as in Gymnasium and Minari.

    Attributes:
        observations: (L + 1, ...), the last one after the last step.
        actions: (L, ...).
        rewards: (L,); zeros if unknown.
        terminated: Whether the episode ended in a terminal state.
        truncated: Whether a time limit ended it; neither is true if the recording was stopped.
    """

    observations: Tree
    actions: Tree
    rewards: np.ndarray
    terminated: bool
    truncated: bool

    def __len__(self) -> int:
        return len(self.rewards)

    def __repr__(self) -> str:
        end = "terminated" if self.terminated else "truncated" if self.truncated else "unfinished"
        return f"<Episode: {len(self):,} steps, return {self.total:.4g}, {end}>"

    @property
    def total(self) -> float:
        """The undiscounted return."""
        return float(self.rewards.sum())


@dataclass(frozen=True)
class Transitions:
    """N steps of one or more episodes, in their order.

    Attributes:
        obs: (N, ...) before the step.
        actions: (N, ...).
        next_obs: (N, ...) after it.
        rewards: (N,).
        terminated: (N,) bool: this step led to a terminal state.
        start: (N,) bool: an episode begins with ``obs``.
    """

    obs: Tree
    actions: Tree
    next_obs: Tree
    rewards: np.ndarray
    terminated: np.ndarray
    start: np.ndarray

    def __len__(self) -> int:
        return len(self.rewards)

    def __repr__(self) -> str:
        return f"<Transitions: {len(self):,} steps, {int(self.start.sum()):,} beginnings of episodes>"

    def __getitem__(self, index: Any) -> Transitions:
        return Transitions(
            map_tree(lambda x: x[index], self.obs),
            map_tree(lambda x: x[index], self.actions),
            map_tree(lambda x: x[index], self.next_obs),
            self.rewards[index],
            self.terminated[index],
            self.start[index],
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Transitions]) -> Transitions:
        """Concatenate several of them."""
        return parts[0] if len(parts) == 1 else cls(*(joined([getattr(x, f.name) for x in parts]) for f in fields(cls)))


@dataclass(frozen=True)
class Demonstrations:
    """Episodes and their spaces.

    Attributes:
        episodes: At least one, none empty.
        observation_space, action_space: The spaces of one environment.
        about: Their origin: ``env_id``, ``expert``, ``seed``, ... (plain JSON values).

    Raises:
        UserError: There are no episodes, one is empty, shapes do not fit each other or the spaces, or a number is
            infinite or NaN; the message names the episode and the step.
    """

    episodes: Sequence[Episode]
    observation_space: gym.Space[Any]
    action_space: gym.Space[Any]
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.episodes:
            raise UserError("these demonstrations contain no episode")
        for i, episode in enumerate(self.episodes):
            _check(i, episode, self.observation_space, self.action_space)

    # ------------------------------------------------------------------ contents
    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.episodes)

    def __repr__(self) -> str:
        of = self.about.get("env_id") or words(self.observation_space)
        by = f" by {self.about['expert']}" if self.about.get("expert") else ""
        size = f"{len(self)} episodes, {self.lengths.sum():,} steps"
        return f"<Demonstrations of {of}{by}: {size}, return {self.returns.mean():.4g} +- {self.returns.std():.3g}>"

    @cached_property
    def returns(self) -> np.ndarray:
        """(E,) returns of the episodes."""
        return np.array([episode.total for episode in self.episodes])

    @cached_property
    def lengths(self) -> np.ndarray:
        """(E,) lengths of the episodes."""
        return np.array([len(episode) for episode in self.episodes])

    @cached_property
    def transitions(self) -> Transitions:
        """All steps of all episodes."""
        starts = np.zeros(self.lengths.sum(), bool)
        starts[np.cumsum(self.lengths) - self.lengths] = True
        ends = np.zeros(len(starts), bool)
        ends[np.cumsum(self.lengths) - 1] = [episode.terminated for episode in self.episodes]
        return Transitions(
            joined([map_tree(lambda x: x[:-1], episode.observations) for episode in self.episodes]),
            joined([episode.actions for episode in self.episodes]),
            joined([map_tree(lambda x: x[1:], episode.observations) for episode in self.episodes]),
            np.concatenate([episode.rewards for episode in self.episodes]),
            ends,
            starts,
        )

    # ------------------------------------------------------------------ subsets
    def take(self, count: int, seed: int | None = None) -> Demonstrations:
        """The first ``count`` episodes, or as many drawn at random.

        Raises:
            UserError: There are fewer.
        """
        if not isinstance(count, int | np.integer) or not 1 <= count <= len(self):
            raise UserError(f"the number of demonstrations is {count}; allowed: 1 to {len(self)}, as many as there are")
        chosen = range(count) if seed is None else np.random.default_rng(seed).permutation(len(self))[:count].tolist()
        return replace(self, episodes=[self.episodes[i] for i in chosen])

    def subsampled(self, subsample: int, seed: int = 0) -> Transitions:
        """Every ``subsample``-th step of each episode, from a random first one (Ho and Ermon 2016, section 6)."""
        return self.transitions[self.subsample_mask(subsample, seed)]

    def subsample_mask(self, subsample: int, seed: int = 0) -> np.ndarray:
        """(N,) bool: the steps that :meth:`subsampled` takes."""
        if subsample < 1:
            raise UserError(f"subsample is {subsample}; allowed: at least 1")
        rng, taken, first = np.random.default_rng(seed), np.zeros(self.lengths.sum(), bool), 0
        for length in self.lengths.tolist():
            taken[first + rng.integers(min(subsample, length)) : first + length : subsample] = True
            first += length
        return taken


def joined(trees: Sequence[Tree]) -> Tree:
    """Concatenate trees of (N, ...) arrays."""
    return map_tree(lambda *arrays: np.concatenate(arrays), *trees)


def _check(i: int, episode: Episode, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
    rewards = np.asarray(episode.rewards)
    if rewards.ndim != 1 or rewards.dtype.kind not in "biuf":
        raise UserError(f"the rewards of episode {i} are {brief(episode.rewards)}; must be one number per step")
    steps = len(episode)
    if not steps:
        raise UserError(f"episode {i} of these demonstrations has no steps")
    for what, tree, space, count in (
        ("observation", episode.observations, observation_space, steps + 1),
        ("action", episode.actions, action_space, steps),
    ):
        for name, array, part in _leaves(what, tree, space, i):
            if array.shape != (count, *(part.shape or ())):
                raise UserError(
                    f"the {name}s of episode {i} have shape {array.shape}; with {steps} rewards and {words(part)} it "
                    f"must be {(count, *(part.shape or ()))}"
                )
            if array.dtype.kind not in "biuf":
                raise UserError(f"the {name}s of episode {i} are {array.dtype}, not numbers")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                step = int(np.argwhere(~np.isfinite(array))[0][0])
                raise UserError(f"the {name} of episode {i} at step {step} is not a number")
            if part.dtype is not None and part.dtype.kind in "iub" and array.dtype.kind not in "iub":
                raise UserError(f"the {name}s of episode {i} are {array.dtype}; {words(part)} needs whole numbers")
            _check_range(name, array, part, i)
    if not np.isfinite(episode.rewards).all():
        raise UserError(
            f"the reward of episode {i} at step {int(np.argmin(np.isfinite(episode.rewards)))} is not a number"
        )


def _check_range(name: str, array: np.ndarray, space: gym.Space[Any], i: int) -> None:
    """Check that discrete values are in their range; for a Box only the dtype's range is checked, not the bounds."""
    low: Any
    high: Any
    match space:
        case gym.spaces.Discrete():
            low, high = int(space.start), int(space.start + space.n) - 1
        case gym.spaces.MultiDiscrete():
            low, high = space.start, space.start + space.nvec - 1
        case gym.spaces.MultiBinary():
            low, high = 0, 1
        case gym.spaces.Box() if space.dtype.kind in "iu" and array.dtype != space.dtype:
            low, high = np.iinfo(space.dtype).min, np.iinfo(space.dtype).max
        case _:
            return
    outside = (array < low) | (array > high)
    if outside.any():
        place = tuple(np.argwhere(outside)[0])
        low, high = (np.broadcast_to(bound, array.shape)[place] for bound in (low, high))
        raise UserError(
            f"the {name} of episode {i} at step {place[0]} is {array[place]}, outside {brief(space)}; "
            f"allowed: {low} to {high}"
        )


def _leaves(name: str, tree: Tree, space: gym.Space[Any], i: int) -> list[tuple[str, np.ndarray, gym.Space[Any]]]:
    """The arrays of a tree with their names and spaces.

    Raises:
        UserError: The tree does not have the structure of the space.
    """
    if isinstance(space, gym.spaces.Dict | gym.spaces.Tuple):
        parts: dict[Any, gym.Space[Any]] = (
            dict(space.spaces) if isinstance(space, gym.spaces.Dict) else dict(enumerate(space.spaces))
        )
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree))) if isinstance(tree, tuple) else None
        if keys is None or set(keys) != set(parts):
            raise UserError(f"the {name}s of episode {i} hold {keys}, not {list(parts)}")
        return [leaf for key in parts for leaf in _leaves(f"{name} {key!r}", tree[key], parts[key], i)]
    if not isinstance(tree, np.ndarray):
        kind = type(tree).__name__
        raise UserError(f"the {name}s of episode {i} are {kind}; {words(space)} needs an array")
    return [(name, tree, space)]
