"""Reward ``rules``: hand-made measures of a good reply, without a network."""

from __future__ import annotations

import numpy as np

from lhy_rl.data.conversations import ConversationData
from lhy_rl.envs.dialogue.chat.counts import CountScorer
from lhy_rl.envs.dialogue.chat.rewards import Length
from lhy_rl.envs.dialogue.chat.turns import DullReplies, Words, overlap, repetition, turn_from_the_end


class Rules:
    """R = fluency (.2 ease + .2 flow + .4 coherence + .2 length), each of 0 to 1.

    ease of answering     1 - the share of the reply's words that a dull reply in it makes
    information flow      1 - the share of words that the speaker said in its own turn before, or repeats
    semantic coherence    mean over the reply's words of how much they belong to the context's: the largest positive
                          mutual information with one of its last turn's words, from counts, 1 at 3 nats
    length                min(1, words / 6)
    fluency               share of its pairs of neighbouring tokens that occur in a training reply; without it random
                          words scored higher than people's replies

    The first three are the terms of Li et al. (2016), section 4.3, without their networks. An empty reply gets 0.

    Args:
        data: The conversations; the training pairs are counted.
    """

    WEIGHTS = (0.2, 0.2, 0.4, 0.2)
    RELATED = 3.0  # nats

    def __init__(self, data: ConversationData) -> None:
        self.tokenizer = data.tokenizer
        self.dull = DullReplies(data.tokenizer)
        self.reader = self.dull.reader
        counted = CountScorer(data)
        self.answers, self.bigrams = counted.answers, counted.replies
        self.length = Length(data)

    def terms(self, contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(5, N) ease, flow, coherence, length and fluency."""
        reply = self.reader.words(replies, lengths)
        asked, own = (self._turn(contexts, back) for back in (1, 2))
        ease = 1 - self.dull.share(reply)
        flow = 1 - np.maximum(overlap(reply, own), repetition(reply))
        coherence, length = self.coherence(asked, reply), self.length(contexts, replies, lengths)
        terms = np.stack([ease, flow, coherence, length, self.fluency(replies, lengths)])
        result: np.ndarray = terms * (reply.counts > 0)
        return result

    def coherence(self, asked: Words, reply: Words) -> np.ndarray:
        """(N,) how much a reply's words belong to those of the turn that it answers, 0 to 1."""
        mean: np.ndarray = self.related(asked, reply).sum(1) / np.maximum(reply.counts, 1)
        return mean

    def related(self, asked: Words, reply: Words) -> np.ndarray:
        """(N, T) how much each word of a reply belongs to the turn that it answers, 0 to 1; 0 after the last word."""
        there = (asked.tokens >= 0)[:, :, None] & (reply.tokens >= 0)[:, None]
        first, second = np.maximum(asked.tokens, 0)[:, :, None], np.maximum(reply.tokens, 0)[:, None]
        information = self.answers.mutual_information(first, second) * there  # (N, L, T)
        share: np.ndarray = np.minimum(information.max(1) / self.RELATED, 1.0)
        return share

    def fluency(self, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """(N,) share of a reply's bigrams, with the start token, that occur in people's replies."""
        before = np.concatenate([np.full_like(replies[:, :1], self.tokenizer.start_token), replies[:, :-1]], 1)
        known = (self.bigrams.count(before, replies) > 0) & (np.arange(replies.shape[1]) < lengths[:, None])
        share: np.ndarray = known.sum(1) / np.maximum(lengths, 1)
        return share

    def _turn(self, contexts: np.ndarray, back: int) -> Words:
        turn = turn_from_the_end(contexts, back, self.tokenizer.end_token, self.tokenizer.pad_token)
        return self.reader.words(turn.tokens, turn.lengths)

    def __call__(self, contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        *terms, fluency = self.terms(contexts, replies, lengths)
        worth: np.ndarray = fluency * sum(w * term for w, term in zip(self.WEIGHTS, terms, strict=True))
        return worth


class Relevance(Rules):
    """How much a reply's different words belong to those of the turn that it answers, summed and divided by 6.

    Every word adds its own share, so a reward for every token can split this reward exactly.

    Args:
        data: The conversations; the training pairs are counted.
    """

    def __call__(self, contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        reply = self.reader.words(replies, lengths)
        again = np.tril(reply.tokens[:, :, None] == reply.tokens[:, None], -1).any(2)
        worth: np.ndarray = (self.related(self._turn(contexts, 1), reply) * ~again).sum(1) / Length.ENOUGH
        return worth
