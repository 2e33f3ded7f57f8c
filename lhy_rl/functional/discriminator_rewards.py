"""What a step is worth to a policy, from the logit s by which a discriminator tells the expert's steps from its own.

D = sigmoid(s) is the probability that the step is the expert's. The best discriminator has s = log(rho_E / rho_pi), the
ratio of how often the two visit it. The forms differ in their sign, which says what an episode's length is worth:

    form           reward                   sign       as such it favours
    gail           -log(1 - D)              >= 0       living on (Ho & Ermon 2016, with D for the expert)
    log_d          log D                    <= 0       ending soon
    logit          log D - log(1 - D) = s   either     neither: of the three the only one (Fu et al. 2018, eq. 12)
    probability    D                        0 to 1     living on (a SeqGAN's)
    fairl          -s e^s                   either     what the expert does at all (Ghasemipour et al. 2020, eq. 5)

With absorbing states (:func:`absorbing_value`) none of them favours either.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lhy_rl.core.registry import Registry

FAIRL_CLIP = 5.0  # e^s must not run away


def gail(s: Tensor) -> Tensor:
    """-log(1 - D), never negative."""
    return F.softplus(s)


def log_d(s: Tensor) -> Tensor:
    """log D, never positive."""
    return -F.softplus(-s)


def logit(s: Tensor) -> Tensor:
    """log D - log(1 - D)."""
    return s


def probability(s: Tensor) -> Tensor:
    """D, between 0 and 1."""
    return torch.sigmoid(s)


def fairl(s: Tensor) -> Tensor:
    """-s e^s, with s kept below 5."""
    s = s.clamp(max=FAIRL_CLIP)
    return -s * s.exp()


FORMS = Registry(
    "reward",
    {name: f"{__name__}:{name}" for name in ("gail", "log_d", "logit", "probability", "fairl")},
)
"""The forms by name; (...) logits to (...) rewards."""


def absorbing_value(reward: float, gamma: float) -> float:
    """V = r / (1 - gamma), the return of the absorbing state, whose reward is r at every step for ever.

    Kostrikov et al. 2019 (DAC, section 4.2): an episode that terminates goes on there, the expert's and the policy's
    alike; without it, the return after an end is 0, better than anything if rewards are negative and worse than
    anything if they are positive.
    """
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma is {gamma}; an absorbing state has a value for 0 <= gamma < 1 only")
    return reward / (1 - gamma)
