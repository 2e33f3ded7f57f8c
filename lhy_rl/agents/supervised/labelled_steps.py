"""What a policy is to do where: demonstrated and labelled steps, as tensors to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
        actions: (N, ...) what to do there.
        start: (N,) bool: an episode begins with this observation.
        labelled: (N,) bool: the action is known; the other steps are only what a memory has seen.
    """

    obs: Any
    actions: Tensor
    start: Tensor
    labelled: Tensor

    def __len__(self) -> int:
        return len(self.start)

    @property
    def episodes(self) -> list[tuple[int, int]]:
        """First step and the one after the last, of each episode."""
        firsts = self.start.nonzero()[:, 0].tolist()
        return list(zip(firsts, [*firsts[1:], len(self)], strict=True))

    def pick(self, rows: Tensor | slice) -> LabelledSteps:
        """Some steps."""
        return LabelledSteps(
            map_tree(lambda x: x[rows], self.obs), self.actions[rows], self.start[rows], self.labelled[rows]
        )

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def of_state(cls, state: dict[str, Any], observation_space: Space, action_space: Space) -> Self:
        """What :meth:`state_dict` gave; steps of (N, ...), or of (T, B, ...).

        Raises:
            ValueError: it gave something else, or of other spaces.
        """
        made = cls(**state)
        leading = tuple(made.start.shape)
        check_rows(made.obs, observation_space, leading, "obs")
        check_rows(made.actions, action_space, leading, "actions")
        check_like(state["labelled"], made.start, "labelled")
        if made.start.dtype != torch.bool or made.labelled.shape != leading:
            raise ValueError("start and labelled are no flags of the same steps")
        return made


def demonstrated(demonstrations: Demonstrations, every: int = 1, seed: int = 0) -> LabelledSteps:
    """All steps of demonstrations; with ``every`` above 1 those of :meth:`Demonstrations.subsampled` are labelled."""
    steps = demonstrations.transitions
    labelled = np.ones(len(steps), bool)
    if every > 1:
        rng, labelled = np.random.default_rng(seed), np.zeros(len(steps), bool)
        ends = np.cumsum(demonstrations.lengths)
        for end, length in zip(ends.tolist(), demonstrations.lengths.tolist(), strict=True):
            labelled[end - length + rng.integers(min(every, length)) : end : every] = True
    return LabelledSteps(
        map_tree(as_tensor, steps.obs),
        as_action(steps.actions),
        torch.from_numpy(steps.start),
        torch.from_numpy(labelled),
    )


def streams(pieces: Sequence[LabelledSteps]) -> LabelledSteps:
    """Pieces of (T, B, ...), one played after the other, as one: instance after instance, each in the order of time.

    Where the first step of an instance is no start, it counts as one.
    """

    def join(*parts: Tensor) -> Tensor:
        return torch.cat(parts).transpose(0, 1).flatten(0, 1)

    start = torch.cat([piece.start for piece in pieces])
    start[0] = True
    return LabelledSteps(
        map_tree(join, *(piece.obs for piece in pieces)),
        join(*(piece.actions for piece in pieces)),
        join(start),
        join(*(piece.labelled for piece in pieces)),
    )


def together(first: LabelledSteps, second: LabelledSteps) -> LabelledSteps:
    """Both, one behind the other."""
    return LabelledSteps(
        map_tree(lambda a, b: torch.cat([a, b]), first.obs, second.obs),
        torch.cat([first.actions, second.actions.to(first.actions)]),
        torch.cat([first.start, second.start]),
        torch.cat([first.labelled, second.labelled]),
    )


def packed(lengths: Sequence[int], length: int) -> list[list[int]]:
    """Episodes put end to end into rows of ``length`` steps, in their order; each goes where the last one went, or
    begins a row."""
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
    """Numbers in single precision, whole numbers as they are."""
    array = native(array)
    return torch.from_numpy(array.astype(np.float32) if array.dtype.kind == "f" else array)


def as_action(array: np.ndarray) -> Tensor:
    """Actions, the whole ones as they index."""
    return as_tensor(array if array.dtype.kind == "f" else array.astype(np.int64))
