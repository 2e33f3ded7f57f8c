"""Reward ``rating``: the rating that people would give to a conversation with the reply's words."""

from __future__ import annotations

import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.data.conversations import ConversationData
from lhy_rl.data.corpora import CORPORA, Corpus, load_corpus
from lhy_rl.data.tokenizer import Tokenizer


class Rating:
    """A ridge regression from words to the mean rating (witty, interesting, upbeat; 1 to 10) of a conversation.

    The words of a conversation, weighted by (1 + log count) times inverse document frequency and brought to length 1,
    are mapped to its mean rating; ratings at the default of 5 are left out, 1,891 training conversations of chitchat
    remain. The reward of a reply is the predicted rating minus that of an unknown conversation. The regression is
    fitted on whole conversations, so for a single reply it measures which words good conversations have. In held-out
    conversations it correlates with the ratings at .54; the mere number of tokens does so at .55, so the measure is a
    shallow one.

    Args:
        data: Gives the corpus, the vocabulary and the splits; held-out conversations are not fitted.

    Attributes:
        correlation: Correlation with the ratings of the test conversations.
        length_correlation: The same for the logarithm of the number of their tokens.
        weights: (V,) weight of every token.
    """

    PENALTY = 3.0

    def __init__(self, data: ConversationData) -> None:
        if data.name not in CORPORA or not (corpus := load_corpus(data.name, turns=True)).ratings:
            raise UserError(f"reward 'rating' needs a corpus with human ratings, 'chitchat', not {data.name!r}")
        self.tokenizer = data.tokenizer
        counts, ratings = _rated(corpus, data.dealt["train"], self.tokenizer)
        held_out, held_out_ratings = _rated(corpus, data.dealt["test"], self.tokenizer)
        self.idf = np.log((1 + len(counts)) / (1 + (counts > 0).sum(0))) + 1
        features = self._features(counts)
        self.mean = float(ratings.mean())
        kernel = features @ features.T + self.PENALTY * np.eye(len(features))
        self.weights = features.T @ np.linalg.solve(kernel, ratings - self.mean)  # (V,)
        self.correlation = _correlation(self._features(held_out) @ self.weights, held_out_ratings)
        self.length_correlation = _correlation(np.log1p(held_out.sum(1)), held_out_ratings)

    def _features(self, counts: np.ndarray) -> np.ndarray:
        weighted = np.log1p(counts) * self.idf
        features: np.ndarray = weighted / np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-9)
        return features

    def __call__(self, contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        mask = (np.arange(replies.shape[1]) < lengths[:, None]) & (replies > self.tokenizer.unknown_token)
        same = (replies[:, :, None] == replies[:, None]) & mask[:, :, None] & mask[:, None]
        count = same.sum(2)  # (N, T) how often each token occurs in its reply
        first = mask & ~np.tril(same, -1).any(2)
        weighted = np.log1p(count) * self.idf[replies] * first
        norm = np.sqrt((weighted**2).sum(1))
        worth: np.ndarray = (weighted * self.weights[replies]).sum(1) / np.maximum(norm, 1e-9)
        return worth


def _rated(corpus: Corpus, rows: list[int], tokenizer: Tokenizer) -> tuple[np.ndarray, np.ndarray]:
    """(N, V) counts of the known words and (N,) mean ratings of the rated conversations."""
    rated = [i for i in rows if corpus.ratings[i]]
    counts = np.zeros((len(rated), tokenizer.observation_size))
    for row, i in enumerate(rated):
        tokens = tokenizer.encode(" ".join(corpus.conversations[i]))
        counts[row] = np.bincount(tokens, minlength=tokenizer.observation_size)
    counts[:, [tokenizer.end_token, tokenizer.unknown_token]] = 0
    return counts, np.array([np.mean(list(corpus.ratings[i].values())) for i in rated])


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])
