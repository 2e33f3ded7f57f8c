"""An autoencoder (Hinton and Salakhutdinov 2006): samples are encoded in a few numbers and decoded from them.

    L = E|x - Dec(Enc(x), c)|^2

With ``network: linear`` it learns the subspace of the principal components (Baldi and Hornik 1989). New samples are
decoded from a normal distribution with the mean and the covariance of the codes of real ones.

Use it for features of pictures (``encode``), or as a baseline for ``vae``, whose codes are trained to be sampled.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
import torch.nn.functional as F
from torch import Tensor

from lhy_rl.agents.common.agent import Metrics
from lhy_rl.agents.generative.sample_codes import SampleCodes
from lhy_rl.agents.generative.sample_data import SampleData
from lhy_rl.agents.generative.sample_learner import SampleLearner, adam, set_gradients
from lhy_rl.core.validation import positive
from lhy_rl.nn.generative.generator_policy import GeneratorPolicy
from lhy_rl.nn.generative.sample_encoder import SampleEncoder
from lhy_rl.rollouts.vector_envs import Environment

BETAS = (0.9, 0.999)  # of Adam
NUM_FITTED = 2000  # samples; the distribution of new codes is fitted to their codes


class Autoencoder(SampleCodes, SampleLearner):
    """An encoder, and a decoder that is the policy. A timestep is a sample that is learned from.

    Args:
        env: A task of one step that has samples: ``lhy_rl/Digits-v0``.
        learning_rate: Adam's.
        **shared: Options of the networks, and of every agent that learns from samples.

    Logs ``train/reconstruction_error`` and ``train/reconstruction_error_held_out``.
    """

    curves = {
        "train/reconstruction_error": "squared error, training",
        "train/reconstruction_error_held_out": "squared error, held out",
    }
    policy: GeneratorPolicy

    def __init__(self, env: Environment, *, learning_rate: float = 1e-3, **shared: Any) -> None:
        positive(learning_rate=learning_rate)
        super().__init__(env, **shared)
        with self.randomness():
            self.encoder = SampleEncoder(
                self.env.single_observation_space, self.policy.actor.samples, self.networks, self.networks.code_size
            ).to(self.device)
        networks = torch.nn.ModuleList([self.encoder, self.policy])
        self.optimizer = self.add_optimizer("optimizer", adam(networks, learning_rate, BETAS))
        self.trained = networks

    def make_policy(self, observation_space: gym.Space[Any], **policy: Any) -> GeneratorPolicy:
        return GeneratorPolicy(observation_space, self.env.single_action_space, self.networks, fitted_prior=True)

    def train_step(self, data: SampleData) -> dict[str, Tensor]:
        x, c = data.rows(self.draw_rows())
        loss = F.mse_loss(self.decode_tensor(self.encoder(x, c), c), x)
        set_gradients(self.optimizer, loss)
        self.optimizer.step()
        return {"reconstruction_error": loss.detach()}

    def update(self) -> Metrics:
        metrics = super().update()
        assert self.data is not None and self.policy.actor.prior is not None
        with torch.no_grad():
            self.policy.actor.prior.fit(self.encoder(*self.data.rows(slice(NUM_FITTED))))
            if self.held_out is not None:
                x, c = self.held_out.rows(slice(NUM_FITTED))
                error = F.mse_loss(self.decode_tensor(self.encoder(x, c), c), x)
                metrics["train/reconstruction_error_held_out"] = float(error)
        return metrics

    def code_means(self, samples: Tensor, conditions: Any) -> Tensor:
        codes: Tensor = self.encoder(samples, conditions)
        return codes

    # ------------------------------------------------------------------ saving, loading
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "encoder": self.encoder.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.encoder.load_state_dict(state["encoder"])
