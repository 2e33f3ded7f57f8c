"""Actor heads: from features to actions of a space, and how probable actions are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn


class ActionEvaluation(NamedTuple):
    """The log-probabilities (N,) of N actions and the entropies (N,) of the distributions that they are from."""

    log_prob: Tensor
    entropy: Tensor


def in_space(actions: np.ndarray, space: gym.Space[Any]) -> np.ndarray:
    """Actions as an environment takes them: in the space's own type, and inside its bounds in that type.

    Of a box of whole numbers, bytes of a picture say, they are the nearest ones.
    """
    if isinstance(space, gym.spaces.Box) and space.dtype.kind in "iu":
        actions = np.clip(np.rint(actions), space.low, space.high)
    array = actions.astype(space.dtype, copy=False)
    return np.clip(array, space.low, space.high) if isinstance(space, gym.spaces.Box) else array


def mask_logits(logits: Tensor, action_mask: Tensor | None) -> Tensor:
    """The logits, with -inf for the actions that are not legal."""
    return logits if action_mask is None else logits.masked_fill(~action_mask, -torch.inf)


class Head(nn.Module, ABC):
    """The contract of heads. Features are (N, H), actions (N, ...) as the environment's space has them."""

    output: nn.Linear
    """The last layer, which a policy may initialise."""
    space: gym.Space[Any]
    """Of the actions, where :func:`head_for` made the head."""

    @property
    def num_logits(self) -> int:
        """A: how many numbers decide a draw."""
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
            top_k: Draw among the k most probable only.
            action_mask: (N, A) bool: other actions have probability 0.
        """

    def noise(self, rows: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
        """What decides draws, (*rows, A): Gumbel's numbers; many at once, for :meth:`draw`."""
        owner = device if generator is None else generator.device
        numbers = torch.empty(*rows, self.num_logits, device=owner)
        return numbers.exponential_(generator=generator).log_().neg_().to(device)

    def draw(self, h: Tensor, noise: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """Draw an action for each row, with the randomness given: (N, H) and (N, A) to (N, ...)."""
        return self.draw_from(self.distribution(h, action_mask), noise)

    def distribution(self, h: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """What each row's distribution is, in numbers, (N, P): logits, or means and then logs of deviations."""
        raise NotImplementedError(f"{type(self).__name__} has no distribution in numbers")

    def draw_from(self, distribution: Tensor, noise: Tensor) -> Tensor:
        """Draw an action of each of these distributions; where the noise is 0, the most probable one."""
        raise NotImplementedError(f"{type(self).__name__} has no distribution in numbers")

    def kl(self, h: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        """T^2 KL(teacher || this) at a temperature T (:mod:`lhy_rl.functional.distillation`), (N,).

        Args:
            teacher: (N, P) another head's :meth:`distribution`; what is -inf there is not legal.
        """
        raise NotImplementedError(f"{type(self).__name__} has no divergence")

    @abstractmethod
    def evaluate(self, h: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> ActionEvaluation:
        """Log-probabilities of actions and the entropies, with gradient."""

    @abstractmethod
    def log_prob(
        self, h: Tensor, actions: Tensor, temperature: float = 1.0, action_mask: Tensor | None = None
    ) -> Tensor:
        """Log-probabilities of actions, (N,)."""

    def for_environment(self, actions: Tensor) -> np.ndarray:
        """What an environment is given: :func:`in_space`."""
        return in_space(actions.detach().cpu().numpy(), self.space)
