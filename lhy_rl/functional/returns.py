"""Returns and advantages. Termination is a discount, truncation is a bootstrap; no gradient flows through either."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def discounted_returns(rewards: Tensor, discounts: Tensor, bootstrap: Tensor) -> Tensor:
    """G_t = r_t + discount_t G_{t+1},   G_T = bootstrap   (Sutton & Barto 2018, eq. 3.9).

    Args:
        rewards: (T, B) float.
        discounts: (T, B): gamma, and 0 where the step terminated the episode.
        bootstrap: (B,) value of the observation after the last step; it counts only where no discount before it is 0.

    Returns:
        (T, B).

    Raises:
        ValueError: shapes that would broadcast silently.
    """
    _same_shape(rewards=rewards, discounts=discounts)
    _same_shape(**{"rewards[0]": rewards[0], "bootstrap": bootstrap})
    return _sums(rewards, discounts, bootstrap)


@torch.no_grad()
def generalized_advantages(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float,
    gae_lambda: float,
) -> Tensor:
    """A_t = delta_t + gamma lambda A_{t+1},   delta_t = r_t + gamma V_{t+1} - V_t   (Schulman et al. 2016, eq. 16).

    At a terminated step gamma is 0 in both places. A truncated step bootstraps: its next value stays in delta, and
    only the sum of deltas stops. ``A + values`` are the targets of the critic.

    Args:
        rewards: (T, B) float.
        values: (T, B) value of the observation before each step.
        next_values: (T, B) value of the observation that step t truly reached, before any reset.
        terminated: (T, B) bool.
        truncated: (T, B) bool.
        gamma: Discount of a step.
        gae_lambda: 0 trusts the critic after one step, 1 uses rewards only.

    Returns:
        (T, B).

    Raises:
        ValueError: shapes that would broadcast silently.
    """
    _same_shape(rewards=rewards, values=values, next_values=next_values, terminated=terminated, truncated=truncated)
    discounts = torch.full_like(rewards, gamma).masked_fill_(terminated, 0.0)
    delta = rewards + discounts * next_values - values
    return _sums(delta, discounts.mul_(gae_lambda).masked_fill_(truncated, 0.0), delta.new_zeros(delta.shape[1:]))


def _sums(rewards: Tensor, discounts: Tensor, following: Tensor) -> Tensor:
    returns = torch.empty_like(rewards)
    rows = zip(rewards.unbind(), discounts.unbind(), returns.unbind(), strict=True)
    for reward, discount, out in reversed(list(rows)):
        following = torch.addcmul(reward, discount, following, out=out)
    return returns


def _same_shape(**tensors: Tensor) -> None:
    if len({t.shape for t in tensors.values()}) > 1:
        raise ValueError("shapes must be equal: " + ", ".join(f"{k} {tuple(t.shape)}" for k, t in tensors.items()))


def leave_one_out_mean(returns: Tensor, mask: Tensor, group_size: int | None = None) -> Tensor:
    """Mean return of the other episodes from the same step on: b_ti = mean of G_tj over the j != i that reach step t.

    A sample in its own baseline would shrink its advantage by the factor 1 - 1 / B (Kool et al. 2019). Where no other
    episode reaches the step, b is the mean over all steps of the others: it is still independent of i's actions.

    Args:
        returns: G, (T, B), at least two episodes.
        mask: (T, B) bool: true until each episode's end.
        group_size: Take the mean within groups of this many consecutive episodes; None takes all episodes.

    Returns:
        (T, B).
    """
    if group_size is not None:  # (T, B) to (T, B / K, K)
        groups = zip(torch.split(returns, group_size, 1), torch.split(mask, group_size, 1), strict=True)
        return torch.cat([leave_one_out_mean(*group) for group in groups], 1)
    counted = returns * mask
    others = mask.sum(1, keepdim=True) - mask.int()
    at_step = (counted.sum(1, keepdim=True) - counted) / others.clamp(min=1)
    steps = (mask.sum() - mask.sum(0)).clamp(min=1)
    anywhere = (counted.sum() - counted.sum(0)) / steps  # (B,)
    return torch.where(others > 0, at_step, anywhere)
