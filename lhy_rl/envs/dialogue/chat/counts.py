"""A dialogue model of word counts: which words answer which. It needs no network, and is built in a second.

    p(y_t | y_<t, x) = a bigram(y_t | y_t-1) + b mean_x n(x, y_t) / n(x)  + c n(y_t) / n + d / V

with n(x, y) the number of times that y is in a reply to a turn that contains x. It scores replies forward and, with the
roles exchanged, backward, so that the rewards of Li et al. (2016) have a scorer where no model was trained.
"""

from __future__ import annotations

import numpy as np

from lhy_rl.core.protocols import TokenSequences
from lhy_rl.data.conversations import ConversationData
from lhy_rl.envs.dialogue.chat.turns import turn_from_the_end

WEIGHTS = (0.4, 0.4, 0.19, 0.01)  # of bigram, answers, unigram, uniform


class Table:
    """Sparse counts n(x, y).

    Args:
        first, second: (N,) tokens x and y, one entry for each occurrence.
        size: Number of tokens.
    """

    def __init__(self, first: np.ndarray, second: np.ndarray, size: int) -> None:
        self.size = size
        self.codes, self.counts = np.unique(first * size + second, return_counts=True)
        self.first = np.bincount(first, minlength=size)  # n(x)
        self.second = np.bincount(second, minlength=size)  # n(y)

    def count(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """n(x, y) of tokens, broadcast against each other."""
        codes = first * self.size + second
        if not len(self.codes):
            return np.zeros(codes.shape)
        at = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[at] == codes, self.counts[at], 0)

    def given(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """p(y | x) = n(x, y) / n(x)."""
        share: np.ndarray = self.count(first, second) / np.maximum(self.first[first], 1)
        return share

    def mutual_information(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """max(0, log n(x, y) n / (n(x) n(y))) in nats, discounted for rare pairs by the factor
        n(x, y) / (n(x, y) + 5)."""
        together = self.count(first, second)
        chance = self.first[first] * self.second[second] / max(int(self.counts.sum()), 1)
        information = np.log(np.maximum(together, 1e-9) / np.maximum(chance, 1e-9))
        positive: np.ndarray = np.where(together > 0, np.maximum(information, 0.0), 0.0) * together / (together + 5)
        return positive


class CountScorer:
    """Scores replies by counts from the training pairs; a :class:`~lhy_rl.core.protocols.ReplyScorer`.

    Args:
        data: The conversations; the training pairs are counted.
    """

    def __init__(self, data: ConversationData) -> None:
        self.tokenizer = data.tokenizer
        size = self.tokenizer.observation_size
        pairs = data.pairs["train"]
        assert pairs.sources is not None
        turns = turn_from_the_end(pairs.sources, 1, self.tokenizer.end_token, self.tokenizer.pad_token)
        longest = int(turns.lengths.max())
        turn_tokens, turn_mask = turns.tokens[:, :longest], turns.mask[:, :longest]
        both = turn_mask[:, :, None] & pairs.mask[:, None]
        x, y = (np.broadcast_to(t, both.shape)[both] for t in (turn_tokens[:, :, None], pairs.tokens[:, None]))
        self.answers, self.asks = Table(x, y, size), Table(y, x, size)
        self.replies = _bigrams(pairs, self.tokenizer.start_token, size)
        self.turns = _bigrams(turns, self.tokenizer.start_token, size)

    def forward(self, pairs: TokenSequences) -> np.ndarray:
        """(N,) log p(reply | source) in nats."""
        assert pairs.sources is not None and pairs.source_mask is not None
        return self._log_prob(self.answers, self.replies, pairs.sources, pairs.source_mask, pairs)

    def backward(self, pairs: TokenSequences) -> np.ndarray:
        """(N,) log p(last turn of the source | reply) in nats."""
        assert pairs.sources is not None
        asked = turn_from_the_end(pairs.sources, 1, self.tokenizer.end_token, self.tokenizer.pad_token)
        return self._log_prob(self.asks, self.turns, pairs.tokens, pairs.mask, asked)

    def similarity(self, first: TokenSequences, second: TokenSequences) -> np.ndarray:
        """(N,) cosine of the utterances' words, each weighted by -log of its frequency; 0 where one has none."""
        frequency = (self.replies.second + 1) / (self.replies.second.sum() + self.answers.size)
        weight = -np.log(frequency) * (np.arange(self.answers.size) != self.tokenizer.end_token)

        def product(a: TokenSequences, b: TokenSequences) -> np.ndarray:
            left, right = weight[a.tokens] * a.mask, weight[b.tokens] * b.mask
            same = a.tokens[:, :, None] == b.tokens[:, None]
            total: np.ndarray = (same * left[:, :, None] * right[:, None]).sum((1, 2))
            return total

        scale = np.sqrt(product(first, first) * product(second, second))
        return np.where(scale > 0, product(first, second) / np.where(scale > 0, scale, 1.0), 0.0)

    def _log_prob(
        self, answers: Table, order: Table, given: np.ndarray, given_mask: np.ndarray, reply: TokenSequences
    ) -> np.ndarray:
        """(N,) log-probability of utterances (N, T), given the words (N, L)."""
        longest = max(int(given_mask.sum(1).max(initial=0)), 1)  # sources are filled from the left
        given, given_mask = given[:, :longest], given_mask[:, :longest]
        tokens, mask = reply.tokens, reply.mask
        before = np.concatenate([np.full_like(tokens[:, :1], self.tokenizer.start_token), tokens[:, :-1]], 1)
        shares = answers.given(given[:, :, None], tokens[:, None]) * given_mask[:, :, None]  # (N, L, T)
        answer = shares.sum(1) / np.maximum(given_mask.sum(1), 1)[:, None]
        bigram, unigram = order.given(before, tokens), order.second[tokens] / max(int(order.second.sum()), 1)
        a, b, c, d = WEIGHTS
        probability = a * bigram + b * answer + c * unigram + d / self.tokenizer.vocabulary_size
        total: np.ndarray = (np.log(probability) * mask).sum(1)
        return total


def _bigrams(reply: TokenSequences, start_token: int, size: int) -> Table:
    before = np.concatenate([np.full_like(reply.tokens[:, :1], start_token), reply.tokens[:, :-1]], 1)
    return Table(before[reply.mask], reply.tokens[reply.mask], size)
