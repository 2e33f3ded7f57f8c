"""The encoding methods of both autoencoders: samples to codes, codes to samples, and reconstruction."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lhy_rl.agents.generative.sample_data import SampleData, checked
from lhy_rl.agents.generative.sample_figures import PICTURES, compared, held_out
from lhy_rl.core.errors import UserError
from lhy_rl.core.report_figures import ReportFigure
from lhy_rl.core.trees import leaves, map_tree, native
from lhy_rl.nn.generative.conditions import is_nothing
from lhy_rl.nn.generative.generator_policy import GeneratorPolicy
from lhy_rl.nn.generative.sample_encoder import SampleEncoder


class SampleCodes:
    """A mixin for :class:`~lhy_rl.agents.generative.sample_learner.SampleLearner`.

    Attributes:
        encoder: The encoder; :meth:`code_means` takes the code from its outputs.
    """

    policy: GeneratorPolicy
    encoder: SampleEncoder
    device: torch.device
    env: Any
    split: Any
    predict: Any

    @abstractmethod
    def code_means(self, samples: Tensor, conditions: Any) -> Tensor:
        """(N, *shape) samples in the networks' format, and conditions, to codes (N, Z)."""

    def decode_tensor(self, codes: Tensor, conditions: Any) -> Tensor:
        """Codes (N, Z) and conditions to samples (N, *shape) in the networks' format."""
        samples: Tensor = self.policy.actor.generator(self.decoder_input(codes, conditions))
        return samples

    def decoder_input(self, codes: Tensor, conditions: Any) -> Tensor:
        """Codes (N, Z) and encoded conditions, concatenated."""
        h = self.policy.trunk.encoder(conditions)
        return torch.cat([codes, h], 1) if h.shape[1] else codes

    @torch.no_grad()
    def encode(self, samples: np.ndarray, conditions: Any = None) -> np.ndarray:
        """Samples (N, ...), in the task's format, to codes (N, Z).

        Args:
            conditions: (N, ...) the samples' conditions; left out if the task has none.

        Raises:
            UserError: samples or conditions have other spaces, or their numbers differ.
        """
        space = self.policy.actor.samples
        stored = torch.as_tensor(native(checked(samples, space.box, "samples")), device=self.device)
        codes = self.code_means(space.to_network(stored), self._conditions(conditions, len(samples)))
        return codes.cpu().numpy()

    @torch.no_grad()
    def decode(self, codes: np.ndarray, conditions: Any = None) -> np.ndarray:
        """Codes (N, Z) to samples (N, ...) in the task's format.

        Raises:
            UserError: codes have another shape, conditions another space, or their numbers differ.
        """
        size, shape = self.policy.actor.noise_size, np.shape(codes)
        if len(shape) != 2 or shape[1] != size:
            raise UserError(f"codes are of shape {shape}; allowed: (N, {size})")
        given = torch.as_tensor(native(codes), dtype=torch.float32, device=self.device)
        drawn = self.decode_tensor(given, self._conditions(conditions, len(codes)))
        return self.policy.actor.for_environment(self.policy.actor.samples.from_network(drawn))

    def reconstruct(self, samples: np.ndarray, conditions: Any = None) -> np.ndarray:
        """Samples (N, ...) reconstructed from their codes."""
        return self.decode(self.encode(samples, conditions), conditions)

    def _conditions(self, given: Any, n: int) -> Any:
        space = self.env.single_observation_space
        if given is None and not is_nothing(space):
            raise UserError(f"each sample needs a condition, {space}; none were given")
        given = np.zeros(n, np.int64) if given is None else checked(given, space, "conditions")
        counts = {len(leaf) for leaf in leaves(given)}
        if counts != {n}:
            raise UserError(
                f"{n} samples or codes and {', '.join(map(str, counts))} conditions are given; allowed: one for each"
            )
        return map_tree(lambda x: torch.as_tensor(native(x), device=self.device), given)

    def sample_figures(self, test: SampleData) -> list[ReportFigure]:
        """Held-out samples, their reconstructions, and new ones."""
        real, conditions = held_out(test, PICTURES)
        again = self.reconstruct(real, conditions)
        drawn = self.predict(conditions, deterministic=True)[0]
        return compared(self.policy.actor.samples, {"real": real, "drawn again": again, "generated": drawn})
