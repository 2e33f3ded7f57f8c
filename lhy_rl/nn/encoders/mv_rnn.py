"""The matrix-vector recursive network: each part has a vector, its meaning, and a matrix, its effect on the other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lhy_rl.nn.encoders.recursive import TreeEncoder

RANK = 3  # rank of a word's matrix, apart from its diagonal; the paper's value


class MVRNNEncoder(TreeEncoder):
    """p = tanh(W [B a; A b] + w),  P = W_M [A; B]  (Socher et al. 2012, equations 2 and 4).

    a and A are the vector and the matrix of the left part, b and B of the right one. A word's matrix is a low-rank
    matrix plus a diagonal, A = U V + diag(d) (equation 6, rank 3). Words' matrices are initialised near the identity,
    and W_M so that P is near the parts' mean. A node is E + E^2 wide: its vector, then its matrix, transposed, so that
    one product with W_M makes all rows of all matrices.
    """

    name = "mv_rnn"

    def make(self, size: int) -> None:
        self.words = nn.Embedding(self.num_symbols, size)
        self.diagonal = nn.Embedding(self.num_symbols, size)
        self.factors = nn.Embedding(self.num_symbols, 2 * RANK * size)  # U and V
        self.linear = nn.Linear(2 * size, size)
        mean = torch.eye(size).repeat(1, 2) / 2
        self.matrices = nn.Parameter(mean + 0.01 * torch.randn(size, 2 * size))  # W_M
        nn.init.normal_(self.diagonal.weight, mean=1.0, std=0.1)
        nn.init.normal_(self.factors.weight, std=(RANK * size) ** -0.25)  # so that U V x is about as long as x

    def word(self, symbol: Tensor) -> Tensor:
        u, v = self.factors(symbol).view(len(symbol), 2, RANK, self.size).unbind(1)
        transposed = v.transpose(1, 2) @ u + torch.diag_embed(self.diagonal(symbol))  # (R, E, E)
        return torch.cat([self.words(symbol), transposed.flatten(1)], -1)

    def compose(self, a: Tensor, b: Tensor) -> Tensor:
        vector_a, transposed_a = self._parts(a)
        vector_b, transposed_b = self._parts(b)
        changed = torch.cat([vector_a @ transposed_b, vector_b @ transposed_a], -1)[:, 0]  # B a and A b, (R, 2E)
        vector = self.norm(self.linear(changed)).tanh()
        transposed = torch.cat([transposed_a, transposed_b], -1) @ self.matrices.T  # (R, E, 2E) by (2E, E)
        return torch.cat([vector, transposed.flatten(1)], -1)

    def _parts(self, node: Tensor) -> tuple[Tensor, Tensor]:
        """(R, E + E^2) to a row (R, 1, E) and a matrix (R, E, E), transposed."""
        return node[:, None, : self.size], node[:, self.size :].view(len(node), self.size, self.size)
