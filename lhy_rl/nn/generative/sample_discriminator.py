"""Discriminators of samples, optionally conditional: their output is a score, or the energy of an autoencoder."""

from __future__ import annotations

from typing import Any, Literal

import gymnasium as gym
from torch import Tensor, nn

from lhy_rl.nn.generative.conditions import ConditionEncoder
from lhy_rl.nn.generative.sample_networks import SampleNetworkOptions
from lhy_rl.nn.generative.sample_space import SampleSpace


class SampleDiscriminator(nn.Module):
    """Samples (N, *shape) and conditions to scores (N,).

    With kind ``energy`` it is an autoencoder, and the score is its error |x - Dec(Enc(x))|, the mean over the
    numbers of a sample (Berthelot et al. 2017, section 3.1; Zhao et al. 2017, section 2.3); else a network's output.

    Args:
        observation_space: Space of the conditions.
        samples: The space of the samples.
        options: Options of the networks.
        kind: The kind of score that the objective needs.
        code_size: Code size of the autoencoder; None takes the options'.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        samples: SampleSpace,
        options: SampleNetworkOptions,
        kind: Literal["logit", "critic", "energy"],
        code_size: int | None = None,
    ) -> None:
        super().__init__()
        self.conditions = ConditionEncoder(observation_space, samples, options.condition_size)
        networks, energy = options.networks_for(samples), kind == "energy"
        size = options.code_size if code_size is None else code_size
        self.reader = networks.reader(size if energy else 1, self.conditions.output_size)
        self.decoder = networks.writer(size) if energy else None

    def forward(self, samples: Tensor, conditions: Any) -> Tensor:
        return self.score(samples, conditions)[0]

    def score(self, samples: Tensor, conditions: Any) -> tuple[Tensor, Tensor]:
        """Scores (N,), and the reader's outputs (N, K); with energies these are the codes."""
        read: Tensor = self.reader(samples, self.conditions(conditions))
        if self.decoder is None:
            return read[:, 0], read
        return (samples - self.decoder(read)).abs().flatten(1).mean(1), read
