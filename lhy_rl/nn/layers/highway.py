"""The highway layer, whose gate mixes what it computes with what it is given."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Highway(nn.Module):
    """y = t f(W x + b) + (1 - t) x,   t = sigmoid(W' x + b' - 2)   (Srivastava et al. 2015; Yu et al. 2017, eq. 9).

    Both products are computed as one. The gate's bias starts the layer near the identity.

    Args:
        size: Width of x and y.
        activation: f; relu if left out.
    """

    def __init__(self, size: int, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(size, 2 * size)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        new, gate = self.linear(x).chunk(2, -1)
        return torch.lerp(x, F.relu(new) if self.activation is None else self.activation(new), opened(gate))

    @torch.no_grad()
    def forward_into(self, x: Tensor, buffer: Tensor) -> Tensor:
        """As ``forward``, without gradient: x (N, size) is overwritten, and ``buffer`` is (N or more, 2 * size)."""
        both = torch.addmm(self.linear.bias, x, self.linear.weight.T, out=buffer[: len(x)])
        new, gate = both.chunk(2, -1)
        return x.lerp_(new.relu_(), gate.sub_(2.0).sigmoid_())


def opened(gate: Tensor) -> Tensor:
    """t of a gate's input, nearly shut at the beginning."""
    return torch.sigmoid(gate - 2.0)
