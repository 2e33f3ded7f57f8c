"""Actor heads: from features to actions of a space."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lhy_rl.functional.categorical import linear_log_prob
from lhy_rl.functional.sampling import sample_categorical

ROWS = 256  # rows sampled at a time: their logits stay in the cache


class CategoricalHead(nn.Module):
    """softmax(W h + b) over A actions, also for A in the thousands.

    Args:
        input_size: H, width of the features.
        num_actions: A.
    """

    def __init__(self, input_size: int, num_actions: int) -> None:
        super().__init__()
        self.linear = nn.Linear(input_size, num_actions)

    def logits(self, h: Tensor) -> Tensor:
        """(..., H) to (..., A)."""
        return self.linear(h)  # type: ignore[no-any-return]

    def sample(
        self,
        h: Tensor,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
    ) -> Tensor:
        """Draw an action for each row: (N, H) to (N,) int64; temperature 0 takes the best."""
        return torch.cat(
            [sample_categorical(self.logits(part), generator, temperature, top_k) for part in torch.split(h, ROWS)]
        )

    def log_prob(self, h: Tensor, actions: Tensor, temperature: float = 1.0) -> Tensor:
        """Log-probabilities of actions: (N, H), (N,) to (N,)."""
        return linear_log_prob(h, self.linear.weight, self.linear.bias, actions, temperature)
