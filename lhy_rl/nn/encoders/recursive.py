"""Recursive networks: a tree's vector is computed from its parts' vectors by one function, from the leaves up.

    p = g(a, b)              the vector of a phrase of two parts

The plain network has g = tanh(W [a; b]) (Socher et al. 2011); other choices of g are in :mod:`lhy_rl.nn.encoders.rntn`
and :mod:`lhy_rl.nn.encoders.mv_rnn`. A leaf is the learned vector of its symbol. The symbol of a node with children is
the first word of its phrase, which is composed from the left: with an operator o over a and b, p = g(g(o, a), b). A
node without a symbol has p = g(a, b).

All nodes of one height, in all trees of a batch, are computed in one call (:mod:`lhy_rl.nn.encoders.tree_levels`).
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.nn.encoders.base import Encoder, EncoderOptions, refuse
from lhy_rl.nn.encoders.tree_levels import TreeLevels
from lhy_rl.nn.layers.dense import dense


class TreeEncoder(Encoder):
    """Tables of trees, (..., N, 3), to the vectors of their roots, (..., E); ``hidden_sizes`` adds dense layers.

    It reads Box spaces of integers of shape (N, 3), in which the upper bound of the first column is the last symbol.
    The weights do not depend on N. ``norm="layer"`` normalises every vector before its tanh (Ba et al. 2016): without
    it the tanhs of high trees saturate, and training on low trees does not generalise to high ones. Activation,
    ``batch`` and dropout concern the dense layers only.

    A subclass implements :meth:`word` and :meth:`compose` for nodes (R, width), of which the first E numbers are the
    vector.
    """

    name: ClassVar[str]

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        super().__init__()
        if not isinstance(space, gym.spaces.Box) or space.dtype.kind not in "iu" or space.shape[1:] != (3,):
            raise refuse(self.name, space, "Box spaces of whole numbers of shape (N, 3): symbol and two children a row")
        self.num_symbols = int(np.max(space.high[:, 0])) + 1
        self.size = options.embedding_size
        widths = options.widths if options.hidden_sizes is not None else ()
        activation = options.activation_or("tanh")
        self.norm = nn.LayerNorm(self.size) if options.norm == "layer" else nn.Identity()
        self.make(self.size)
        self.layers = dense(self.size, widths, activation, options.norm, options.dropout, options.dense_layers)
        self.output_size = (self.size, *widths)[-1]
        self.owns_initialization = activation == "selu" and len(widths) > 0

    @abstractmethod
    def make(self, size: int) -> None:
        """Make the parameters for vectors of this size."""

    @abstractmethod
    def word(self, symbol: Tensor) -> Tensor:
        """(R,) symbols to nodes (R, width)."""

    @abstractmethod
    def compose(self, a: Tensor, b: Tensor) -> Tensor:
        """Left parts (R, width) and right parts (R, width) to the composed nodes (R, width)."""

    def forward(self, obs: Tensor) -> Tensor:
        leading = obs.shape[:-2]
        tables = obs.reshape(leading.numel(), *obs.shape[-2:])
        if not len(tables):
            return self.layers(next(self.parameters()).new_zeros(0, self.size)).view(*leading, self.output_size)  # type: ignore[no-any-return]
        unknown = (tables[..., 0] >= self.num_symbols) | (tables[..., 0] < 0)
        if bool(unknown.any()):
            symbol = int(tables[..., 0][unknown][0])
            raise UserError(f"symbol {symbol} is not known; allowed: 1 to {self.num_symbols - 1}, and 0 for none")
        levels = TreeLevels.of(tables)
        vectors = self.nodes(levels)[levels.root, : self.size]  # (M, E)
        return self.layers(vectors).view(*leading, self.output_size)  # type: ignore[no-any-return]

    def nodes(self, levels: TreeLevels) -> Tensor:
        """(R, width): all nodes, level by level; each distinct word is computed once."""
        symbols, place = torch.unique(levels.symbol, return_inverse=True)
        words = self.word(symbols)
        nodes = words[place[: levels.bounds[1]]]
        for first, end in itertools.pairwise(levels.bounds[1:]):
            symbol, right = levels.symbol[first:end], levels.right[first:end]
            phrase = nodes[levels.left[first:end]]
            worded = (symbol > 0).nonzero()[:, 0]
            phrase = _replaced(phrase, worded, self.compose(words[place[first:end][worded]], phrase[worded]))
            paired = (right >= 0).nonzero()[:, 0]
            phrase = _replaced(phrase, paired, self.compose(phrase[paired], nodes[right[paired]]))
            nodes = torch.cat([nodes, phrase])
        return nodes


def _replaced(phrases: Tensor, rows: Tensor, new: Tensor) -> Tensor:
    """A copy of the phrases (R, width) with some rows replaced."""
    return new if len(rows) == len(phrases) else phrases.index_copy(0, rows, new)


class RecursiveEncoder(TreeEncoder):
    """The plain recursive network: p = tanh(W [a; b] + w) (Socher et al. 2013, section 4.1)."""

    name = "recursive"

    def make(self, size: int) -> None:
        self.words = nn.Embedding(self.num_symbols, size)
        self.linear = nn.Linear(2 * size, size)

    def word(self, symbol: Tensor) -> Tensor:
        return self.words(symbol)  # type: ignore[no-any-return]

    def compose(self, a: Tensor, b: Tensor) -> Tensor:
        return self.norm(self.linear(torch.cat([a, b], -1))).tanh()  # type: ignore[no-any-return]
