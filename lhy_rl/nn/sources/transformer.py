"""A transformer encoder without positions: it reads a set, whatever the order of its elements."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from torch import Tensor, nn

from lhy_rl.nn.sources.base import Reading, RealPlaces, SourceEmbedding, SourceEncoder, SourceOptions

HEAD_SIZE = 16  # smallest width of a head


class TransformerEncoder(SourceEncoder):
    """Every place attends to every other (Vaswani et al. 2017); the summary is the mean of the places.

    Permuting the places permutes the annotations and leaves the summary unchanged. So it suits cities and points (Kool
    et al. 2019), and reads a text as a bag of words. It has ``num_layers`` of torch's blocks, normalised before each
    sublayer, with feed-forward layers twice as wide as the source.
    """

    has_directions = False

    def __init__(self, space: gym.Space[Any], options: SourceOptions) -> None:
        super().__init__()
        size = options.size
        heads = next(n for n in (8, 4, 2, 1) if n == 1 or (size % n == 0 and size // n >= HEAD_SIZE))
        self.embedding = SourceEmbedding(space, size)
        layer = nn.TransformerEncoderLayer(size, heads, 2 * size, dropout=0.0, batch_first=True, norm_first=True)
        self.network = nn.TransformerEncoder(layer, options.num_layers, nn.LayerNorm(size), enable_nested_tensor=False)

    def forward(self, source: Tensor, mask: Tensor) -> Reading:
        places = RealPlaces.of(mask).scatter(self.embedding(source[mask]), mask)  # (N, L, E)
        hidden = None if bool(mask.all()) else ~(mask | ~mask.any(1, keepdim=True))  # an empty source attends to zeros
        annotations = self.network(places, src_key_padding_mask=hidden) * mask[..., None]
        return Reading(annotations.sum(1) / mask.sum(1, keepdim=True).clamp(min=1), annotations, mask)
