"""The encoder of an autoencoder: a sample and its condition to the code that the sample is reconstructed from."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from torch import Tensor, nn

from lhy_rl.nn.generative.conditions import ConditionEncoder
from lhy_rl.nn.generative.sample_networks import SampleNetworkOptions
from lhy_rl.nn.generative.sample_space import SampleSpace


class SampleEncoder(nn.Module):
    """Samples (N, *shape) and conditions to numbers (N, K).

    Args:
        observation_space: Space of the conditions.
        samples: The space of the samples.
        options: Options of the networks.
        output_size: K.
    """

    def __init__(
        self, observation_space: gym.Space[Any], samples: SampleSpace, options: SampleNetworkOptions, output_size: int
    ) -> None:
        super().__init__()
        self.conditions = ConditionEncoder(observation_space, samples, options.condition_size)
        self.reader = options.networks_for(samples).reader(output_size, self.conditions.output_size)
        self.output_size = output_size

    def forward(self, samples: Tensor, conditions: Any) -> Tensor:
        numbers: Tensor = self.reader(samples, self.conditions(conditions))
        return numbers
