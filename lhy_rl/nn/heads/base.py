"""Actor heads: from features to actions of a space, and how probable actions are."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.functional.fused.categorical import linear_log_prob, log_prob_and_entropy
from lhy_rl.functional.sampling import sample_categorical
from lhy_rl.nn.acceleration.inventory import hooked

ROWS = 128  # rows sampled at a time: their logits stay in the cache
LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


class Said(NamedTuple):
    """Of N actions: their log-probabilities (N,), and the entropies (N,) of the distributions they are from."""

    log_prob: Tensor
    entropy: Tensor


def head_for(space: gym.Space[Any], input_size: int, log_std: float = 0.0) -> Head:
    """The head that fits an action space; ``log_std`` is that of a Gaussian at the beginning.

    Raises:
        UserError: none does.
    """
    head = _head_for(space, input_size, log_std)
    head.space = space
    return head


def _head_for(space: gym.Space[Any], input_size: int, log_std: float) -> Head:
    if isinstance(space, gym.spaces.Discrete):
        return CategoricalHead(input_size, int(space.n), int(space.start))
    if isinstance(space, gym.spaces.MultiDiscrete):
        return MultiCategoricalHead(input_size, space.nvec, space.start)
    if isinstance(space, gym.spaces.MultiBinary):
        return MultiCategoricalHead(input_size, np.full(space.shape, 2), np.zeros(space.shape, np.int64))
    if isinstance(space, gym.spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return GaussianHead(input_size, space, log_std)
    allowed = "Discrete, MultiDiscrete, MultiBinary, Box of floats"
    raise UserError(f"no actor head for actions of {space}; allowed spaces: {allowed}")


def in_space(actions: np.ndarray, space: gym.Space[Any]) -> np.ndarray:
    """Actions as an environment takes them: in the space's own type, and inside its bounds in that type."""
    array = actions.astype(space.dtype, copy=False)
    return np.clip(array, space.low, space.high) if isinstance(space, gym.spaces.Box) else array


def illegal_out(logits: Tensor, legal: Tensor | None) -> Tensor:
    """The logits, -inf where not legal."""
    return logits if legal is None else logits.masked_fill(~legal, -torch.inf)


