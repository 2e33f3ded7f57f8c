"""The examples of an agent's loss: steps to read, and what the loss compares the policy with there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lhy_rl.core.trees import map_tree
from lhy_rl.diagnostics.subject import Subject
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.policies.actor_critic import ActorCritic


@dataclass
class LossExamples:
    """N pieces of L steps, side by side; tensors (L, N, ...), floats in double precision.

    Attributes:
        obs, actions, start: What :meth:`ActorCritic.evaluate` takes.
        valid: (L, N) bool: the steps that count.
        state: The memory before each piece, (N, ...) tensors.
        action_mask: (L, N, A) bool or None.
        others: What else the loss compares with, (L, N, ...) each.
    """

    obs: Any
    actions: Tensor
    start: Tensor
    valid: Tensor
    state: State = ()
    action_mask: Tensor | None = None
    others: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.valid.shape[1]

    def part(self, columns: Tensor) -> LossExamples:
        """Some of the pieces."""

        def pick(x: Tensor) -> Tensor:
            return x[:, columns]

        return LossExamples(
            map_tree(pick, self.obs),
            pick(self.actions),
            pick(self.start),
            pick(self.valid),
            tuple(s[columns] for s in self.state),
            None if self.action_mask is None else pick(self.action_mask),
            {name: pick(x) for name, x in self.others.items()},
        )

    def cast(self, kind: torch.dtype) -> LossExamples:
        """With all floats of that precision."""

        def precise(x: Tensor) -> Tensor:
            return x.to(kind) if x.is_floating_point() else x

        return LossExamples(
            map_tree(precise, self.obs),
            precise(self.actions),
            self.start,
            self.valid,
            tuple(map(precise, self.state)),
            self.action_mask,
            {name: precise(x) for name, x in self.others.items()},
        )


@dataclass
class PolicySubject(Subject):
    """An agent's policy and its loss.

    Attributes:
        policy: The network.
        examples: What the loss is the mean of.
        what: The loss in words.
        has_labels: Whether the actions are what is to be learned, as in imitation, and not what was tried.
    """

    policy: ActorCritic
    examples: LossExamples
    what: str
    has_labels: bool


def subject_of_policy(
    policy: ActorCritic,
    examples: LossExamples,
    loss: Callable[[ActorCritic, LossExamples], Tensor],
    what: str,
    has_labels: bool = False,
) -> PolicySubject:
    """A policy's loss on its examples; the policy becomes one of double precision in evaluation mode."""
    policy.double().eval()
    examples = examples.cast(torch.float64)

    def mean_loss(rows: Tensor | None) -> Tensor:
        return loss(policy, examples if rows is None else examples.part(rows))

    return PolicySubject(policy, mean_loss, len(examples), policy, examples, what, has_labels)
