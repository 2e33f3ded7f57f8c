"""Adversarial objectives: the losses of the discriminator and the generator, and the reward of a policy as generator.

A discriminator gives a score for each sample (or for each prefix of it: any shape). What the score is depends on
the objective's ``kind``: the logit of "real", a critic's unbounded rating, or an energy, which is low for real.
Losses are means over all scores given. A generator that is a policy cannot be differentiated through its samples;
it maximises ``reward``, which, except for ``gan``, is minus the generator's loss, elementwise.

    objective         discriminator loss                       generator loss      reward
    gan               -E log D(x) - E log(1 - D(g))            -E log D(g)         D(g)
    gan_saturating    the same                                 E log(1 - D(g))     -log(1 - D(g))
    lsgan             E (s(x)-b)^2 / 2 + E (s(g)-a)^2 / 2      E (s(g)-c)^2 / 2    -(s(g)-c)^2 / 2
    wgan, wgan_gp     E s(g) - E s(x)                          -E s(g)             s(g)
    ebgan             E e(x) + E max(0, m - e(g))              E e(g)              -e(g)
    began             E e(x) - k E e(g)                        E e(g)              -e(g)

x are real samples, g generated ones, s a score, D = sigmoid(s), e an energy. The penalties that are added to the losses
are in :mod:`~lhy_rl.functional.adversarial_penalties`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from lhy_rl.core.errors import suggest
from lhy_rl.core.registry import Registry

LEAST_LOGIT = 80.0  # scores are clamped at minus this, so that e^-s does not overflow a float32

objectives = Registry(
    "objective",
    {
        "gan": "lhy_rl.functional.adversarial:GAN",
        "gan_saturating": "lhy_rl.functional.adversarial:SaturatingGAN",
        "lsgan": "lhy_rl.functional.adversarial:LSGAN",
        "wgan": "lhy_rl.functional.adversarial:WGAN",
        "wgan_gp": "lhy_rl.functional.adversarial:WGANGP",
        "ebgan": "lhy_rl.functional.adversarial:EBGAN",
        "began": "lhy_rl.functional.adversarial:BEGAN",
    },
)


def objective(name: str, **options: Any) -> Objective:
    """The objective of that name; ``options`` are its fields.

    >>> objective("ebgan", margin=2.0).kind
    'energy'

    Raises:
        UserError: unknown name or option; the message holds the nearest known one.
    """
    kind = objectives.get(name)
    allowed = [field.name for field in fields(kind)]
    for option in options:
        if option not in allowed:
            raise suggest(option, allowed, f"option of objective {name!r}")
    made: Objective = kind(**options)
    return made


@dataclass(frozen=True)
class Objective(ABC):
    """Two losses and a reward, all functions of the discriminator's scores.

    Attributes:
        kind: Kind of score: "logit", "critic" or "energy" (never negative; low is real).
        weight_clip: Bound on the discriminator's weights after each of its updates (``clip_weights``), or None.
        penalty_weight: Weight of ``gradient_penalty`` in the discriminator's loss.
        initial_balance: The balance for the first discriminator loss; None for objectives without a balance.
    """

    kind: ClassVar[Literal["logit", "critic", "energy"]]

    @property
    def weight_clip(self) -> float | None:
        return None

    @property
    def penalty_weight(self) -> float:
        return 0.0

    @property
    def initial_balance(self) -> float | None:
        return None

    @abstractmethod
    def discriminator_loss(self, real: Tensor, fake: Tensor, balance: float | None = None) -> Tensor:
        """Scores of real and generated samples, of any two shapes, to a scalar."""

    @abstractmethod
    def generator_loss(self, fake: Tensor) -> Tensor:
        """Scores of generated samples to a scalar, for generators that can be differentiated through."""

    @abstractmethod
    def reward(self, fake: Tensor) -> Tensor:
        """The reward of each score for a policy; higher is better, same shape."""

    def gradient_ratio(self, fake: Tensor) -> Tensor | None:
        """(dL_G / ds) / (dL_D / ds) at each score of a generated sample (Shen et al. 2021, section 3.2).

        If each score depends on one sample only, multiplying the gradient of the discriminator's loss at that sample by
        it gives the generator's. None if the discriminator's loss is flat at some scores, and so has no gradient there.
        """
        return None

    def next_balance(self, balance: float | None, real: Tensor, fake: Tensor) -> float | None:
        """The balance of the next discriminator loss, from the scores of this one."""
        return balance


@dataclass(frozen=True)
class GAN(Objective):
    """Non-saturating GAN (Goodfellow et al. 2014, eq. 1 and end of section 3); reward of Yu et al. 2017, eq. 4."""

    kind = "logit"

    def discriminator_loss(self, real: Tensor, fake: Tensor, balance: float | None = None) -> Tensor:
        """L_D = -E[log D(x)] - E[log(1 - D(g))]."""
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """L_G = -E[log D(g)]."""
        return F.softplus(-fake).mean()

    def reward(self, fake: Tensor) -> Tensor:
        """D(g), between 0 and 1."""
        return torch.sigmoid(fake)

    def gradient_ratio(self, fake: Tensor) -> Tensor | None:
        """-(1 - D(g)) / D(g)."""
        return -torch.exp(-fake.clamp(min=-LEAST_LOGIT))


@dataclass(frozen=True)
class SaturatingGAN(GAN):
    """The minimax GAN (Goodfellow et al. 2014, eq. 1); its reward is GAIL's (Ho & Ermon 2016, eq. 16).

    In GAIL D is 1 for the generator's samples, so that its cost log D is our log(1 - D).
    """

    def generator_loss(self, fake: Tensor) -> Tensor:
        """L_G = E[log(1 - D(g))]."""
        return -F.softplus(fake).mean()

    def reward(self, fake: Tensor) -> Tensor:
        """-log(1 - D(g)), never negative."""
        return F.softplus(fake)

    def gradient_ratio(self, fake: Tensor) -> Tensor | None:
        """-1."""
        return -torch.ones_like(fake)


@dataclass(frozen=True)
class LSGAN(Objective):
    """Least squares (Mao et al. 2017, eq. 2, with the targets of eq. 9).

    Attributes:
        fake_target: a, the score that the discriminator should give to generated samples.
        real_target: b, the score that it should give to real ones.
        wanted: c, the score that the generator wants.
    """

    kind = "critic"
    fake_target: float = 0.0
    real_target: float = 1.0
    wanted: float = 1.0

    def discriminator_loss(self, real: Tensor, fake: Tensor, balance: float | None = None) -> Tensor:
        """L_D = E[(s(x) - b)^2] / 2 + E[(s(g) - a)^2] / 2."""
        return ((real - self.real_target).square().mean() + (fake - self.fake_target).square().mean()) / 2

    def generator_loss(self, fake: Tensor) -> Tensor:
        """L_G = E[(s(g) - c)^2] / 2."""
        return (fake - self.wanted).square().mean() / 2

    def reward(self, fake: Tensor) -> Tensor:
        """-(s(g) - c)^2 / 2, never positive."""
        return -(fake - self.wanted).square() / 2

    def gradient_ratio(self, fake: Tensor) -> Tensor | None:
        """(s(g) - c) / (s(g) - a); 0 where s(g) = a."""
        wanted = fake - self.fake_target
        return torch.where(wanted == 0, 0.0, (fake - self.wanted) / wanted)


@dataclass(frozen=True)
class WassersteinObjective(Objective):
    """A critic's difference of means, the earth mover's distance if it is 1-Lipschitz (Arjovsky et al. 2017, eq. 3)."""

    kind = "critic"

    def discriminator_loss(self, real: Tensor, fake: Tensor, balance: float | None = None) -> Tensor:
        """L_D = E[s(g)] - E[s(x)], minus the estimated distance."""
        return fake.mean() - real.mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """L_G = -E[s(g)]."""
        return -fake.mean()

    def reward(self, fake: Tensor) -> Tensor:
        """s(g)."""
        return fake

    def gradient_ratio(self, fake: Tensor) -> Tensor | None:
        """-1."""
        return -torch.ones_like(fake)


@dataclass(frozen=True)
class WGAN(WassersteinObjective):
    """Kept Lipschitz by bounded weights (Arjovsky et al. 2017, algorithm 1).

    Attributes:
        clip: c; the smaller, the flatter the critic and the weaker its gradients.
    """

    clip: float = 0.01

    @property
    def weight_clip(self) -> float | None:
        return self.clip


@dataclass(frozen=True)
class WGANGP(WassersteinObjective):
    """Kept Lipschitz by a penalty on its gradient (Gulrajani et al. 2017, eq. 3; add ``gradient_penalty``).

    Attributes:
        penalty: lambda, the penalty's weight.
    """

    penalty: float = 10.0

    @property
    def penalty_weight(self) -> float:
        return self.penalty


@dataclass(frozen=True)
class EBGAN(Objective):
    """Energy-based GAN (Zhao et al. 2017, eqs. 1 and 2).

    Attributes:
        margin: m; generated samples above this energy add nothing to the loss. It sets the scale of the energies; the
            paper tunes it for each data set (10 to 80 for images).
    """

    kind = "energy"
    margin: float = 10.0

    def discriminator_loss(self, real: Tensor, fake: Tensor, balance: float | None = None) -> Tensor:
        """L_D = E[e(x)] + E[max(0, m - e(g))]."""
        return real.mean() + F.relu(self.margin - fake).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """L_G = E[e(g)]."""
        return fake.mean()

    def reward(self, fake: Tensor) -> Tensor:
        """-e(g)."""
        return -fake


@dataclass(frozen=True)
class BEGAN(Objective):
    """Boundary-equilibrium GAN (Berthelot et al. 2017, section 3.4). Its balance is k, in [0, 1], and begins at 0.

    Attributes:
        gamma: Wanted ratio E[e(g)] / E[e(x)]; the larger, the more diverse the samples.
        lambda_k: Step size of the updates of k.
    """

    kind = "energy"
    gamma: float = 0.5
    lambda_k: float = 0.001

    @property
    def initial_balance(self) -> float | None:
        return 0.0

    def discriminator_loss(self, real: Tensor, fake: Tensor, balance: float | None = None) -> Tensor:
        """L_D = E[e(x)] - k_t E[e(g)]."""
        return real.mean() - _given(balance) * fake.mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """L_G = E[e(g)]."""
        return fake.mean()

    def reward(self, fake: Tensor) -> Tensor:
        """-e(g)."""
        return -fake

    def convergence(self, real: Tensor, fake: Tensor) -> Tensor:
        """M = E[e(x)] + |gamma E[e(x)] - E[e(g)]|: it falls as training converges (section 3.4.1)."""
        return real.mean() + (self.gamma * real.mean() - fake.mean()).abs()

    def next_balance(self, balance: float | None, real: Tensor, fake: Tensor) -> float | None:
        """k_{t+1} = k_t + lambda_k (gamma E[e(x)] - E[e(g)]), kept in [0, 1]."""
        step = self.lambda_k * (self.gamma * real.mean() - fake.mean())
        return min(max(_given(balance) + float(step), 0.0), 1.0)


def _given(balance: float | None) -> float:
    if balance is None:
        raise ValueError("began needs its balance: begin with initial_balance, go on with next_balance(...)")
    return balance
