"""Attention over a source's annotations, queried by the decoder's state.

    dot        a_l = softmax_l( q_l . m_l / sqrt(E) ),  q = W h          (Luong et al. 2015, "general")
    additive   a_l = softmax_l( v . tanh(W h + m_l) )                    (Bahdanau et al. 2015)

    c = sum_l a_l m_l

with h the decoder's state and m_l the annotations. ``additive`` maps the annotations once, when the source is read, and
sums the mapped ones; so the memory holds one vector per place. Two variants of it also read their earlier weights,
which they carry from step to step:

    coverage   a_tl = softmax_l( v . tanh(W h_t + m_l + w c_tl) ),  c_t = sum_{t' < t} a_t'   (See et al. 2017, eq. 11)
    location   a_tl = softmax_l( v . tanh(W h_t + m_l + sum_j U_j a_{t-1, l+j}) )             (Chorowski et al. 2015)

So ``coverage`` can avoid places already attended to, and ``location`` can move on from place to place, even in sources
longer than in training.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.core.registry import Registry

attentions = Registry(
    "attention",
    {
        "dot": "lhy_rl.nn.sources.attention:DotAttention",
        "additive": "lhy_rl.nn.sources.attention:AdditiveAttention",
        "coverage": "lhy_rl.nn.sources.attention:CoverageAttention",
        "location": "lhy_rl.nn.sources.attention:LocationAttention",
    },
)


class Attention(nn.Module, ABC):
    """Base class of attentions, made as ``X(hidden_size, source_size)``.

    Args:
        hidden_size: H, width of the decoder's state.
        source_size: E, width of the annotations.
    """

    def annotate(self, annotations: Tensor) -> Tensor:
        """Map annotations (N, L, E) to the ones that are stored and attended to, once per source; 0 stays 0."""
        return annotations

    @abstractmethod
    def scores(self, h: Tensor, annotations: Tensor) -> Tensor:
        """(N, T, H) and (N, L, E) to (N, T, L): the score of each place at each step, before the softmax."""

    def weights(self, h: Tensor, annotations: Tensor, mask: Tensor) -> Tensor:
        """Attention weights (N, T, L), given the mask of existing places; rows sum to 1, or to 0 if there are none."""
        mask = of_steps(mask)
        scores = self.scores(h, annotations).masked_fill(~attended(mask), -torch.inf)
        return torch.softmax(scores, -1) * mask

    def forward(self, h: Tensor, annotations: Tensor, mask: Tensor) -> Tensor:
        """The context, (N, T, E).

        Args:
            mask: (N, L) bool, or (N, T, L) if it changes from step to step.
        """
        return self.weights(h, annotations, mask) @ annotations


def attended(mask: Tensor) -> Tensor:
    """The mask (..., L) with rows that were all false set to true: empty sources then give a context of 0."""
    return mask | ~mask.any(-1, keepdim=True)


def of_steps(mask: Tensor) -> Tensor:
    """A mask (N, L), the same at each step, or (N, T, L), in a shape that broadcasts to (N, T, L)."""
    return mask[:, None] if mask.dim() == 2 else mask


class DotAttention(Attention):
    """a = softmax((W h) . m / sqrt(E)), by torch's fused attention."""

    def __init__(self, hidden_size: int, source_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_size, source_size, bias=False)

    def scores(self, h: Tensor, annotations: Tensor) -> Tensor:
        return self.query(h) @ annotations.transpose(1, 2) * annotations.shape[-1] ** -0.5  # type: ignore[no-any-return]

    def forward(self, h: Tensor, annotations: Tensor, mask: Tensor) -> Tensor:
        mask = of_steps(mask)
        open_ = attended(mask).expand(-1, h.shape[1], -1)
        context = F.scaled_dot_product_attention(self.query(h), annotations, annotations, attn_mask=open_)
        return context if mask.shape[1] == 1 else context * mask.any(-1, keepdim=True)  # 0 if no place may be read


class AdditiveAttention(Attention):
    """a = softmax(v . tanh(W h + U m))."""

    def __init__(self, hidden_size: int, source_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(hidden_size, source_size)
        self.key = nn.Linear(source_size, source_size, bias=False)
        self.score = nn.Linear(source_size, 1, bias=False)

    def annotate(self, annotations: Tensor) -> Tensor:
        return self.key(annotations)  # type: ignore[no-any-return]

    def scores(self, h: Tensor, annotations: Tensor) -> Tensor:
        together = self.query(h)[:, :, None] + annotations[:, None]  # (N, T, L, E)
        return self.score(together.tanh())[..., 0]  # type: ignore[no-any-return]


class LocationAttention(AdditiveAttention):
    """a_t = softmax(v . tanh(W h_t + U m + F * a_{t-1})), F a convolution over the places."""

    width = 5
    """Width of F: a place reads the last weights of itself and of its neighbours on either side."""

    def __init__(self, hidden_size: int, source_size: int) -> None:
        super().__init__(hidden_size, source_size)
        self.location = nn.Linear(self.width, source_size, bias=False)

    def aligned(self, alignment: Tensor, weights: Tensor) -> Tensor:
        """The alignment (N, L) to carry on after a step: this step's weights."""
        return weights

    def run(self, h: Tensor, annotations: Tensor, mask: Tensor, alignment: Tensor) -> tuple[Tensor, Tensor]:
        """Attend step by step.

        Args:
            h: (N, T, H).
            annotations: (N, L, E).
            mask: (N, L) or (N, T, L) bool.
            alignment: (N, L) carried from before the first step; 0 at the start of an episode.

        Returns:
            The weights (N, T, L), and the alignment after each step (N, T, L).
        """
        mask = of_steps(mask).expand(-1, h.shape[1], -1)
        hidden, side = ~attended(mask), self.width // 2
        weights, alignments = [], []
        for t, query in enumerate(self.query(h).unbind(1)):
            near = F.pad(alignment, (side, side)).unfold(1, self.width, 1)  # (N, L, width)
            scores = self.score((query[:, None] + annotations + self.location(near)).tanh())[..., 0]
            weights.append(scores.masked_fill(hidden[:, t], -torch.inf).softmax(-1) * mask[:, t])
            alignment = self.aligned(alignment, weights[-1])
            alignments.append(alignment)
        return torch.stack(weights, 1), torch.stack(alignments, 1)


class CoverageAttention(LocationAttention):
    """a_t = softmax(v . tanh(W h_t + U m + w c_t)), with c_t the sum of all earlier weights."""

    width = 1

    def aligned(self, alignment: Tensor, weights: Tensor) -> Tensor:
        """The sum of all weights so far."""
        return alignment + weights
