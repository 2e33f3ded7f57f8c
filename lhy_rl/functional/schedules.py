"""Schedules of the share of inputs or actions that come from the teacher instead of the learner.

Scheduled sampling (Bengio et al. 2015, section 2.4) replaces true tokens by the model's own; DAgger (Ross et al. 2011)
replaces the expert by the learner. A schedule of scheduled sampling is set by one number with one meaning, the
half-life: the gradient step at which half of the inputs are the model's own. The paper's constants follow from it.
"""

from __future__ import annotations

import math


def true_token_probability(schedule: str, step: int, half_life: float) -> float:
    """Probability epsilon_i that an input is the true token, not the model's own.

        linear             max(0, 1 - c i),        c = 1 / (2 half_life)
        exponential        k^i,                    k = 2^(-1 / half_life)
        inverse_sigmoid    k / (k + exp(i / k)),   k ln k = half_life

    Args:
        schedule: ``linear``, ``exponential`` or ``inverse_sigmoid``.
        step: i, gradient steps done.
        half_life: Step at which the probability is 1/2; a larger one keeps true tokens longer.
    """
    if schedule == "linear":
        return max(0.0, 1.0 - 0.5 * step / half_life)
    if schedule == "exponential":
        return float(0.5 ** (step / half_life))
    if schedule == "inverse_sigmoid":
        k = _solve_k(half_life)
        return k / (k + math.exp(min(step / k, 700.0)))
    raise ValueError(f"unknown schedule {schedule!r}")


def _solve_k(half_life: float) -> float:
    """k > 1 with k ln k = half_life, by Newton's method (the function is convex)."""
    k = max(half_life, math.e)
    for _ in range(50):
        k -= (k * math.log(k) - half_life) / (math.log(k) + 1)
    return k


def expert_share(schedule: str, round: int, rounds: float, decay: float) -> float:
    """beta_i, the probability that the expert acts in round i = 0, 1, ... (Ross et al. 2011, section 3 and 5).

    Args:
        schedule: ``first`` (1 in round 0, then 0), ``linear`` (down to 0 after ``rounds``), ``exponential`` (decay^i),
            ``always`` (1).
        round: i.
        rounds: Rounds until a linear share is 0.
        decay: Factor per round of an exponential share, between 0 and 1.
    """
    match schedule:
        case "first":
            return float(round == 0)
        case "linear":
            return max(0.0, 1.0 - round / rounds)
        case "exponential":
            return decay**round
        case "always":
            return 1.0
    raise ValueError(schedule)
