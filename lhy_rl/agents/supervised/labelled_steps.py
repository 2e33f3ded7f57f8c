"""Demonstrated and labelled steps (states with the actions to take there), as tensors to learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from lhy_rl.core.saved_states import check_like, check_rows
from lhy_rl.core.trees import map_tree, native
from lhy_rl.data.demonstrations import Demonstrations

Space = gym.Space[Any]


@dataclass
class LabelledSteps:
    """N steps, episode after episode, each in the order of time.

    Attributes:
        obs: (N, ...) as the environment gives them.
        actions: (N, ...) the actions to take there.
        start: (N,) bool: an episode begins with this observation.
        labelled: (N,) bool: the action is known; the other steps are only read by the recurrent state.
        targets: (N, P) the distributions of actions that a teacher gives there, as an actor's head has them, or None.
    """

    obs: Any
    actions: Tensor
    start: Tensor
    labelled: Tensor
    targets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, rows: Tensor) -> LabelledSteps:
        return self.map(lambda x: x[rows])

    @property
    def episodes(self) -> list[tuple[int, int]]:
        """(first step, one after the last step) of each episode."""
        firsts = self.start.nonzero()[:, 0].tolist()
        return list(zip(firsts, [*firsts[1:], len(self)], strict=True))

    def map(self, function: Callable[[Tensor], Tensor]) -> LabelledSteps:
        """Apply a function to all tensors."""
        parts = (self.actions, self.start, self.labelled)
        actions, start, labelled = map(function, parts)
        targets = None if self.targets is None else function(self.targets)
        return LabelledSteps(map_tree(function, self.obs), actions, start, labelled, targets)

    @classmethod
    def of_demonstrations(cls, demonstrations: Demonstrations, subsample: int = 1, seed: int = 0) -> LabelledSteps:
        """All steps of demonstrations; those that :meth:`Demonstrations.subsampled` takes are labelled."""
        steps = demonstrations.transitions
        labelled = demonstrations.subsample_mask(subsample, seed)
        obs = map_tree(as_tensor, steps.obs)
        return cls(obs, as_action(steps.actions), torch.from_numpy(steps.start), torch.from_numpy(labelled))

    @classmethod
    def concatenate(cls, parts: Sequence[LabelledSteps]) -> LabelledSteps:
        """Concatenate steps; the actions have the type of the first part's."""
        first = parts[0]
        if len(parts) == 1:
            return first
        obs = map_tree(lambda *x: torch.cat(x), *(part.obs for part in parts))
        actions = torch.cat([part.actions.to(first.actions) for part in parts])
        targets = None if first.targets is None else torch.cat([p.targets for p in parts if p.targets is not None])
        start, labelled = torch.cat([p.start for p in parts]), torch.cat([p.labelled for p in parts])
        return cls(obs, actions, start, labelled, targets)

    @classmethod
    def of_rounds(cls, rounds: Sequence[LabelledSteps]) -> LabelledSteps:
        """Join rounds of (T, B, ...) steps into (N, ...): instance after instance, each in the order of time.

        The first step of each instance counts as the start of an episode.
        """

        joined = cls.concatenate(rounds)
        start = joined.start.clone()
        start[0] = True
        return replace(joined, start=start).map(lambda x: x.transpose(0, 1).flatten(0, 1))

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def of_state(cls, state: dict[str, Any], observation_space: Space, action_space: Space) -> Self:
        """The steps, (N, ...) or (T, B, ...), of a :meth:`state_dict`.

        Raises:
            ValueError: the state is something else, or of other spaces.
        """
        made = cls(**state)
        leading = tuple(made.start.shape)
        check_rows(made.obs, observation_space, leading, "obs")
        check_rows(made.actions, action_space, leading, "actions")
        check_like(state["labelled"], made.start, "labelled")
        if made.start.dtype != torch.bool or made.labelled.shape != leading:
            raise ValueError("start and labelled are not flags of the same steps")
        if made.targets is not None and (made.targets.shape[:-1] != leading or not made.targets.is_floating_point()):
            raise ValueError("targets are not distributions of the same steps")
        return made


class PreparedDataset:
    """Labelled steps on the policy's device, with observations as the policy reads them.

    Args:
        steps: The steps, at least one of them labelled.
        obs: (N, ...) their observations as the policy reads them.

    Attributes:
        labelled_rows: The indices of the labelled steps.
        episodes: The first step of each episode and the one after its last.
    """

    def __init__(self, steps: LabelledSteps, obs: Any) -> None:
        self.steps, self.obs = steps, obs
        self.labelled_rows = steps.labelled.nonzero()[:, 0]
        self.episodes = steps.episodes


def packed_rows(spans: Sequence[tuple[int, int]]) -> Tensor:
    """(L, R) indices of the steps of episodes, packed end to end in R rows of the longest's length; padded with -1."""
    spans = sorted(spans, key=lambda span: span[0] - span[1])  # the longest first
    length = spans[0][1] - spans[0][0]
    rows = pack([end - first for first, end in spans], length)
    index = torch.full((length, len(rows)), -1)
    for column, members in enumerate(rows):
        steps = torch.cat([torch.arange(*spans[i]) for i in members])
        index[: len(steps), column] = steps
    return index


def pack(lengths: Sequence[int], length: int) -> list[list[int]]:
    """Pack episodes end to end into rows of ``length`` steps, in their order.

    Each goes into the last row if it fits there, or begins a new row.
    """
    rows: list[list[int]] = []
    left = 0
    for i, n in enumerate(lengths):
        if n > left:
            rows.append([])
            left = length
        rows[-1].append(i)
        left -= n
    return rows


def as_tensor(array: np.ndarray) -> Tensor:
    """An array as a tensor: floats in single precision, integers as they are."""
    array = native(array)
    return torch.from_numpy(array.astype(np.float32) if array.dtype.kind == "f" else array)


def as_action(array: np.ndarray) -> Tensor:
    """Actions as a tensor, integers as int64."""
    return as_tensor(array if array.dtype.kind == "f" else array.astype(np.int64))
