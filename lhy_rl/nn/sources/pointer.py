"""Pointing: a step's score of each place of a source, from which the actor's head makes actions.

    u_l = C tanh( W h . m_l / sqrt(E) )     (Vinyals et al. 2015, eq. 3; Bello et al. 2017, with C = 10)

with h the features of a step and m_l the annotations. The bound C keeps every place's probability above 0, so that a
policy goes on exploring.
"""

from __future__ import annotations

from torch import Tensor, nn

from lhy_rl.nn.sources.attention import DotAttention

BOUND = 10.0


class Pointer(nn.Module):
    """Scores of places.

    Args:
        hidden_size: H, width of the features.
        source_size: E, width of the annotations.
    """

    def __init__(self, hidden_size: int, source_size: int) -> None:
        super().__init__()
        self.attention = DotAttention(hidden_size, source_size)

    def forward(self, h: Tensor, annotations: Tensor) -> Tensor:
        """(N, T, H) and (N, L, E) to logits (N, T, L), from -C to C."""
        return BOUND * self.attention.scores(h, annotations).tanh()
