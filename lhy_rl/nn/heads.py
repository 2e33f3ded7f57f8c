"""Actor heads: from features to actions of a space."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lhy_rl.functional.categorical import linear_log_prob
from lhy_rl.functional.sampling import sample_categorical

ROWS = 128  # rows sampled at a time: their logits stay in the cache


class CategoricalHead(nn.Module):
    """softmax(W h + b) over A actions, also for A in the thousands.

    Args:
        input_size: H, width of the features.
        num_actions: A.
    """

    def __init__(self, input_size: int, num_actions: int) -> None:
        super().__init__()
        self.linear = nn.Linear(input_size, num_actions)
        self._memory: Tensor | None = None

    def logits(self, h: Tensor) -> Tensor:
        """(..., H) to (..., A)."""
        return self.linear(h)  # type: ignore[no-any-return]

    @torch.no_grad()
    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> Tensor:
        """Draw an action for each row: (N, H) to (N,) int64; temperature 0 takes the best."""
        actions = torch.empty(len(h), dtype=torch.int64, device=h.device)
        logits, probabilities = self._scratch(h)
        for first in range(0, len(h), ROWS):
            part = h[first : first + ROWS]
            said = torch.addmm(self.linear.bias, part, self.linear.weight.T, out=logits[: len(part)])
            actions[first : first + ROWS] = sample_categorical(said, generator, temperature, top_k, probabilities)
        return actions

    def _scratch(self, h: Tensor) -> Tensor:
        """(2, ROWS, A) to write to, kept: memory that the system hands out anew, page by page, costs more than
        what is computed in it."""
        memory = self._memory
        if memory is None or memory.dtype != h.dtype or memory.device != h.device:
            memory = self._memory = h.new_empty(2, ROWS, self.linear.out_features)
        return memory

    def log_prob(self, h: Tensor, actions: Tensor, temperature: float = 1.0) -> Tensor:
        """Log-probabilities of actions: (N, H), (N,) to (N,)."""
        return linear_log_prob(h, self.linear.weight, self.linear.bias, actions, temperature)
