"""The base class of neural language models: Adam on L = -mean log p(x_t | x_<t)."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.core.saved_states import fitting
from lhy_rl.core.validation import check, positive
from lhy_rl.functional.policy_gradient import masked_mean
from lhy_rl.nn.device import choose_device
from lhy_rl.nn.language_models.base import LanguageModel
from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.randomness import OwnRandomness

ROWS = 1024  # sentences scored at a time


class NetworkModel(LanguageModel):
    """A neural language model. A subclass implements :meth:`make_network` and :meth:`token_log_probs`.

    Args:
        vocabulary_size: V, number of tokens that may come next.
        epochs: Passes over the sentences. With validation sentences the best epoch's weights are kept.
        learning_rate: Adam's initial learning rate; it falls to 0 at the end.
        batch_size: Sentences per gradient step.
        max_grad_norm: Maximum norm of the gradient; larger gradients are clipped to it.
        seed: Seed of the weights, the sentences' order and dropout.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        epochs: int = 5,
        learning_rate: float = 0.003,
        batch_size: int = 64,
        max_grad_norm: float = 5.0,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        super().__init__(vocabulary_size)
        check(epochs=(epochs, 1), batch_size=(batch_size, 1), seed=(seed, 0))
        positive(learning_rate=learning_rate, max_grad_norm=max_grad_norm)
        self.epochs, self.learning_rate, self.batch_size = epochs, learning_rate, batch_size
        self.max_grad_norm, self.seed, self.device = max_grad_norm, seed, device

    @abstractmethod
    def make_network(self) -> nn.Module:
        """A new network."""

    @abstractmethod
    def token_log_probs(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(N, T) tokens and their mask to (N, T) log-probabilities, 0 outside the mask, differentiable."""

    def initialize(self) -> None:
        """Initialise the weights from the seed; called by a subclass's constructor."""
        with OwnRandomness(self.seed):
            self.network = self.make_network().to(choose_device(self.device))

    def fit(self, sequences: TokenSequences, validation: TokenSequences | None = None) -> Self:
        tokens, lengths = self.training_sentences(sequences)
        self.initialize()
        device = next(self.network.parameters()).device
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.learning_rate, fused=True)
        order = np.random.default_rng(self.seed)
        steps, taken, best = self.epochs * -(-len(lengths) // self.batch_size), 0, (np.inf, self.state_dict())
        with OwnRandomness(self.seed + 1, device):
            for _ in range(self.epochs):
                self.network.train()
                for batch in _batches(order.permutation(len(lengths)), self.batch_size):
                    optimizer.param_groups[0]["lr"] = self.learning_rate * (1 - taken / steps)
                    log_probs, mask = self._read(tokens[batch], lengths[batch])
                    loss = -masked_mean(log_probs, mask)
                    optimizer.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.max_grad_norm)
                    if not bool((norm + loss.detach()).isfinite()):
                        raise UserError(f"loss or gradient is not finite at step {taken}; lower learning_rate")
                    optimizer.step()
                    taken += 1
                if validation is not None and (found := self.perplexity(validation)) < best[0]:
                    best = found, copy.deepcopy(self.state_dict())
        if validation is not None:
            self.load_state_dict(best[1])
        self.network.eval()
        return self

    def score(self, tokens: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        result = np.zeros(tokens.shape)
        with evaluating(self.network), torch.no_grad():
            for first in range(0, len(tokens), ROWS):
                rows = slice(first, first + ROWS)
                found, _ = self._read(tokens[rows], lengths[rows])
                result[rows, : found.shape[1]] = found.cpu().numpy()
        return result

    def _read(self, tokens: np.ndarray, lengths: np.ndarray) -> tuple[Tensor, Tensor]:
        """Log-probabilities and mask, (N, longest)."""
        device, longest = next(self.network.parameters()).device, int(lengths.max())
        mask = torch.as_tensor(np.arange(longest) < lengths[:, None], device=device)
        return self.token_log_probs(torch.as_tensor(tokens[:, :longest], device=device), mask), mask

    def state_dict(self) -> dict[str, Any]:
        return self.network.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        with fitting(f"this state is not one of a {type(self).__name__} with these options"):
            self.network.load_state_dict(state)


def _batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Parts of ``size`` rows; the last may be shorter."""
    return [order[first : first + size] for first in range(0, len(order), size)]
