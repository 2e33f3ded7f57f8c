"""The neural probabilistic language model: a window of token vectors, a layer, a softmax (Bengio et al. 2003, eq. 1).

    x = (C(w_t-1), ..., C(w_t-n+1)),     log p(w | x) = b_w + U_w . tanh(d + H x) + W_w . x - log Z(x)

An n-gram model that has read "the cat sat" learns nothing from it about "the dog sat". Here tokens that are used alike
get similar vectors, and what is learned from one window generalises to similar ones.

As a matrix factorisation: write down all log p(w | c), a row for each context c and a column for
each token w. An n-gram table fills in the cells that it has counted, one by one. The model says that the matrix of
logits has a low rank: a context is a vector f(c) = (1, tanh(...), x) and a token a vector g(w) = (b_w, U_w, W_w), and
the cell is f(c) . g(w), for all pairs, counted or not. With ``hidden_size=0`` f is linear in the tokens' vectors: the
log-bilinear model (Mnih and Hinton 2007). Drop the normalisation and compare each pair with k random ones instead, and
f(c) . g(w) tends to log [p(w, c) / (p(w) p(c))] - log k: word2vec's vectors factorise a matrix of pointwise mutual
information (Levy and Goldberg 2014, section 3).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from lhy_rl.core.errors import UserError
from lhy_rl.core.validation import integer
from lhy_rl.nn.heads.categorical import CategoricalHead
from lhy_rl.nn.language_models.network import NetworkModel


class NeuralModel(NetworkModel):
    """A window of ``order`` - 1 token vectors, a tanh layer and a softmax (Bengio et al. 2003).

    Args:
        vocabulary_size: V, number of tokens that may come next.
        order: n, one more than the tokens of the window, at least 2; sentences are padded with start tokens in front.
        embedding_size: E, width of a token's vector.
        hidden_size: H, width of the tanh layer; 0 leaves it out, which makes the model log-bilinear.
        direct: Whether the vectors are also connected to the output directly.
        **training: ``epochs``, ``learning_rate``, ``batch_size``, ``max_grad_norm``, ``seed`` and ``device`` of
            :class:`~lhy_rl.nn.language_models.network.NetworkModel`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        order: int = 5,
        embedding_size: int = 64,
        hidden_size: int = 128,
        direct: bool = False,
        **training: Any,
    ) -> None:
        self.order = integer("order", order, 2)
        self.embedding_size = integer("embedding_size", embedding_size, 1)
        self.hidden_size, self.direct = integer("hidden_size", hidden_size, 0), direct
        if not direct and not hidden_size:
            raise UserError("hidden_size is 0 and direct is false: nothing connects the window with the output")
        super().__init__(vocabulary_size, **training)
        self.initialize()

    def make_network(self) -> nn.Module:
        return _Window(self.vocabulary_size, self.order - 1, self.embedding_size, self.hidden_size, self.direct)

    def token_log_probs(self, tokens: Tensor, mask: Tensor) -> Tensor:
        network = cast(_Window, self.network)
        features = network(windows(tokens, self.order - 1, self.vocabulary_size)[mask])  # (R, F)
        rows = network.head.log_prob(features, tokens[mask])
        return rows.new_zeros(mask.shape).masked_scatter(mask, rows)


def windows(tokens: Tensor, width: int, start: int) -> Tensor:
    """(N, T) tokens to (N, T, width): the tokens before each, the oldest first, padded with ``start``."""
    begin = tokens.new_full((len(tokens), width), start)
    return torch.cat([begin, tokens[:, :-1]], 1).unfold(1, width, 1)


class _Window(nn.Module):
    """(N, width) tokens to features (N, H), (N, width E) or both concatenated."""

    def __init__(self, vocabulary_size: int, width: int, embedding_size: int, hidden_size: int, direct: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size + 1, embedding_size)  # C, and the start's vector
        self.hidden = nn.Linear(width * embedding_size, hidden_size) if hidden_size else None
        self.direct = direct
        self.head = CategoricalHead(hidden_size + direct * width * embedding_size, vocabulary_size)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).flatten(1)
        parts = [self.hidden(x).tanh()] if self.hidden is not None else []
        return torch.cat([*parts, x], 1) if self.direct else parts[0]
