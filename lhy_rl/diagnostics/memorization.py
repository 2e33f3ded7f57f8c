"""Whether a network learns random labels by heart (Zhang et al. 2017), and how fast beside labels that mean something.

A network with as many weights as policies have fits labels that say nothing, to the last one, and then knows nothing of
other examples: that it fits its data does not show that it has learned anything.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import gymnasium as gym
import torch
from torch import Tensor

from lhy_rl.diagnostics.loss_examples import LossExamples, PolicySubject
from lhy_rl.functional.policy_gradient import masked_mean
from lhy_rl.nn.policies.actor_critic import ActorCritic, mask_of

FITTED = 0.99  # a share of the labels at which a fit is complete


class Fit(NamedTuple):
    """How a network took to labels; shares are those of the most probable actions that are the labels, or, of
    continuous actions, of the labels' variance."""

    labels: str
    learned: float
    """The share on the steps learned from."""
    held_out: float
    """On other steps, which have labels of the same kind."""
    steps: int
    """Gradient steps until the first was 0.99, or all that were made."""


def memorization(
    subject: PolicySubject,
    initial: Tensor,
    most_steps: int = 1500,
    learning_rate: float = 3e-3,
    generator: torch.Generator | None = None,
) -> list[Fit]:
    """Fit the policy's network, from its first weights, to labels that it gives itself and to random ones.

    Of data that have labels (demonstrations, sentences) these are the first kind.

    Args:
        subject: Whose network and examples; both stay as they are.
        initial: (P,) weights to begin from.
        most_steps: Gradient steps of Adam, each on all that is learned from.
        generator: Of the random labels and the split: a quarter of the examples is held out.
    """
    own = subject.examples.actions if subject.has_labels else most_probable(subject.policy, subject.examples)
    random = random_labels(subject.policy, subject.examples, own, generator)
    order = torch.randperm(subject.count, generator=generator)
    quarter = max(1, subject.count // 4)
    held_out, learned = order[:quarter], order[quarter:]
    found = []
    for name, labels in (("true", own), ("random", random)):
        policy = copy.deepcopy(subject.policy)
        with torch.no_grad():
            first = 0
            for parameter in policy.parameters():
                parameter.copy_(initial[first : first + parameter.numel()].view_as(parameter))
                first += parameter.numel()
        policy.float()
        parts = [single(subject.examples, labels, rows) for rows in (learned, held_out)]
        steps = _fit(policy, parts[0], most_steps, learning_rate)
        found.append(Fit(name, share(policy, parts[0]), share(policy, parts[1]), steps))
    return found


def _fit(policy: ActorCritic, x: LossExamples, most_steps: int, learning_rate: float) -> int:
    """Adam on the labels' likelihood until they are fitted; how many steps that took."""
    optimizer = torch.optim.Adam(policy.parameters(), learning_rate, fused=True)
    for step in range(most_steps):
        if step % 10 == 0 and share(policy, x) >= FITTED:
            return step
        new = policy.evaluate(x.obs, x.actions, x.state, x.start, x.valid, action_mask=x.action_mask)
        optimizer.zero_grad()
        (-masked_mean(new.log_prob, x.valid)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return most_steps


@torch.no_grad()
def most_probable(policy: ActorCritic, x: LossExamples) -> Tensor:
    """(L, N, ...) the policy's most probable actions."""
    h, _ = policy.trunk(x.obs, policy.split_state(x.state)[0], x.start)
    masks = mask_of(x.obs) if x.action_mask is None else x.action_mask
    flat = policy.actor.sample(
        h.flatten(0, 1), temperature=0.0, action_mask=None if masks is None else masks.flatten(0, 1)
    )
    return flat.view(x.valid.shape + flat.shape[1:])


def random_labels(policy: ActorCritic, x: LossExamples, own: Tensor, generator: torch.Generator | None) -> Tensor:
    """(L, N, ...) labels that say nothing: legal actions with equal chances; continuous ones in another order."""
    if isinstance(policy.actor.space, gym.spaces.Box):
        flat = own.flatten(0, 1)
        return flat[torch.randperm(len(flat), generator=generator)].view_as(own)
    head, rows = policy.actor, x.valid.numel()
    even = torch.zeros(rows, head.num_logits)
    masks = mask_of(x.obs) if x.action_mask is None else x.action_mask
    if masks is not None:
        even = even.masked_fill(~masks.flatten(0, 1), -torch.inf)
    drawn = head.draw_from(even, head.noise((rows,), generator, torch.device("cpu")))
    return drawn.view(x.valid.shape + drawn.shape[1:])


def single(x: LossExamples, labels: Tensor, rows: Tensor) -> LossExamples:
    """Some of the examples with other actions, in single precision."""
    part = LossExamples(x.obs, labels, x.start, x.valid, x.state, x.action_mask).part(rows)
    return part.cast(torch.float32)


@torch.no_grad()
def share(policy: ActorCritic, x: LossExamples) -> float:
    """How much of the labels a policy has: see :class:`Fit`."""
    found, labels = most_probable(policy, x)[x.valid], x.actions[x.valid]
    if labels.is_floating_point():
        spread = (labels - labels.mean(0)).square().sum()
        return float(1 - (found - labels).square().sum() / spread.clamp(min=1e-12))
    return float((found == labels).reshape(len(labels), -1).all(1).float().mean())