class Head(nn.Module, ABC):
    """The contract of heads. Features are (N, H), actions (N, ...) as the environment's space has them."""

    output: nn.Linear
    """The last layer, which a policy may initialise."""
    space: gym.Space[Any]
    """Of the actions, where :func:`head_for` made the head."""

    @abstractmethod
    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        legal: Tensor | None = None,
    ) -> Tensor:
        """Draw an action for each row; temperature 0 takes the most probable one.

        Args:
            top_k: Draw among the k most probable only.
            legal: (N, A) bool: other actions have probability 0.
        """

    def noise(self, rows: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
        """What decides draws, (*rows, A): Gumbel's numbers; many at once, for :meth:`draw`."""
        owner = device if generator is None else generator.device
        numbers = torch.empty(*rows, self.output.out_features, device=owner)
        return numbers.exponential_(generator=generator).log_().neg_().to(device)

    @abstractmethod
    def draw(self, h: Tensor, noise: Tensor, legal: Tensor | None = None) -> Tensor:
        """Draw an action for each row, with the randomness given: (N, H) and (N, A) to (N, ...)."""

    @abstractmethod
    def evaluate(self, h: Tensor, actions: Tensor, legal: Tensor | None = None) -> Said:
        """Log-probabilities of actions and the entropies, with gradient."""

    @abstractmethod
    def log_prob(self, h: Tensor, actions: Tensor, temperature: float = 1.0, legal: Tensor | None = None) -> Tensor:
        """Log-probabilities of actions, (N,)."""

    def for_environment(self, actions: Tensor) -> np.ndarray:
        """What an environment is given: :func:`in_space`."""
        return in_space(actions.detach().cpu().numpy(), self.space)


class CategoricalHead(Head):
    """softmax(W h + b) over A actions, also for A in the thousands.

    Args:
        input_size: H, width of the features.
        num_actions: A.
        start: The first action's number.
    """

    def __init__(self, input_size: int, num_actions: int, start: int = 0) -> None:
        super().__init__()
        self.output = nn.Linear(input_size, num_actions)
        self.start = start
        self._memory: Tensor | None = None

    def logits(self, h: Tensor, legal: Tensor | None = None) -> Tensor:
        """(..., H) to (..., A); -inf where not legal."""
        return illegal_out(self.output(h), legal)

    @torch.no_grad()
    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        legal: Tensor | None = None,
    ) -> Tensor:
        if len(h) <= ROWS or hooked(self.output):
            return sample_categorical(self.logits(h, legal), generator, temperature, top_k) + self.start
        actions = torch.empty(len(h), dtype=torch.int64, device=h.device)
        logits, probabilities = self._scratch(h)
        for first in range(0, len(h), ROWS):
            part = h[first : first + ROWS]
            said = torch.addmm(self.output.bias, part, self.output.weight.T, out=logits[: len(part)])
            if legal is not None:
                said.masked_fill_(~legal[first : first + ROWS], -torch.inf)
            actions[first : first + ROWS] = sample_categorical(said, generator, temperature, top_k, probabilities)
        return actions + self.start

    def draw(self, h: Tensor, noise: Tensor, legal: Tensor | None = None) -> Tensor:
        return (self.logits(h, legal) + noise).argmax(-1) + self.start

    def _scratch(self, h: Tensor) -> Tensor:
        """(2, ROWS, A) to write to, kept: memory that the system hands out anew, page by page, costs more than
        what is computed in it."""
        memory = self._memory
        if memory is None or memory.dtype != h.dtype or memory.device != h.device:
            memory = self._memory = h.new_empty(2, ROWS, self.output.out_features)
        return memory

    def evaluate(self, h: Tensor, actions: Tensor, legal: Tensor | None = None) -> Said:
        return Said(*log_prob_and_entropy(self.logits(h, legal), actions.long() - self.start))

    def log_prob(self, h: Tensor, actions: Tensor, temperature: float = 1.0, legal: Tensor | None = None) -> Tensor:
        index = actions - self.start
        if legal is None and not hooked(self.output):
            return linear_log_prob(h, self.output.weight, self.output.bias, index, temperature)
        return self.log_probs(h, temperature, legal).gather(-1, index[..., None])[..., 0]

    def log_probs(self, h: Tensor, temperature: float = 1.0, legal: Tensor | None = None) -> Tensor:
        """Log-probabilities of all actions, (..., A)."""
        return torch.log_softmax(self.logits(h, legal) / temperature, -1)


