"""The matrix-vector recursive network: a part is a vector, what it means, and a matrix, what it does to another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lhy_rl.nn.encoders.recursive import TreeEncoder

RANK = 3  # of a word's matrix, beside its diagonal; the paper's


class MVRNNEncoder(TreeEncoder):
    """p = tanh(W [B a; A b] + w),  P = W_M [A; B]  (Socher et al. 2012, equations 2 and 4).

    a and A are the vector and the matrix of the left part, b and B of the right one. A word's matrix is of low rank
    beside its diagonal, A = U V + diag(d) (equation 6, rank 3), the identity to begin with, and P the parts' mean.
    A node is E + E^2 wide: its vector, then its matrix.
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
        nn.init.normal_(self.factors.weight, std=(RANK * size) ** -0.25)  # so that U V changes a vector by its length

    def word(self, symbol: Tensor) -> Tensor:
        u, v = self.factors(symbol).view(len(symbol), 2, RANK, self.size).unbind(1)
        matrix = u.transpose(1, 2) @ v + torch.diag_embed(self.diagonal(symbol))  # (R, E, E)
        return torch.cat([self.words(symbol), matrix.flatten(1)], -1)

    def compose(self, a: Tensor, b: Tensor) -> Tensor:
        vector_a, matrix_a = self._parts(a)
        vector_b, matrix_b = self._parts(b)
        changed = torch.cat([matrix_b @ vector_a, matrix_a @ vector_b], 1)[..., 0]  # (R, 2E)
        vector = self.norm(self.linear(changed)).tanh()
        matrix = self.matrices @ torch.cat([matrix_a, matrix_b], 1)  # (E, 2E) by (R, 2E, E)
        return torch.cat([vector, matrix.flatten(1)], -1)

    def _parts(self, node: Tensor) -> tuple[Tensor, Tensor]:
        """(R, E + E^2) to a column (R, E, 1) and a matrix (R, E, E)."""
        return node[:, : self.size, None], node[:, self.size :].view(len(node), self.size, self.size)
