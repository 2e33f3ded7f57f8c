"""Utterances as padded arrays of tokens: extracted from contexts, compared, and checked for dull replies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

import lhy_rl.data
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.data.sentences import pack
from lhy_rl.data.tokenizer import Tokenizer

DULL_FILE = Path(lhy_rl.data.__file__).parent / "dull_replies.yaml"
OVERLAP = 0.8
"""A bot repeats itself where more than this share of words are those of its last utterance (Li et al. 2016, 4.1)."""


def turn_from_the_end(contexts: np.ndarray, back: int, end_token: int, pad_token: int) -> TokenSequences:
    """One turn of every context, the last one for ``back=1``, with its end token; empty where there is none.

    Args:
        contexts: (N, L) tokens, each turn closed by the end token, padded at the end.
    """
    ends = np.cumsum((contexts == end_token)[:, ::-1], 1)[:, ::-1]  # number of end tokens from here on
    mine = (ends == back) & (contexts != pad_token)
    order = np.argsort(~mine, axis=1, kind="stable")
    lengths = mine.sum(1)
    filled = np.arange(contexts.shape[1]) < lengths[:, None]
    return TokenSequences(np.where(filled, np.take_along_axis(contexts, order, 1), pad_token), lengths)


@dataclass(frozen=True)
class Words:
    """Utterances without punctuation, unknown words, end tokens and pads.

    Attributes:
        tokens: (N, T) words, left-aligned; -1 after them.
        counts: (N,) numbers of words.
    """

    tokens: np.ndarray
    counts: np.ndarray


class WordReader:
    """Distinguishes words from punctuation.

    Args:
        tokenizer: The tokenizer of the tokens.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.is_word = np.zeros(tokenizer.observation_size, bool)  # neither an end token, nor unknown, nor punctuation
        self.is_word[2 : tokenizer.vocabulary_size] = [any(map(str.isalnum, word)) for word in tokenizer.words]
        self.pad_token = tokenizer.pad_token

    def words(self, tokens: np.ndarray, lengths: np.ndarray) -> Words:
        """(N, T) tokens and (N,) lengths to their words."""
        mine = self.is_word[tokens] & (np.arange(tokens.shape[1]) < lengths[:, None])
        order = np.argsort(~mine, axis=1, kind="stable")
        kept = np.take_along_axis(np.where(mine, tokens, -1), order, 1)
        return Words(kept, mine.sum(1))


def overlap(first: Words, second: Words) -> np.ndarray:
    """(N,) share of words that two utterances have in common, the smaller of both shares; 0 if one is empty."""
    same = (first.tokens[:, :, None] == second.tokens[:, None]) & (first.tokens[:, :, None] >= 0)
    counts = np.minimum(first.counts, second.counts)
    shares = (same.any(2).sum(1) / np.maximum(first.counts, 1), same.any(1).sum(1) / np.maximum(second.counts, 1))
    return np.where(counts > 0, np.minimum(*shares), 0.0)


def repetition(words: Words) -> np.ndarray:
    """(N,) share of an utterance's words that are repetitions of earlier ones."""
    tokens = words.tokens
    same = (tokens[:, :, None] == tokens[:, None]) & (tokens[:, :, None] >= 0)
    again = np.tril(same, -1).any(2).sum(1)
    share: np.ndarray = again / np.maximum(words.counts, 1)
    return share


class DullReplies:
    """The shipped list of dull replies, both languages, in a vocabulary.

    A reply is dull if it contains one of them and that makes up more than half of its words, or if it has no words.

    Args:
        tokenizer: Replies of the list that hold words unknown to it are left out.

    Attributes:
        replies: The list in tokens, the first eight known ones of each language first.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.reader = WordReader(tokenizer)
        listed: dict[str, list[str]] = yaml.safe_load(DULL_FILE.read_text(encoding="utf-8"))
        known: list[tuple[int, ...]] = []
        probes: list[tuple[int, ...]] = []
        for texts in listed.values():
            ids = [tuple(tokenizer.encode(text)) for text in texts]
            mine = [row for row in ids if row and self.reader.is_word[list(row)].all()]
            probes += mine[:8]
            known += mine
        self.replies = [np.array(row) for row in known]
        longest = max(map(len, probes), default=0) + 1
        self.probes = pack(probes, tokenizer, longest)
        """The dull replies used for ease of answering, eight per language, each closed by the end token."""

    def share(self, words: Words) -> np.ndarray:
        """(N,) the share of each reply's words that belong to a dull reply in it: 1 for a dull reply itself, 0 without
        one."""
        most = np.zeros(len(words.counts))
        tokens = words.tokens
        for reply in self.replies:
            size = len(reply)
            if size > tokens.shape[1]:
                continue
            windows = np.lib.stride_tricks.sliding_window_view(tokens, size, axis=1)  # (N, T - size + 1, size)
            found = (windows == reply).all(2).any(1)
            most = np.maximum(most, found * size / np.maximum(words.counts, 1))
        return np.where(words.counts > 0, most, 1.0)

    def is_dull(self, words: Words) -> np.ndarray:
        """(N,) bool."""
        dull: np.ndarray = self.share(words) > 0.5
        return dull