class MultiCategoricalHead(Head):
    """K independent choices, each a softmax over its own number of actions.

    Args:
        nvec: Actions of each choice, any shape; ``legal`` is over all of them side by side, as ``nvec`` flattened.
        start: The first number of each, same shape.
    """

    choices: Tensor
    start: Tensor

    def __init__(self, input_size: int, nvec: np.ndarray, start: np.ndarray) -> None:
        super().__init__()
        self.shape = nvec.shape
        sizes = nvec.flatten().astype(np.int64)
        self.output = nn.Linear(input_size, int(sizes.sum()))
        self.register_buffer("start", torch.as_tensor(np.array(start).flatten(), dtype=torch.int64), persistent=False)
        # all choices at once: (K, widest) places in the logits, those beyond a choice's own point behind the end
        column = np.arange(sizes.max())
        places = np.where(column < sizes[:, None], (sizes.cumsum() - sizes)[:, None] + column, sizes.sum())
        self.register_buffer("choices", torch.as_tensor(places), persistent=False)

    def _choices(self, h: Tensor, temperature: float, legal: Tensor | None) -> Tensor:
        """(N, H) to logits (N, K, widest), -inf behind each choice's last."""
        logits = illegal_out(self.output(h) / temperature, legal)
        behind = logits.new_full((len(logits), 1), -torch.inf)
        return torch.cat([logits, behind], 1)[:, self.choices]

    @torch.no_grad()
    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        legal: Tensor | None = None,
    ) -> Tensor:
        logits = self._choices(h, temperature or 1.0, legal)
        draws = sample_categorical(logits.flatten(0, 1), generator, float(temperature > 0), top_k)
        return (draws.view(len(h), -1) + self.start).view(len(h), *self.shape)

    def draw(self, h: Tensor, noise: Tensor, legal: Tensor | None = None) -> Tensor:
        noise = torch.cat([noise, noise.new_zeros(len(h), 1)], 1)[:, self.choices]
        draws = (self._choices(h, 1.0, legal) + noise).argmax(-1)
        return (draws + self.start).view(len(h), *self.shape)

    def evaluate(self, h: Tensor, actions: Tensor, legal: Tensor | None = None) -> Said:
        index = actions.flatten(1).long() - self.start
        log_prob, entropy = log_prob_and_entropy(self._choices(h, 1.0, legal), index)
        return Said(log_prob.sum(-1), entropy.sum(-1))

    def log_prob(self, h: Tensor, actions: Tensor, temperature: float = 1.0, legal: Tensor | None = None) -> Tensor:
        index = actions.flatten(1).long() - self.start
        log_prob, _ = log_prob_and_entropy(self._choices(h, temperature, legal), index)
        return log_prob.sum(-1)


class GaussianHead(Head):
    """A normal distribution with a learned mean and a standard deviation that does not depend on the state.

    Its actions are not bounded; what leaves the box is cut off on the way to the environment, as in
    Stable-Baselines3.

    Args:
        space: The box of actions.
        log_std: Logarithm of the standard deviation at the beginning.
    """

    low: Tensor
    high: Tensor

    def __init__(self, input_size: int, space: gym.spaces.Box, log_std: float = 0.0) -> None:
        super().__init__()
        self.shape = space.shape
        size = int(np.prod(space.shape))
        self.output = nn.Linear(input_size, size)
        self.log_std = nn.Parameter(torch.full((size,), log_std))
        for name in ("low", "high"):
            bound = torch.as_tensor(getattr(space, name), dtype=torch.float32)
            self.register_buffer(name, bound, persistent=False)

    @torch.no_grad()
    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        legal: Tensor | None = None,
    ) -> Tensor:
        action: Tensor = self.output(h)
        if temperature > 0:
            owner = h.device if generator is None else generator.device
            noise = torch.randn(action.shape, generator=generator, device=owner).to(h.device)
            action = action + temperature * self.log_std.exp() * noise
        return action.view(len(h), *self.shape)

    def noise(self, rows: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
        owner = device if generator is None else generator.device
        return torch.randn(*rows, self.output.out_features, generator=generator, device=owner).to(device)

    def draw(self, h: Tensor, noise: Tensor, legal: Tensor | None = None) -> Tensor:
        mean: Tensor = self.output(h)
        return (mean + self.log_std.exp() * noise).view(len(h), *self.shape)

    def evaluate(self, h: Tensor, actions: Tensor, legal: Tensor | None = None) -> Said:
        return Said(self.log_prob(h, actions), self.entropy().expand(len(h)))

    def entropy(self) -> Tensor:
        """Of the distribution at any state, nats."""
        return (self.log_std + LOG_SQRT_2PI + 0.5).sum()

    def log_prob(self, h: Tensor, actions: Tensor, temperature: float = 1.0, legal: Tensor | None = None) -> Tensor:
        log_std = self.log_std + math.log(temperature)
        mean: Tensor = self.output(h)
        z = (actions.flatten(1) - mean) * torch.exp(-log_std)
        return -(0.5 * z * z + log_std + LOG_SQRT_2PI).sum(-1)
