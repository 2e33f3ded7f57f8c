"""Rewards ``li`` and ``pmi``: a reply as scored by two frozen dialogue models."""

from __future__ import annotations

import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ReplyScorer, TokenSequences
from lhy_rl.data.conversations import ConversationData
from lhy_rl.envs.dialogue.chat.rewards import closed
from lhy_rl.envs.dialogue.chat.turns import DullReplies, turn_from_the_end


class LiReward:
    """r = .25 r1 + .25 r2 + .5 r3, exactly as in Li et al. (2016), section 4.3.

        r1 = - (1/S) sum_s (1/N_s) log p(s | a)              ease of answering, over the dull replies s
        r2 = - log cos(h(p), h(a))                           information flow, p the same speaker's turn before
        r3 = (1/N_a) log p(a | q, p) + (1/N_q) log p_back(q | a)

    a is the reply, q the turn that it answers. The cosine is clipped to [1e-3, 1], so that its log is finite; r2 is 0
    where there is no previous turn. The reward does not encourage variety: watch the number of distinct replies
    (docs/benchmarks/dialogue.md).

    Args:
        data: The conversations, for their tokenizer.
        scorer: The forward and backward models.
    """

    WEIGHTS = (0.25, 0.25, 0.5)
    COSINES = (1e-3, 1.0)

    def __init__(self, data: ConversationData, scorer: ReplyScorer) -> None:
        self.tokenizer, self.scorer = data.tokenizer, scorer
        self.dull = DullReplies(data.tokenizer).probes
        if not len(self.dull):
            raise UserError("reward 'li' needs dull replies, and the vocabulary can write none; enlarge the vocabulary")

    def terms(self, contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(3, N) r1, r2, r3."""
        end, pad = self.tokenizer.end_token, self.tokenizer.pad_token
        reply = closed(replies, lengths, self.tokenizer)
        asked, own = (turn_from_the_end(contexts, back, end, pad) for back in (1, 2))
        pairs = TokenSequences(reply.tokens, reply.lengths, contexts, (contexts != pad).sum(1))
        cosine = np.clip(self.scorer.similarity(own, reply), *self.COSINES)
        flow = np.where(own.lengths > 0, -np.log(cosine), 0.0)
        forward = self.scorer.forward(pairs) / reply.lengths
        backward = self.scorer.backward(pairs) / np.maximum(asked.lengths, 1)
        return np.stack([self._ease(reply, contexts.shape[1]), flow, forward + backward])

    def _ease(self, reply: TokenSequences, width: int) -> np.ndarray:
        """(N,) r1: each reply becomes a context, and each dull reply an answer to it."""
        n, s = len(reply), len(self.dull)
        room = max(width, reply.tokens.shape[1])
        sources = np.pad(
            reply.tokens, ((0, 0), (0, room - reply.tokens.shape[1])), constant_values=self.tokenizer.pad_token
        )
        pairs = TokenSequences(
            np.tile(self.dull.tokens, (n, 1)), np.tile(self.dull.lengths, n),
            np.repeat(sources, s, 0), np.repeat(reply.lengths, s),
        )  # fmt: skip
        each = self.scorer.forward(pairs) / pairs.lengths  # (N S,)
        ease: np.ndarray = -each.reshape(n, s).mean(1)
        return ease

    def __call__(self, contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        terms = self.terms(contexts, replies, lengths)
        worth: np.ndarray = sum(w * term for w, term in zip(self.WEIGHTS, terms, strict=True))
        return worth


class MutualInformation:
    """2 (log p(a | q, p) - log p(a | q', p')) / N_a: how much likelier a reply is in its own context than in another.

    The other context (q', p') is one of 997 training contexts, chosen by a hash of the context's own tokens, so that
    the same reply to the same context always has the same reward. A reply that fits every context gets 0.

    Args:
        data: The conversations; the other contexts are from the training split.
        scorer: The forward model.
    """

    OTHERS = 997

    def __init__(self, data: ConversationData, scorer: ReplyScorer) -> None:
        self.tokenizer, self.scorer = data.tokenizer, scorer
        sources = data.pairs["train"].sources
        assert sources is not None
        rows = np.random.default_rng(0).permutation(len(sources))[: self.OTHERS]
        self.others = sources[rows]
        self.factors = np.arange(1, 2 * sources.shape[1], 2)

    def __call__(self, contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        reply = closed(replies, lengths, self.tokenizer)
        number = (contexts * self.factors[: contexts.shape[1]]).sum(1)
        other = self.others[number % len(self.others)]
        own, elsewhere = (
            self.scorer.forward(
                TokenSequences(reply.tokens, reply.lengths, given, (given != self.tokenizer.pad_token).sum(1))
            )
            for given in (contexts, other)
        )
        information: np.ndarray = 2 * (own - elsewhere) / reply.lengths
        return information
