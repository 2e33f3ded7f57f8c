"""Actor heads: distributions over actions, given features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn


class ActionEvaluation(NamedTuple):
    """The log-probabilities (N,) of N actions and the entropies (N,) of their distributions."""

    log_prob: Tensor
    entropy: Tensor


def in_space(actions: np.ndarray, space: gym.Space[Any]) -> np.ndarray:
    """Actions as an environment takes them: in the space's dtype, clipped to its bounds.

    In a Box of integers, such as the bytes of a picture, they are rounded to the nearest ones.
    """
    if isinstance(space, gym.spaces.Box) and space.dtype.kind in "iu":
        actions = np.clip(np.rint(actions), space.low, space.high)
    array = actions.astype(space.dtype, copy=False)
    return np.clip(array, space.low, space.high) if isinstance(space, gym.spaces.Box) else array


def mask_logits(logits: Tensor, action_mask: Tensor | None) -> Tensor:
    """The logits, with -inf for the actions that are not legal."""
    return logits if action_mask is None else logits.masked_fill(~action_mask, -torch.inf)


class Head(nn.Module, ABC):
    """Base class of actor heads. Features are (N, H), actions (N, ...) as in the environment's space."""

    output: nn.Linear
    """The last layer, which a policy may initialise."""
    space: gym.Space[Any]
    """The action space; set by :func:`~lhy_rl.nn.heads.select.head_for`."""

    @property
    def num_logits(self) -> int:
        """A, the number of random numbers that a draw takes."""
        return self.output.out_features

    @abstractmethod
    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        action_mask: Tensor | None = None,
    ) -> Tensor:
        """Draw an action for each row; temperature 0 takes the most probable one.

        Args:
            top_k: Draw among the k most probable actions only.
            action_mask: (N, A) bool, the legal actions; others have probability 0.
        """

    def noise(self, rows: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Random numbers (*rows, A) for later calls of :meth:`draw`: Gumbel noise."""
        owner = device if generator is None else generator.device
        numbers = torch.empty(*rows, self.num_logits, device=owner)
        return numbers.exponential_(generator=generator).log_().neg_().to(device)

    def draw(self, h: Tensor, noise: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """Draw an action for each row with given noise: (N, H) and (N, A) to (N, ...)."""
        return self.draw_from(self.distribution(h, action_mask), noise)

    def distribution(self, h: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """Parameters of each row's distribution, (N, P): logits, or means followed by log standard deviations."""
        raise NotImplementedError(f"{type(self).__name__} does not give its distribution as a tensor")

    def draw_from(self, distribution: Tensor, noise: Tensor) -> Tensor:
        """Draw an action from each distribution with given noise; noise 0 gives the most probable one."""
        raise NotImplementedError(f"{type(self).__name__} does not give its distribution as a tensor")

    def kl(self, h: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """T^2 KL(teacher || this) at a temperature T (:mod:`lhy_rl.functional.distillation`), (N,).

        Args:
            teacher: (N, P) another head's :meth:`distribution`; logits of -inf mark actions that are not legal.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define a KL divergence")

    @abstractmethod
    def evaluate(self, h: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> ActionEvaluation:
        """Log-probabilities of actions and the entropies, differentiable."""

    @abstractmethod
    def log_prob(
        self, h: Tensor, actions: Tensor, temperature: float = 1.0, action_mask: Tensor | None = None
    ) -> Tensor:
        """Log-probabilities of actions, (N,)."""

    def for_environment(self, actions: Tensor) -> np.ndarray:
        """The actions as the environment takes them (:func:`in_space`)."""
        return in_space(actions.detach().cpu().numpy(), self.space)
