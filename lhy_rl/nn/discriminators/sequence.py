"""Discriminators of sentences: from tokens (N, T) to a score per sentence, and some of them to a score per prefix.

Whether the score is a logit, a critic's value or an energy depends on the objective
(:mod:`lhy_rl.functional.adversarial`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.core.registry import Registry
from lhy_rl.functional.adversarial_penalties import gradient_penalty
from lhy_rl.functional.fused.conv_max_pool import convolve_max
from lhy_rl.nn.backbones.base import SequenceBackbone, cores
from lhy_rl.nn.layers.eval_mode import evaluating
from lhy_rl.nn.layers.highway import Highway

TABLE_ROWS, TOP_ROWS = 128, 512  # sentences at a time, so that intermediate results stay in the cache

discriminators = Registry(
    "discriminator",
    {
        "cnn": "lhy_rl.nn.discriminators.sequence:ConvolutionalDiscriminator",
        "cnn_small": "lhy_rl.nn.discriminators.sequence:SmallConvolutionalDiscriminator",
        "recurrent": "lhy_rl.nn.discriminators.sequence:RecurrentDiscriminator",
        "autoencoder": "lhy_rl.nn.discriminators.sequence_autoencoder:AutoencoderDiscriminator",
    },
)


class Discriminator(nn.Module, ABC):
    """Base class of discriminators of sentences.

    Args:
        num_tokens: Number of token ids, including padding.
        max_length: T, width of the token arrays.
        dropout: Share of features dropped in training.
    """

    scores_prefixes = False
    is_energy = False  # whether the output is a non-negative energy, low for real sentences

    @abstractmethod
    def embed(self, tokens: Tensor) -> Tensor:
        """(N, T) tokens to the continuous inputs (N, T, E), where a gradient penalty can be taken."""

    @abstractmethod
    def forward_embedded(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """(N, T, E) inputs to (N,) scores."""

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(N, T) tokens and (N,) lengths to (N,) scores."""
        return self.forward_embedded(self.embed(tokens), lengths)

    def prefixes(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """(N, T) scores, one for each prefix; only if ``scores_prefixes``."""
        raise TypeError(f"{type(self).__name__} does not score prefixes; choose the discriminator 'recurrent'")

    def penalty(self, real: Tensor, fake: Tensor, ends: Tensor) -> Tensor:
        """The gradient penalty between real and fake sentences (N, T), of the scores of their first ``ends`` (N,)
        tokens (:func:`~lhy_rl.functional.adversarial_penalties.gradient_penalty`)."""
        with torch.no_grad():
            embedded = self.embed(real), self.embed(fake)
        return gradient_penalty(lambda z: self.forward_embedded(z, ends), *embedded)

    @torch.no_grad()
    def score(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """The scores (N,) in evaluation mode, without gradient; faster for many sentences at a time."""
        with evaluating(self):
            return self(tokens, lengths)  # type: ignore[no-any-return]


class ConvolutionalDiscriminator(Discriminator):
    """Convolutions of many widths, max over time, a highway layer, one output (Yu et al. 2017, section 3.2).

    A convolution over embedded tokens is a sum of rows: the filter's k-th column times a token's
    embedding depends on the token alone. Scoring many sentences therefore makes a table of all these
    products and only adds up rows (:meth:`score`).
    """

    filters: tuple[tuple[int, int], ...] = (
        (1, 100), (2, 200), (3, 200), (4, 200), (5, 200), (6, 100),
        (7, 100), (8, 100), (9, 100), (10, 100), (15, 160), (20, 160),
    )  # fmt: skip
    """(width, number of feature maps) of each filter (Yu et al. 2017, appendix); widths above T are left out."""

    def __init__(self, num_tokens: int, max_length: int, embedding_size: int = 64, dropout: float = 0.25) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_tokens, embedding_size)
        self.windows = [(width, maps) for width, maps in self.filters if width <= max_length]
        self.convolutions = nn.ModuleList(nn.Linear(width * embedding_size, maps) for width, maps in self.windows)
        features = sum(maps for _, maps in self.windows)
        self.highway = Highway(features)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(features, 1)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens)  # type: ignore[no-any-return]

    def forward_embedded(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        # The bias of a map is the same at every place, so it is added to the greatest sum only.
        pooled = [
            convolve_max(embedded, layer.weight, width) + layer.bias
            for (width, _), layer in zip(self.windows, self._layers(), strict=True)
        ]
        return self._top(torch.cat(pooled, 1))

    def _top(self, pooled: Tensor) -> Tensor:
        return self.output(self.dropout(self.highway(F.relu(pooled))))[:, 0]  # type: ignore[no-any-return]

    @torch.no_grad()
    def score(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        if tokens.numel() < self.embedding.num_embeddings:  # With few sentences the tables cost more than they save.
            return super().score(tokens, lengths)
        pooled = self._pool_by_table(tokens).relu_()
        buffer = pooled.new_empty(TOP_ROWS, 2 * pooled.shape[1])
        for part in torch.split(pooled, TOP_ROWS):
            self.highway.forward_into(part, buffer)
        return self.output(pooled)[:, 0]  # type: ignore[no-any-return]

    def _layers(self) -> list[nn.Linear]:
        return cast(list[nn.Linear], list(self.convolutions))

    def _pool_by_table(self, tokens: Tensor) -> Tensor:
        """(N, T) tokens to the greatest sum of each feature map, (N, maps), filter by filter.

        The table of a filter, (width, V, maps), holds every token's contribution at every place of the window.
        """
        embedding = self.embedding.weight
        v, e = embedding.shape
        pooled = embedding.new_empty(len(tokens), self.output.in_features)
        # One buffer serves all tables: fresh memory costs more than the products that are written to it.
        buffer = embedding.new_empty(max(width * maps for width, maps in self.windows) * v)
        first = 0
        for (width, maps), layer in zip(self.windows, self._layers(), strict=True):
            table = buffer[: width * v * maps].view(width, v, maps)
            for contribution, weight in zip(table, torch.split(layer.weight, e, 1), strict=True):
                torch.mm(embedding, weight.T, out=contribution)
            place = torch.arange(width, device=tokens.device) * v
            for row in range(0, len(tokens), TABLE_ROWS):
                windows = tokens[row : row + TABLE_ROWS].unfold(1, width, 1)  # (n, places, width)
                sums = F.embedding_bag((windows + place).reshape(-1, width), table.flatten(0, 1), mode="sum")
                best = sums.reshape(*windows.shape[:2], maps).amax(1)
                pooled[row : row + TABLE_ROWS, first : first + maps] = best + layer.bias
            first += maps
        return pooled


class SmallConvolutionalDiscriminator(ConvolutionalDiscriminator):
    """A smaller version, with 100 maps of the widths 1, 2, 3 and 5: a fifteenth of the work, enough for small
    corpora."""

    filters = ((1, 100), (2, 100), (3, 100), (5, 100))


class RecurrentDiscriminator(Discriminator):
    """A recurrent network that scores every prefix; the score of the sentence is that of the last prefix.

    Args:
        core: Name of the sequence backbone.
    """

    scores_prefixes = True

    def __init__(
        self,
        num_tokens: int,
        max_length: int,
        embedding_size: int = 64,
        dropout: float = 0.25,
        hidden_size: int = 64,
        core: str = "gru",
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_tokens, embedding_size)
        self.core: SequenceBackbone = cores.get(core)(embedding_size, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, 1)

    def embed(self, tokens: Tensor) -> Tensor:
        return self.embedding(tokens)  # type: ignore[no-any-return]

    def forward_embedded(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        return self._prefix_scores(embedded).gather(1, lengths[:, None] - 1)[:, 0]

    def prefixes(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self._prefix_scores(self.embed(tokens))

    def _prefix_scores(self, embedded: Tensor) -> Tensor:
        x = self.dropout(embedded.transpose(0, 1))  # (T, N, E)
        start = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
        h, _ = self.core(x, self.core.initial_state(x.shape[1]), start)
        return self.output(self.dropout(h))[..., 0].T  # type: ignore[no-any-return]
