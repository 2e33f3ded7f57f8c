"""The simplest source encoder: vectors of the places and their mean, whatever their order."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from torch import Tensor

from lhy_rl.nn.sources.base import Reading, RealPlaces, SourceEmbedding, SourceEncoder, SourceOptions


class MeanEncoder(SourceEncoder):
    """Each place's vector by itself (tanh of a linear map of vectors); the summary is their mean: a bag of words."""

    has_directions = False

    def __init__(self, space: gym.Space[Any], options: SourceOptions) -> None:
        super().__init__()
        self.embedding = SourceEmbedding(space, options.size)

    def forward(self, source: Tensor, mask: Tensor) -> Reading:
        vectors = self.embedding(source[mask])
        annotations = RealPlaces.of(mask).scatter(vectors if self.embedding.linear is None else vectors.tanh(), mask)
        return Reading(annotations.sum(1) / mask.sum(1, keepdim=True).clamp(min=1), annotations, mask)
