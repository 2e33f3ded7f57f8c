"""The recursive neural tensor network: each part may multiply the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lhy_rl.nn.encoders.recursive import RecursiveEncoder


class RNTNEncoder(RecursiveEncoder):
    """p_k = tanh([a; b]^T V_k [a; b] + W_k [a; b] + w_k)  (Socher et al. 2013, section 4.3); V is (E, 2E, 2E).

    An operator's vector selects the transformation of its operand, while the plain network can only add the two. A node
    costs 8 E^3 multiplications, which is cheap up to E = 16 to 32.
    """

    name = "rntn"

    def make(self, size: int) -> None:
        super().make(size)
        self.tensor = nn.Bilinear(2 * size, 2 * size, size, bias=False)
        nn.init.normal_(self.tensor.weight, std=0.5 / size)  # a sum of 4 E^2 products of size 1 then has std 1

    def compose(self, a: Tensor, b: Tensor) -> Tensor:
        parts = torch.cat([a, b], -1)  # (R, 2E)
        half = parts @ self.tensor.weight.flatten(0, 1).T  # V [a; b], (R, E * 2E)
        products = (half.view(len(parts), self.size, 2 * self.size) @ parts[..., None])[
            ..., 0
        ]  # as nn.Bilinear, 4 times faster
        return self.norm(products + self.linear(parts)).tanh()  # type: ignore[no-any-return]
