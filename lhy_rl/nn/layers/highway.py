"""The highway layer, whose gate mixes its output with its input."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Highway(nn.Module):
    """y = t f(W x + b) + (1 - t) x,   t = sigmoid(W' x + b' - c)   (Srivastava et al. 2015; Yu et al. 2017, eq. 9).

    Both products are computed as one. The constant c starts the layer near the identity (:func:`closed_by`).

    Args:
        size: Width of x and y.
        activation: f; relu if left out.
        layers: Number of highway layers in the network.
    """

    def __init__(self, size: int, activation: nn.Module | None = None, layers: int = 1) -> None:
        super().__init__()
        self.linear = nn.Linear(size, 2 * size)
        self.activation, self.closed_by = activation, closed_by(layers)

    def forward(self, x: Tensor) -> Tensor:
        new, gate = self.linear(x).chunk(2, -1)
        new = F.relu(new) if self.activation is None else self.activation(new)
        return torch.lerp(x, new, torch.sigmoid(gate - self.closed_by))

    @torch.no_grad()
    def forward_into(self, x: Tensor, buffer: Tensor) -> Tensor:
        """As ``forward``, without gradient: x (N, size) is overwritten, and ``buffer`` is (N or more, 2 * size)."""
        both = torch.addmm(self.linear.bias, x, self.linear.weight.T, out=buffer[: len(x)])
        new, gate = both.chunk(2, -1)
        return x.lerp_(new.relu_(), gate.sub_(self.closed_by).sigmoid_())


def closed_by(layers: int) -> float:
    """c, which keeps the gates of that many layers nearly shut at first: 2, or more from eight layers on.

    Each gate begins near t = 1 / (layers + 1), so that 1/e of the input reaches the end however deep the network is.
    It is subtracted from b', not its initial value, so that initialising the weights again leaves the gates shut.
    """
    return max(2.0, math.log(layers))
