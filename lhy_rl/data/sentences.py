"""Sentences to learn from: a corpus cut into training, validation and test sentences of token ids."""
from __future__ import annotations
from collections.abc import Mapping
from dataclasses import dataclass
from lhy_rl.data.corpora import Corpus
from lhy_rl.data.tokenizer import Tokenizer
from lhy_rl.protocols import Split, TokenSequences

@dataclass(frozen=True)
class SentenceData:
    corpus: Corpus
    tokenizer: Tokenizer
    splits: Mapping[Split, TokenSequences]      # tokens (N, max_length), end token included, pad behind
    statistics: Mapping[str, Mapping[str, float]]
    max_length: int
    # SentenceData.load(corpus="chitchat", tokenizer=None, max_length=20, min_length=1, vocabulary_size=None, min_count=1, drop_unknown=False, unique=True, train_size=None, split_seed=0)
    # max_length counts the end token. bleu references: [data.words(split)] -> list[list[int]] without end
