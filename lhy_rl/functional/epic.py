"""The EPIC distance of two rewards; it ignores scale and potential shaping, which change no optimal policy."""

from __future__ import annotations

import numpy as np


def canonical(reward: np.ndarray, gamma: float, weights: np.ndarray | None = None) -> np.ndarray:
    """C(R)(s,a,s') = R(s,a,s') + E[gamma R(s',A,S') - R(s,A,S') - gamma R(S,A,S')]   (Gleave et al. 2021, def. 4.1).

    R and R + gamma Phi(s') - Phi(s) have the same canonical form, whatever the dynamics are.

    Args:
        reward: (S, A, S).
        gamma: Discount.
        weights: (S,) distribution of S and S' in the expectation; uniform if left out. Actions are uniform.

    Returns:
        (S, A, S).
    """
    count = reward.shape[0]
    weights = np.full(count, 1 / count) if weights is None else weights / weights.sum()
    onward = reward.mean(1) @ weights  # (S,) E[R(s, A, S')]
    result: np.ndarray = reward + gamma * onward - onward[:, None, None] - gamma * (weights @ onward)
    return result


def epic_distance(
    first: np.ndarray, second: np.ndarray, gamma: float = 1.0, weights: np.ndarray | None = None
) -> float:
    """D = sqrt((1 - rho(C(R1), C(R2))) / 2), rho Pearson's correlation   (Gleave et al. 2021, def. 4.5).

    0 for rewards that differ by scale and shaping only, sqrt(1/2) for unrelated ones, 1 for opposite ones; also
    sqrt(1/2) where one of them is constant.

    Args:
        first, second: (S,) of the state reached, (S, A) or (S, A, S).
        gamma: Discount.
        weights: (S,) coverage: the weight of each state, both as s and as s'; uniform if left out.
    """
    actions = next((r.shape[1] for r in (first, second) if r.ndim > 1), 1)
    count = len(first)
    weights = np.full(count, 1 / count) if weights is None else weights / weights.sum()
    coverage = (weights[:, None, None] * weights / actions) * np.ones((1, actions, 1))  # (S, A, S)
    forms = []
    for reward in (first, second):
        whole = reward if reward.ndim == 3 else reward[:, :, None] if reward.ndim == 2 else reward[None, None, :]
        form = canonical(np.broadcast_to(whole, coverage.shape), gamma, weights)
        forms.append(form - (coverage * form).sum())
    a, b = forms
    scale = np.sqrt((coverage * a * a).sum() * (coverage * b * b).sum())
    rho = (coverage * a * b).sum() / scale if scale > 1e-12 else 0.0
    return float(np.sqrt(max(0.0, 1 - rho) / 2))
