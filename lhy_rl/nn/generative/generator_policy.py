"""A generator as a policy: the observation is a sample's condition, and the action is the sample."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from gymnasium.spaces import Discrete
from torch import Tensor, nn

from lhy_rl.core.trees import leaves, map_tree
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.generative.conditions import ConditionEncoder
from lhy_rl.nn.generative.sample_networks import SampleNetworkOptions
from lhy_rl.nn.generative.sample_space import SampleSpace
from lhy_rl.nn.heads.base import ActionEvaluation, Head
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.nn.randomness import OwnRandomness

NUM_FIXED = 1024  # noise vectors that a deterministic generator cycles through
SEED_OF_FIXED = 0


class MemorylessTrunk(nn.Module):
    """A network from observations (N, ...) to features (N, F), as a policy's trunk.

    Args:
        network: The network; it has an ``output_size``.
        space: Space of the observations.
    """

    def __init__(self, network: nn.Module, space: gym.Space[Any]) -> None:
        super().__init__()
        self.encoder, self.space = network, space
        self.output_size = int(network.output_size)  # type: ignore[arg-type]

    def initial_state(self, batch_size: int) -> State:
        """Nothing."""
        return ()

    def forward(self, obs: Any, state: State, start: Tensor | None) -> tuple[Tensor, State]:
        """(T, B, ...) to (T, B, F)."""
        t, b = leaves(obs)[0].shape[:2]
        features: Tensor = self.encoder(map_tree(lambda x: x.flatten(0, 1), obs))
        return features.view(t, b, self.output_size), ()


class Prior(nn.Module):
    """The distribution of codes: a normal one, standard until :meth:`fit` is called."""

    mean: Tensor
    scale: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.eye(size))

    def forward(self, noise: Tensor) -> Tensor:
        """(N, Z) standard normal numbers to codes."""
        return self.mean + noise @ self.scale.T

    @torch.no_grad()
    def fit(self, codes: Tensor) -> None:
        """Set mean and covariance to those of codes (N, Z)."""
        self.mean.copy_(codes.mean(0))
        covariance = (codes - self.mean).T @ (codes - self.mean) / max(len(codes) - 1, 1)
        values, vectors = torch.linalg.eigh(covariance)
        self.scale.copy_(vectors * values.clamp_min(0).sqrt())


class GeneratorHead(Head):
    """A generator network as a policy's head: it makes samples from features and noise.

    Samples have no probability; such a policy is trained by the gradient through the sample. With deterministic
    actions, each row has the same noise at every call.

    Args:
        space: The space of the samples.
        generator: Network from (N, noise_size + F) to (N, *shape).
        noise_size: Z; 0 for a generator without noise.
        prior: Maps noise to codes; None uses the noise itself.
    """

    fixed: Tensor

    def __init__(self, space: SampleSpace, generator: nn.Module, noise_size: int, prior: Prior | None = None) -> None:
        super().__init__()
        self.samples, self.space = space, space.box
        self.generator, self.noise_size, self.prior = generator, noise_size, prior
        fixed = torch.randn(NUM_FIXED, noise_size, generator=torch.Generator().manual_seed(SEED_OF_FIXED))
        self.register_buffer("fixed", fixed, persistent=False)

    @property
    def output(self) -> nn.Linear:  # type: ignore[override]
        """A linear layer of the generator."""
        return next(layer for layer in self.generator.modules() if isinstance(layer, nn.Linear))

    @property
    def num_logits(self) -> int:
        return self.noise_size

    def noise(self, rows: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
        owner = device if generator is None else generator.device
        return torch.randn(*rows, self.noise_size, generator=generator, device=owner).to(device)

    def write(self, h: Tensor, noise: Tensor) -> Tensor:
        """Features (N, F) and noise (N, Z) to samples in the networks' scale, (N, *shape)."""
        code = noise if self.prior is None else self.prior(noise)
        samples: Tensor = self.generator(torch.cat([code, h], 1) if h.shape[1] else code)
        return samples

    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        action_mask: Tensor | None = None,
    ) -> Tensor:
        if temperature == 0 or not self.noise_size:
            noise = self.fixed[torch.arange(len(h), device=h.device) % NUM_FIXED]
        else:
            noise = temperature * self.noise((len(h),), generator, h.device)
        return self.samples.from_network(self.write(h, noise))

    def draw(self, h: Tensor, noise: Tensor, action_mask: Tensor | None = None) -> Tensor:
        return self.samples.from_network(self.write(h, noise))

    def evaluate(self, h: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> ActionEvaluation:
        raise NotImplementedError("the probability of a generator's sample is unknown")

    def log_prob(
        self, h: Tensor, actions: Tensor, temperature: float = 1.0, action_mask: Tensor | None = None
    ) -> Tensor:
        raise NotImplementedError("the probability of a generator's sample is unknown")


class SamplePolicy(ActorCritic):
    """A trunk that reads a sample's condition, and a head that generates the sample.

    Args:
        observation_space: Space of the conditions.
        trunk, head: The two networks.
    """

    trunk: nn.Module  # type: ignore[assignment]
    actor: GeneratorHead

    def __init__(self, observation_space: gym.Space[Any], trunk: nn.Module, head: GeneratorHead) -> None:
        with OwnRandomness(0):  # the networks made here are replaced below
            super().__init__(Discrete(1), Discrete(2), embedding_size=1, core=None, critic="none")
        self.observation_space, self.trunk, self.actor, self.recurrent = observation_space, trunk, head, False

    @property
    def device(self) -> torch.device:
        return self.actor.fixed.device


class GeneratorPolicy(SamplePolicy):
    """A generator that reads noise and, if there is one, a condition.

    Args:
        observation_space: Space of the conditions; ``Discrete(1)`` without conditions.
        action_space: Space of the samples.
        options: Options of the networks.
        fitted_prior: Whether codes are drawn from a fitted distribution instead of the standard normal one.
        bounded: Whether the generator ends in a tanh, and has a method ``before_tanh``.

    Raises:
        UserError: The action space is no space of samples, or no encoder reads the conditions.
    """

    trunk: MemorylessTrunk

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        options: SampleNetworkOptions,
        fitted_prior: bool = False,
        bounded: bool = False,
    ) -> None:
        samples = SampleSpace(action_space)
        conditions = ConditionEncoder(observation_space, samples, options.condition_size)
        networks, z = options.networks_for(samples), options.code_size
        writer = networks.writer(z + conditions.output_size, bounded)
        if conditions.picture is not None:
            writer = networks.translator(z, bounded)
        head = GeneratorHead(samples, writer, z, Prior(z) if fitted_prior else None)
        super().__init__(observation_space, MemorylessTrunk(conditions, observation_space), head)
