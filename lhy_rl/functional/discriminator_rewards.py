"""Rewards of a policy's steps, from the logit s by which a discriminator tells the expert's steps from the policy's.

D = sigmoid(s) is the probability that the step is the expert's. The optimal discriminator has s = log(rho_E / rho_pi),
the log-ratio of how often the two visit the step. The forms differ in their sign, which biases the length of episodes:

    form           reward                   sign       favours by its sign
    gail           -log(1 - D)              >= 0       long episodes (Ho & Ermon 2016, with D for the expert)
    log_d          log D                    <= 0       short episodes
    logit          log D - log(1 - D) = s   either     neither, alone of these three (Fu et al. 2018, eq. 12)
    probability    D                        0 to 1     long episodes (SeqGAN's reward)
    fairl          -s e^s                   either     steps that the expert takes (Ghasemipour et al. 2020, eq. 5)

With absorbing states (:func:`absorbing_value`) none of them favours either.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from lhy_rl.core.registry import Registry

FAIRL_CLIP = 5.0  # keeps e^s from growing too large


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
"""The forms by name; each maps logits (...) to rewards (...)."""


def absorbing_value(reward: float, gamma: float) -> float:
    """V = r / (1 - gamma), the return of the absorbing state, whose reward is r at every step for ever.

    Kostrikov et al. 2019 (DAC, section 4.2): a terminated episode, the expert's or the policy's, goes on there; without
    it the return after termination is 0, which is better than any other if rewards are negative, and worse if they
    are positive.
    """
    if not 0 <= gamma < 1:
        raise ValueError(f"gamma is {gamma}; an absorbing state has a finite value for 0 <= gamma < 1 only")
    return reward / (1 - gamma)
