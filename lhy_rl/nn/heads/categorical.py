"""Categorical actor heads: one softmax, or several that are independent of each other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.functional.distillation import tempered_kl
from lhy_rl.functional.fused.categorical import linear_log_prob, log_prob_and_entropy
from lhy_rl.functional.sampling import sample_categorical
from lhy_rl.nn.acceleration.inventory import hooked
from lhy_rl.nn.heads.base import ActionEvaluation, Head, mask_logits

ROWS = 128  # rows sampled at a time, so that their logits stay in the cache


class CategoricalHead(Head):
    """softmax(W h + b) over A actions; efficient even for thousands of actions.

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

    def logits(self, h: Tensor, action_mask: Tensor | None = None) -> Tensor:
        """(..., H) to (..., A); -inf for actions that are not legal."""
        return mask_logits(self.output(h), action_mask)

    @torch.no_grad()
    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        action_mask: Tensor | None = None,
    ) -> Tensor:
        if len(h) <= ROWS or hooked(self.output):
            return sample_categorical(self.logits(h, action_mask), generator, temperature, top_k) + self.start
        actions = torch.empty(len(h), dtype=torch.int64, device=h.device)
        memory, probabilities = self._scratch(h)
        for first in range(0, len(h), ROWS):
            rows = slice(first, first + ROWS)
            logits = self._logits_of_rows(h[rows], None if action_mask is None else action_mask[rows], memory)
            actions[first : first + ROWS] = sample_categorical(logits, generator, temperature, top_k, probabilities)
        return actions + self.start

    def _logits_of_rows(self, h: Tensor, action_mask: Tensor | None, memory: Tensor) -> Tensor:
        """:meth:`logits` of at most ROWS rows, written into ``memory``."""
        logits = torch.addmm(self.output.bias, h, self.output.weight.T, out=memory[: len(h)])
        return logits if action_mask is None else logits.masked_fill_(~action_mask, -torch.inf)

    def distribution(self, h: Tensor, action_mask: Tensor | None = None) -> Tensor:
        return self.logits(h, action_mask)

    def draw_from(self, distribution: Tensor, noise: Tensor) -> Tensor:
        return (distribution + noise).argmax(-1) + self.start

    def kl(self, h: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        return tempered_kl(teacher, self.logits(h, teacher > -torch.inf), temperature)

    def _scratch(self, h: Tensor) -> Tensor:
        """A (2, ROWS, A) scratch tensor, kept between calls: allocating it anew costs more than the computation in
        it."""
        memory = self._memory
        if memory is None or memory.dtype != h.dtype or memory.device != h.device:
            memory = self._memory = h.new_empty(2, ROWS, self.num_logits)
        return memory

    def evaluate(self, h: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> ActionEvaluation:
        return ActionEvaluation(*log_prob_and_entropy(self.logits(h, action_mask), actions.long() - self.start))

    def log_prob(
        self, h: Tensor, actions: Tensor, temperature: float = 1.0, action_mask: Tensor | None = None
    ) -> Tensor:
        index = actions - self.start
        if action_mask is None and not hooked(self.output):
            return linear_log_prob(h, self.output.weight, self.output.bias, index, temperature)
        return self.log_probs(h, temperature, action_mask).gather(-1, index[..., None])[..., 0]

    def log_probs(self, h: Tensor, temperature: float = 1.0, action_mask: Tensor | None = None) -> Tensor:
        """Log-probabilities of all actions, (..., A)."""
        return torch.log_softmax(self.logits(h, action_mask) / temperature, -1)


class MultiCategoricalHead(Head):
    """K independent choices, each a softmax over its own number of actions.

    Args:
        nvec: Number of actions of each choice, any shape; ``action_mask`` covers all choices concatenated, in the
            order of ``nvec`` flattened.
        start: The first action's number of each choice, same shape.
    """

    choices: Tensor
    start: Tensor

    def __init__(self, input_size: int, nvec: np.ndarray, start: np.ndarray) -> None:
        super().__init__()
        self.shape = nvec.shape
        sizes = nvec.flatten().astype(np.int64)
        self.output = nn.Linear(input_size, int(sizes.sum()))
        self.register_buffer("start", torch.as_tensor(np.array(start).flatten(), dtype=torch.int64), persistent=False)
        # (K, widest) indices of each choice's logits; those beyond a choice's actions point to a column of padding
        column = np.arange(sizes.max())
        places = np.where(column < sizes[:, None], (sizes.cumsum() - sizes)[:, None] + column, sizes.sum())
        self.register_buffer("choices", torch.as_tensor(places), persistent=False)

    def _choices(self, h: Tensor, temperature: float, action_mask: Tensor | None) -> Tensor:
        """(N, H) to logits (N, K, widest), padded with -inf after each choice's last action."""
        return self._split(mask_logits(self.output(h) / temperature, action_mask), -torch.inf)

    def _split(self, flat: Tensor, beyond: float) -> Tensor:
        """(N, A) numbers of all choices concatenated to (N, K, widest), padded with ``beyond``."""
        return torch.cat([flat, flat.new_full((len(flat), 1), beyond)], 1)[:, self.choices]

    @torch.no_grad()
    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        action_mask: Tensor | None = None,
    ) -> Tensor:
        logits = self._choices(h, temperature or 1.0, action_mask)
        draws = sample_categorical(logits.flatten(0, 1), generator, float(temperature > 0), top_k)
        return (draws.view(len(h), -1) + self.start).view(len(h), *self.shape)

    def distribution(self, h: Tensor, action_mask: Tensor | None = None) -> Tensor:
        return mask_logits(self.output(h), action_mask)

    def draw_from(self, distribution: Tensor, noise: Tensor) -> Tensor:
        draws = (self._split(distribution, -torch.inf) + self._split(noise, 0.0)).argmax(-1)
        return (draws + self.start).view(len(distribution), *self.shape)

    def kl(self, h: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
        logits = mask_logits(self.output(h), teacher > -torch.inf)
        theirs, own = self._split(teacher, -torch.inf), self._split(logits, -torch.inf)
        return tempered_kl(theirs, own, temperature).sum(-1)

    def evaluate(self, h: Tensor, actions: Tensor, action_mask: Tensor | None = None) -> ActionEvaluation:
        index = actions.flatten(1).long() - self.start
        log_prob, entropy = log_prob_and_entropy(self._choices(h, 1.0, action_mask), index)
        return ActionEvaluation(log_prob.sum(-1), entropy.sum(-1))

    def log_prob(
        self, h: Tensor, actions: Tensor, temperature: float = 1.0, action_mask: Tensor | None = None
    ) -> Tensor:
        index = actions.flatten(1).long() - self.start
        log_prob, _ = log_prob_and_entropy(self._choices(h, temperature, action_mask), index)
        return log_prob.sum(-1)
