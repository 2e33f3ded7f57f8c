"""A variational autoencoder (Kingma and Welling 2014): codes are random, and trained to follow a known distribution.

    L = -E_q[log p(x | z, c)] + beta KL(q(z | x, c) || N(0, I))          (their eq. 3; beta: Higgins et al. 2017, eq. 4)

with q(z | x, c) = N(m(x, c), s(x, c)^2). With beta = 1, -L is a lower bound of log p(x | c), in nats per sample. A new
sample is decoded from z ~ N(0, I). With ``network: linear`` the bound reaches the likelihood of probabilistic PCA
(Lucas et al. 2019).

Use it where samples must cover all modes, or where codes are used as features: they are a little blurred, where a
``gan``'s would be sharp.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.generative.sample_codes import SampleCodes
from lhy_rl.agents.generative.sample_data import SampleData
from lhy_rl.agents.generative.sample_learner import SampleLearner, adam, set_gradients
from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.variational import bernoulli_log_likelihood, gaussian_log_likelihood, normal_kl
from lhy_rl.nn.generative.generator_policy import GeneratorPolicy
from lhy_rl.nn.generative.sample_encoder import SampleEncoder
from lhy_rl.rollouts.vector_envs import Environment

BETAS = (0.9, 0.999)  # of Adam
LIKELIHOODS = ("gaussian", "bernoulli")
MOST_LOG_VARIANCE = 10.0
FIRST_STD = 0.5  # of a Gaussian likelihood
NUM_HELD_OUT = 500  # held-out samples on which the bound is computed


class VAE(SampleCodes, SampleLearner):
    """An encoder, and a decoder that is the policy. A timestep is a sample that is learned from.

    Args:
        env: A task of one step that has samples: ``lhy_rl/Digits-v0``.
        likelihood: ``bernoulli``, for pictures: a pixel is the share of white, from one bound to the other; or
            ``gaussian``, with one learned standard deviation for all entries.
        beta: Weight of the codes' KL divergence from N(0, I). Raise it where new samples look unreal, lower it where
            all look alike.
        learning_rate: Adam's.
        **shared: Options of the networks, and of every agent that learns from samples.

    Logs ``train/elbo`` and ``train/elbo_held_out`` (with beta = 1, whatever it is in the loss), ``train/code_kl``,
    ``train/log_likelihood``; ``train/likelihood_std`` of a Gaussian one.
    """

    curves = {"train/elbo": "bound, training", "train/elbo_held_out": "bound, held out"}
    policy: GeneratorPolicy

    changeable = (*SampleLearner.changeable, "beta")

    def __init__(
        self,
        env: Environment,
        *,
        likelihood: str = "bernoulli",
        beta: float = 1.0,
        learning_rate: float = 1e-3,
        **shared: Any,
    ) -> None:
        positive(learning_rate=learning_rate)
        check(beta=(beta, 0))
        if likelihood not in LIKELIHOODS:
            raise suggest(likelihood, LIKELIHOODS, "likelihood")
        self.likelihood, self.beta = likelihood, beta
        super().__init__(env, **shared)
        if likelihood == "bernoulli" and not self.policy.actor.samples.is_picture:
            raise UserError("likelihood 'bernoulli' is only for images; allowed: gaussian")
        with self.randomness():
            self.encoder = SampleEncoder(
                self.env.single_observation_space, self.policy.actor.samples, self.networks, 2 * self.networks.code_size
            ).to(self.device)
        self.log_std = nn.Parameter(torch.tensor(math.log(FIRST_STD), device=self.device))
        self.trained = nn.ModuleList([self.encoder, self.policy])
        if likelihood == "gaussian":
            self.trained.register_parameter("log_std", self.log_std)
        self.optimizer = self.add_optimizer("optimizer", adam(self.trained, learning_rate, BETAS))

    def make_policy(self, observation_space: gym.Space[Any], **policy: Any) -> GeneratorPolicy:
        bounded = self.likelihood == "bernoulli"
        return GeneratorPolicy(observation_space, self.env.single_action_space, self.networks, bounded=bounded)

    # ------------------------------------------------------------------ learning
    def train_step(self, data: SampleData) -> dict[str, Tensor]:
        x, c = data.rows(self.draw_rows())
        log_likelihood, kl = (part.mean() for part in self.bound(x, c, self.generator))
        set_gradients(self.optimizer, self.beta * kl - log_likelihood)
        self.optimizer.step()
        found = {"elbo": log_likelihood - kl, "log_likelihood": log_likelihood, "code_kl": kl}
        if self.likelihood == "gaussian":
            found["likelihood_std"] = self.log_std.exp()
        return {name: value.detach() for name, value in found.items()}

    def bound(self, x: Tensor, c: Any, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """log p(x | z, c) of a sampled z, and the codes' KL, (N,) nats each; the bound is their difference."""
        mean, log_variance = self.code_distribution(x, c)
        noise = self.policy.actor.noise((len(x),), generator, self.device)
        code, decoder = self.decoder_input(mean + (0.5 * log_variance).exp() * noise, c), self.policy.actor.generator
        if self.likelihood == "gaussian":
            log_likelihood = gaussian_log_likelihood(x, decoder(code), self.log_std)
        else:  # (1 + tanh h) / 2 = sigmoid(2 h)
            log_likelihood = bernoulli_log_likelihood((x + 1) / 2, 2 * decoder.before_tanh(code))  # type: ignore[operator]
        return log_likelihood, normal_kl(mean, log_variance)

    def code_distribution(self, x: Tensor, c: Any) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of q(z | x, c), (N, Z) each."""
        mean, log_variance = self.encoder(x, c).chunk(2, 1)
        return mean, log_variance.clamp(-MOST_LOG_VARIANCE, MOST_LOG_VARIANCE)

    def code_means(self, samples: Tensor, conditions: Any) -> Tensor:
        return self.code_distribution(samples, conditions)[0]

    @torch.no_grad()
    def elbo(self, data: SampleData, n: int, draws: int = 1) -> float:
        """The mean bound of the first n samples of some data, in nats per sample; deterministic."""
        x, c = data.rows(slice(n))
        generator = torch.Generator().manual_seed(0)
        parts = [torch.sub(*self.bound(x, c, generator)).mean() for _ in range(draws)]
        return float(torch.stack(parts).mean())

    def update(self) -> Metrics:
        metrics = super().update()
        if self.held_out is not None:
            metrics["train/elbo_held_out"] = self.elbo(self.held_out, NUM_HELD_OUT)
        return metrics

    # ------------------------------------------------------------------ saving, loading
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "encoder": self.encoder.state_dict(), "log_std": self.log_std.detach()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.encoder.load_state_dict(state["encoder"])
        with torch.no_grad():
            self.log_std.copy_(state["log_std"])
