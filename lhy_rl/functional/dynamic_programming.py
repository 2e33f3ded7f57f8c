"""Dynamic programming over tables: the optimal policy, the soft optimal policy, and the states that a policy visits.

Tables are numpy arrays: ``transitions`` (S, A, S) with P(s'|s, a), whose rows may sum to less than 1 where an episode
ends (a terminal state's rows are 0), and ``reward`` (S,) of the state reached, (S, A) or (S, A, S).
With a ``horizon`` T results are exact and depend on time: policies are (T, S, A). Without one, policies are (S, A) and
gamma must be below 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

TIE = 1e-9  # actions whose values differ by less are equally good
TOLERANCE = 1e-10  # of values, where there is no horizon
MAX_SWEEPS = 100_000


class Plan(NamedTuple):
    """The result of planning.

    Attributes:
        policy: (T, S, A) or (S, A) probabilities.
        values: (T, S) or (S,) expected return from each state on.
        action_values: (T, S, A) or (S, A).
    """

    policy: np.ndarray
    values: np.ndarray
    action_values: np.ndarray


def step_rewards(transitions: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """r(s, a) = sum_s' P(s'|s, a) R(s, a, s'): (S, A), from a reward of any of the three shapes."""
    if reward.shape == transitions.shape[:2] and reward.ndim == 2:
        return reward
    result: np.ndarray = transitions @ reward if reward.ndim == 1 else (transitions * reward).sum(-1)
    return result


def value_iteration(
    transitions: np.ndarray, reward: np.ndarray, gamma: float = 1.0, horizon: int | None = None
) -> Plan:
    """V(s) = max_a Q(s, a),   Q(s, a) = r(s, a) + gamma sum_s' P(s'|s, a) V(s')   (Bellman 1957).

    The policy is uniform over equally good actions.
    """
    return _plan(transitions, reward, gamma, horizon, lambda q: q.max(-1), _greedy)


def soft_value_iteration(
    transitions: np.ndarray,
    reward: np.ndarray,
    gamma: float = 1.0,
    horizon: int | None = None,
    temperature: float = 1.0,
) -> Plan:
    """V(s) = tau log sum_a exp(Q(s, a) / tau),   pi(a|s) = exp((Q(s, a) - V(s)) / tau)   (Ziebart 2010, section 6.2).

    The policy maximises the sum of rewards and tau times its causal entropy. For tau to 0 it is the optimal policy.
    """

    def value(q: np.ndarray) -> np.ndarray:
        top = q.max(-1)
        result: np.ndarray = top + temperature * np.log(np.exp((q - top[..., None]) / temperature).sum(-1))
        return result

    def policy(q: np.ndarray) -> np.ndarray:
        weights = np.exp((q - q.max(-1, keepdims=True)) / temperature)
        result: np.ndarray = weights / weights.sum(-1, keepdims=True)
        return result

    ends = ~transitions.any(axis=(1, 2))  # a terminal state has no actions, and so no entropy
    return _plan(transitions, reward, gamma, horizon, lambda q: np.where(ends, 0.0, value(q)), policy)


def policy_evaluation(
    transitions: np.ndarray, reward: np.ndarray, policy: np.ndarray, gamma: float = 1.0, horizon: int | None = None
) -> np.ndarray:
    """(T, S) or (S,): the expected sum of discounted rewards from a state on (Sutton & Barto 2018, eq. 4.3).

    A policy (S, A) may be evaluated with a horizon, too.
    """
    r = step_rewards(transitions, reward)
    if horizon is None:
        inside = np.einsum("sa,sat->st", policy, transitions)
        solved: np.ndarray = np.linalg.solve(np.eye(len(inside)) - _below_one(gamma) * inside, (policy * r).sum(1))
        return solved
    values, following = np.empty((horizon, len(r))), np.zeros(len(r))
    for t in reversed(range(horizon)):
        at = policy if policy.ndim == 2 else policy[t]
        values[t] = following = (at * (r + gamma * (transitions @ following))).sum(1)
    return values


def occupancies(transitions: np.ndarray, policy: np.ndarray, starts: np.ndarray, horizon: int) -> np.ndarray:
    """(T, S, A) probability of each state and action at each time; ``policy`` is (T, S, A) or (S, A)."""
    at, result = starts, np.empty((horizon, *transitions.shape[:2]))
    flat = transitions.reshape(-1, transitions.shape[2])
    for t in range(horizon):
        result[t] = at[:, None] * (policy if policy.ndim == 2 else policy[t])
        at = result[t].reshape(-1) @ flat
    return result


def visitation(
    transitions: np.ndarray, policy: np.ndarray, starts: np.ndarray, gamma: float = 1.0, horizon: int | None = None
) -> np.ndarray:
    """D(s, a) = sum_t gamma^t P(s_t = s, a_t = a): (S, A) expected visits (Ziebart et al. 2008, algorithm 1)."""
    if horizon is not None:
        discounts = gamma ** np.arange(horizon)
        result: np.ndarray = np.tensordot(discounts, occupancies(transitions, policy, starts, horizon), 1)
        return result
    inside = np.einsum("sa,sat->st", policy, transitions)
    states = np.linalg.solve(np.eye(len(inside)) - _below_one(gamma) * inside.T, starts)
    occupancy: np.ndarray = states[:, None] * policy
    return occupancy


def reached(transitions: np.ndarray, occupancy: np.ndarray) -> np.ndarray:
    """(S, A) occupancy to (S,) expected number of times that each state is reached, which a reward (S,) multiplies."""
    result: np.ndarray = np.tensordot(occupancy, transitions, 2)
    return result


def sample_paths(
    transitions: np.ndarray,
    policy: np.ndarray,
    starts: np.ndarray,
    horizon: int,
    episodes: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample episodes from tables.

    Returns:
        States (E, T + 1), actions (E, T) and lengths (E,): a path that reaches a terminal state stays there.
    """
    states, actions = np.empty((episodes, horizon + 1), np.int64), np.empty((episodes, horizon), np.int64)
    ends: np.ndarray = transitions.sum((1, 2)) == 0
    cumulated = transitions.cumsum(-1)
    states[:, 0] = rng.choice(len(starts), size=episodes, p=starts)
    for t in range(horizon):
        at = states[:, t]
        chances = (policy if policy.ndim == 2 else policy[t])[at].cumsum(-1)
        actions[:, t] = _draw_rows(chances, rng)
        states[:, t + 1] = np.where(ends[at], at, _draw_rows(cumulated[at, actions[:, t]], rng))
    return states, actions, (~ends[states[:, :-1]]).sum(1)


def _plan(
    transitions: np.ndarray,
    reward: np.ndarray,
    gamma: float,
    horizon: int | None,
    value: Callable[[np.ndarray], np.ndarray],
    policy: Callable[[np.ndarray], np.ndarray],
) -> Plan:
    r, following = step_rewards(transitions, reward), np.zeros(len(transitions))
    if horizon is not None:
        q, values = np.empty((horizon, *r.shape)), np.empty((horizon, len(r)))
        for t in reversed(range(horizon)):
            q[t] = r + gamma * (transitions @ following)
            values[t] = following = value(q[t])
        return Plan(policy(q), values, q)
    _below_one(gamma)
    for _ in range(MAX_SWEEPS):
        q = r + gamma * (transitions @ following)
        before, following = following, value(q)
        if np.abs(following - before).max() < TOLERANCE * max(1.0, float(np.abs(following).max())):
            return Plan(policy(q), following, q)
    raise ValueError(f"values did not converge in {MAX_SWEEPS} sweeps at gamma {gamma}; lower gamma, or give a horizon")


def _greedy(q: np.ndarray) -> np.ndarray:
    top = q.max(-1, keepdims=True)
    best = q >= top - TIE * np.maximum(1.0, np.abs(top))
    shares: np.ndarray = best / best.sum(-1, keepdims=True)
    return shares


def _draw_rows(cumulated: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one of K for each row of (N, K) cumulated probabilities: (N,) indices."""
    draws: np.ndarray = (cumulated < rng.random(len(cumulated))[:, None] * cumulated[:, -1:]).sum(-1)
    return draws


def _below_one(gamma: float) -> float:
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma is {gamma}; without a horizon it must be at least 0 and below 1")
    return gamma
