"""Recurrent source encoders: a vector for each token in its context (Sutskever et al. 2014).

The sources are concatenated to one sequence with a start at each, and the policy's own backbones run over it. They
split it at the starts and pack the pieces, so that no step is spent on padding.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from lhy_rl.nn.backbones.base import SequenceBackbone, cores
from lhy_rl.nn.sources.base import Reading, RealPlaces, SourceEmbedding, SourceEncoder, SourceOptions


class BothWays(nn.Module):
    """A backbone over many short sequences; with ``bidirectional`` a second one runs from their ends.

    Args:
        core: Name of a backbone.
        input_size: Width of the inputs.
        output_size: E, width of the outputs; each of two directions has half of it (Schuster and Paliwal 1997).
        bidirectional: Whether there are two directions.
        num_layers: Number of layers of each direction.
    """

    def __init__(self, core: str, input_size: int, output_size: int, bidirectional: bool, num_layers: int) -> None:
        super().__init__()
        width = output_size // 2 if bidirectional else output_size
        make: type[SequenceBackbone] = cores.get(core)
        self.ahead = make(input_size, width, num_layers)
        self.back = make(input_size, width, num_layers) if bidirectional else None
        self.output_size = output_size

    def forward(self, x: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """Run over sequences.

        Args:
            x: (R, I), the sequences one after the other.
            first: (R,) bool: a sequence begins here; true at row 0.

        Returns:
            Outputs (R, E), and each sequence's final outputs in its directions, (S, E).
        """
        if not len(x):
            return x.new_zeros(0, self.output_size), x.new_zeros(0, self.output_size)
        last = first.roll(-1)
        y = _run(self.ahead, x, first)
        if self.back is None:
            return y, y[last]
        z = _run(self.back, x.flip(0), last.flip(0)).flip(0)
        return torch.cat([y, z], -1), torch.cat([y[last], z[first]], -1)


def _run(core: SequenceBackbone, x: Tensor, first: Tensor) -> Tensor:
    y: Tensor
    y, _ = core(x[:, None], core.initial_state(1), first[:, None])
    return y[:, 0]


class RecurrentEncoder(SourceEncoder):
    """The states of a recurrent network that reads the source; the summary is its last one."""

    core: str

    def __init__(self, space: gym.Space[Any], options: SourceOptions) -> None:
        super().__init__()
        size = options.size
        self.embedding = SourceEmbedding(space, size)
        self.network = BothWays(self.core, size, size, options.bidirectional, options.num_layers)

    def forward(self, source: Tensor, mask: Tensor) -> Reading:
        rows = RealPlaces.of(mask)
        y, ends = self.network(self.embedding(source[mask]), rows.first)
        summary = y.new_zeros(len(mask), y.shape[1]).index_put((rows.source[rows.first],), ends)
        return Reading(summary, rows.scatter(y, mask), mask)


class GRUEncoder(RecurrentEncoder):
    """A GRU over the source."""

    core = "gru"


class LSTMEncoder(RecurrentEncoder):
    """An LSTM over the source."""

    core = "lstm"
