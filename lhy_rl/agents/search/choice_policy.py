"""A recurrent policy that makes the choices of a configuration one by one (Zoph and Le 2017, section 3.1)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.functional.policy_gradient import categorical_entropy
from lhy_rl.functional.sampling import invert_cumulative
from lhy_rl.nn.backbones.recurrent import LSTM
from lhy_rl.search.space import Space

ROUNDING = 1e-6  # probabilities below this may be no more than errors of float32


class ChoicePolicy(nn.Module):
    """An LSTM that reads the value chosen last and gives the distribution of the next choice.

    Args:
        space: D choices, the largest with A values. Values that a choice does not have, and all values but the first of
            an inactive choice, have probability 0.
        hidden_size: H, the LSTM's width.
        embedding_size: E, width of a value's embedding.
        smoothing: Standard deviation, in values, of the smoothing of an ordinal choice's logits over neighbours; 0:
            none.
    """

    first_of: Tensor
    smoother: Tensor
    has_value: Tensor

    def __init__(self, space: Space, hidden_size: int, embedding_size: int, smoothing: float) -> None:
        super().__init__()
        self.space = space
        sizes = space.sizes
        begins = int(sizes.sum())  # the token read before the first choice
        self.embedding = nn.Embedding(begins + 1, embedding_size)
        self.core = LSTM(embedding_size, hidden_size, 1)
        self.output = nn.Linear(hidden_size, int(sizes.max()))
        first_of = np.append(begins, (np.cumsum(sizes) - sizes)[:-1])  # the token of value 0 of the choice before
        self.register_buffer("first_of", torch.from_numpy(first_of), persistent=False)
        self.register_buffer("has_value", torch.arange(int(sizes.max())) < torch.from_numpy(sizes)[:, None], False)
        self.register_buffer("smoother", smoother(space, smoothing), persistent=False)

    @torch.no_grad()
    def draw(self, n: int, generator: torch.Generator, known: Tensor | None = None) -> np.ndarray:
        """Sample (n, D) canonical configurations, independently of each other.

        Args:
            n: Number of configurations.
            generator: Random numbers.
            known: (K, D) configurations that are not to be drawn. From the probability of each value is subtracted that
                of the known configurations which continue in this way, so that the others keep their proportions (Shi,
                Bieber and Sutton 2020). Where less than ``ROUNDING`` would remain, nothing is subtracted, and a known
                configuration may be drawn.
        """
        tokens = np.zeros((n, len(self.space)), np.int64)
        state, start = self.core.initial_state(n), torch.zeros(1, n, dtype=torch.bool)
        before = torch.zeros(n, dtype=torch.int64)
        known = torch.zeros(0, len(self.space), dtype=torch.int64) if known is None else known
        of_choices = log_prob(self.logits(known), known)
        rest = of_choices.flip(1).cumsum(1).flip(1).exp()  # (K, D) probability of choice d and all after it
        begins = torch.ones(n, len(known), dtype=torch.bool)  # whether a known configuration begins like the drawn one
        for position in range(len(self.space)):
            h, state = self.core(self.embedding(self.first_of[position] + before)[None], state, start)
            mask = self.mask(tokens)[:, position]
            logits = (self.output(h[0]) @ self.smoother[position]).masked_fill(~mask, -torch.inf)
            weights = logits.softmax(-1)
            new = weights.index_add(1, known[:, position], begins * rest[:, position], alpha=-1)
            new = new.masked_fill(new < ROUNDING, 0.0)
            before = invert_cumulative(torch.where(new.any(-1, keepdim=True), new, weights), generator)
            begins &= before[:, None] == known[:, position]
            tokens[:, position] = before.numpy()
        return tokens

    def logits(self, tokens: Tensor) -> Tensor:
        """(N, D) configurations to the logits of each choice, given those before it, (N, D, A)."""
        before = torch.cat([torch.zeros_like(tokens[:, :1]), tokens[:, :-1]], 1)
        x = self.embedding(self.first_of + before).transpose(0, 1)  # (D, N, E)
        h, _ = self.core(x, self.core.initial_state(len(tokens)), torch.zeros(x.shape[:2], dtype=torch.bool))
        logits = torch.einsum("dna,dab->ndb", self.output(h), self.smoother)
        return logits.masked_fill(~self.mask(tokens.numpy()), -torch.inf)

    def evaluate(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(N, D) configurations to the log-probability and entropy of each choice, (N, D); 0 for a forced choice."""
        logits = self.logits(tokens)
        return log_prob(logits, tokens), categorical_entropy(logits)

    def mask(self, tokens: np.ndarray) -> Tensor:
        """(N, D, A) bool: the values that can be chosen."""
        if not self.space.conditional:
            return self.has_value.expand(len(tokens), -1, -1)
        mask = self.has_value.repeat(len(tokens), 1, 1)
        mask[..., 1:] &= torch.from_numpy(self.space.active(tokens))[..., None]
        return mask


def log_prob(logits: Tensor, tokens: Tensor) -> Tensor:
    """(N, D) log-probabilities of the choices made, given (N, D, A) logits."""
    return logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]


def smoother(space: Space, deviation: float) -> Tensor:
    """(D, A, A) matrices that turn outputs into logits: for ordinal choices, Gaussian-weighted sums over neighbours.

    Each value's own weight is 1, so that smoothing changes how far a gradient reaches, but not how large it is.
    """
    size = int(space.sizes.max())
    matrices = torch.eye(size).repeat(len(space), 1, 1)
    if deviation > 0:
        distance = (torch.arange(size)[:, None] - torch.arange(size)) / deviation
        for position, choice in enumerate(space.choices):
            if choice.ordinal:
                matrices[position] = torch.exp(-0.5 * distance**2)
    return matrices
