"""Pointing: how much each place of a source is asked for by a step; the actor's head makes actions of it.

    u_l = C tanh( W h . m_l / sqrt(E) )     (Vinyals et al. 2015, eq. 3; Bello et al. 2017, with C = 10)

with h the features of a step and m_l the annotations. The bound C keeps every place possible, so that a policy goes on
exploring.
"""

from __future__ import annotations

from torch import Tensor, nn

from lhy_rl.nn.sources.attention import DotAttention

BOUND = 10.0


class Pointer(nn.Module):
    """Scores of places.

    Args:
        hidden_size: H, of the features.
        source_size: E, of the annotations.
    """

    def __init__(self, hidden_size: int, source_size: int) -> None:
        super().__init__()
        self.attention = DotAttention(hidden_size, source_size)

    def forward(self, h: Tensor, annotations: Tensor) -> Tensor:
        """(N, T, H) and (N, L, E) to logits (N, T, L), from -C to C."""
        return BOUND * self.attention.scores(h, annotations).tanh()
