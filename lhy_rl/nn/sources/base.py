"""The base class of source encoders, which read an episode's source: a text, a set of points, a picture.

An environment with sources gives one under the key ``source`` of its Dict observation, the same at every step of an
episode, with ``source_mask`` if lengths differ. A policy reads it once per episode
(:mod:`lhy_rl.nn.sources.reader`), with an encoder from the table here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError, brief, suggest
from lhy_rl.core.registry import Registry
from lhy_rl.core.validation import check
from lhy_rl.nn.encoders.image_spaces import looks_like_image
from lhy_rl.nn.sources.attention import Attention, attentions

source_encoders = Registry(
    "source_encoder",
    {
        "gru": "lhy_rl.nn.sources.recurrent:GRUEncoder",
        "lstm": "lhy_rl.nn.sources.recurrent:LSTMEncoder",
        "mean": "lhy_rl.nn.sources.mean:MeanEncoder",
        "transformer": "lhy_rl.nn.sources.transformer:TransformerEncoder",
        "regions": "lhy_rl.nn.sources.regions:RegionEncoder",
        "hred": "lhy_rl.nn.sources.hred:TurnEncoder",
        "hred_tokens": "lhy_rl.nn.sources.hred:TokenInTurnEncoder",
    },
)


AUTO = "auto"


def fitting(chosen: SourceEncoderChoice, space: gym.Space[Any]) -> SourceEncoderChoice:
    """The chosen encoder; ``auto`` becomes the one that fits the source: ``regions`` for a picture, else ``gru``."""
    if chosen != AUTO:
        return chosen
    return "regions" if looks_like_image(space) and len(space.shape or ()) == 3 else "gru"


class Reading(NamedTuple):
    """An encoder's output for N sources.

    Attributes:
        summary: (N, E) the final output, the whole source in one vector; 0 for an empty source.
        annotations: (N, L, E) a vector for each place of the source; 0 where the mask is false.
        mask: (N, L) bool: the places that can be attended to.
    """

    summary: Tensor
    annotations: Tensor
    mask: Tensor


@dataclass(frozen=True)
class SourceOptions:
    """How a source is read; :class:`lhy_rl.nn.policies.actor_critic.ActorCritic` explains each option."""

    encoder: str | type[SourceEncoder] = AUTO
    size: int = 64
    bidirectional: bool = False
    num_layers: int = 1
    attention: str | type[Attention] = "dot"
    copy: bool = False
    point: bool = False
    unknown: range | None = None
    """Out-of-vocabulary tokens, all of which are read as the first of them."""

    def __post_init__(self) -> None:
        check(source_size=(self.size, 1))
        if isinstance(self.attention, str) and ":" not in self.attention:
            names = ["none", *attentions]
            if self.attention not in names:
                raise suggest(self.attention, names, "attention")
        if self.bidirectional and self.size % 2:
            raise UserError(f"source_size is {self.size}; must be even with source_bidirectional, half per direction")
        if self.copy and self.attention == "none":
            raise UserError("copy needs attention, which chooses the words to copy; attention must not be none")
        if self.point and self.attention == "none":
            raise UserError("head 'pointer' needs attention to the source; attention must not be none")
        if self.point and self.copy:
            raise UserError("head 'pointer' outputs positions of the source, and copy the words there; choose one")


class SourceEncoder(nn.Module, ABC):
    """Base class: maps sources (N, L, ...) and their mask to a :class:`Reading`, ``options.size`` wide.

    It is made as ``X(space, options)``. Sources are tokens, ``MultiDiscrete([n] * L)``, or vectors, ``Box`` of shape
    (L, F), which :class:`SourceEmbedding` maps to vectors; or a picture.
    """

    places: int | None = None
    """L, if the annotated places are not the source's first dimension, as with the regions of a picture."""
    annotates_tokens = True
    """Whether an annotation stands for the token at its place, which can then be copied."""
    has_directions = True
    """Whether it can read a source in both directions."""

    @abstractmethod
    def forward(self, source: Tensor, mask: Tensor) -> Reading:
        """Read sources.

        Args:
            source: (N, L, ...).
            mask: (N, L) bool; places where it is false have no influence. A source may be empty.
        """


SourceEncoderChoice = str | type[SourceEncoder]
"""A name in :data:`source_encoders`, ``"module:Class"``, or a custom class."""


class SourceEmbedding(nn.Module):
    """A vector for each place of a source: a learned one for each token, or a linear map of vectors.

    Args:
        space: ``MultiDiscrete([n] * L)``, or ``Box`` of shape (L, F).
        size: Width of the vectors.

    Raises:
        UserError: The space is neither.
    """

    def __init__(self, space: gym.Space[Any], size: int) -> None:
        super().__init__()
        self.first, self.table, self.linear = 0, None, None
        match space:
            case gym.spaces.MultiDiscrete() if len(space.shape) == 1 and len(set(space.nvec)) == 1:
                self.first = int(np.min(space.start))
                self.table = nn.Embedding(int(np.max(space.start + space.nvec)) - self.first, size)
            case gym.spaces.Box() if len(space.shape) == 2:
                self.linear = nn.Linear(space.shape[1], size)
            case _:
                raise UserError(
                    f"a source encoder cannot read {brief(space)}; allowed: MultiDiscrete([n] * L), tokens, and Box of "
                    "shape (L, F), vectors; source_encoder=None reads the key 'source' at every step as any other"
                )

    def forward(self, places: Tensor) -> Tensor:
        """(R,) tokens or (R, F) vectors to (R, size)."""
        if self.table is not None:
            return self.table(places.long() - self.first)  # type: ignore[no-any-return]
        assert self.linear is not None
        return self.linear(places.to(self.linear.weight.dtype))  # type: ignore[no-any-return]


class RealPlaces(NamedTuple):
    """The real places of N sources, one after the other.

    Attributes:
        source: (R,) index of the source that each place belongs to.
        place: (R,) index of the place in its source.
        first: (R,) bool: a source begins here.
    """

    source: Tensor
    place: Tensor
    first: Tensor

    @classmethod
    def of(cls, mask: Tensor) -> RealPlaces:
        """The places where a mask (N, L) is true."""
        source, place = mask.nonzero(as_tuple=True)
        return cls(source, place, torch.diff(source, prepend=source.new_full((1,), -1)) > 0)

    def scatter(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """(R, E) back to (N, L, E), 0 elsewhere."""
        return vectors.new_zeros(*mask.shape, vectors.shape[1]).index_put((self.source, self.place), vectors)


def unknown_range(space: gym.Space[Any], count: int) -> range | None:
    """The last ``count`` actions; None if ``count`` is 0.

    Raises:
        UserError: There are fewer actions.
    """
    if not count:
        return None
    if not isinstance(space, gym.spaces.Discrete) or not 0 < count < space.n:
        raise UserError(
            f"unknown_words is {count}; must be below the number of actions of a Discrete space; given: {space}"
        )
    end = int(space.start + space.n)
    return range(end - count, end)
