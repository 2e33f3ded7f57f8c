"""Reward ``bleu``: overlap of a reply with the human replies to the same context."""

from __future__ import annotations

import numpy as np

from lhy_rl.core.errors import UserError
from lhy_rl.data.conversations import ConversationData
from lhy_rl.functional.text_metrics import BleuScorer, unpadded


class Bleu:
    """BLEU, 0 to 1, of n-grams up to 2, smoothed, with all human replies to the same context as references.

    Args:
        data: The conversations; pairs of all splits are references.
    """

    ORDER = 2

    def __init__(self, data: ConversationData) -> None:
        self.end_token = data.tokenizer.end_token
        self.replies: dict[bytes, list[list[int]]] = {}
        for pairs in data.pairs.values():
            assert pairs.sources is not None
            for source, reply in zip(pairs.sources, unpadded(pairs.tokens, self.end_token, pairs.lengths), strict=True):
                self.replies.setdefault(source.tobytes(), []).append(reply)
        self.scorers: dict[bytes, BleuScorer] = {}

    def __call__(self, contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        sentences = unpadded(replies, self.end_token, lengths)
        return np.array([self._score(context, reply) for context, reply in zip(contexts, sentences, strict=True)])

    def _score(self, context: np.ndarray, reply: list[int]) -> float:
        key = context.tobytes()
        if key not in self.scorers:
            if key not in self.replies:
                raise UserError("reward 'bleu' needs a context of its corpus; this one has no human reply")
            self.scorers[key] = BleuScorer(self.replies[key], self.ORDER)
        return float(self.scorers[key].sentence_scores([reply])[0]) if reply else 0.0
