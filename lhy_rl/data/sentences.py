"""Sentences to learn from: a corpus as training, validation and test sentences of token ids.

Conversations, not sentences, are distributed over the three splits, so that no conversation is divided. A validation
sentence never occurs in the training sentences, and a test sentence in neither, even up to case and punctuation: so
copying is not rewarded.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np

from lhy_rl.core.errors import UserError, suggest
from lhy_rl.core.protocols import SPLITS, Split, TokenSequences
from lhy_rl.data.corpora import CORPORA, Corpus, corpus_name, load_corpus
from lhy_rl.data.tokenizer import KINDS, Tokenizer, TokenizerKind, split


@dataclass(frozen=True)
class SplitStatistics:
    """Counts of one split's utterances. The counts of the left-out ones are in the order of the filters.

    Attributes:
        conversations: Conversations in this split.
        utterances: Utterances in them.
        too_long: Left out: more than ``max_length - 1`` words.
        too_short: Left out: fewer than ``min_length`` words.
        unknown: Left out: a word outside the vocabulary, if ``drop_unknown`` is set.
        duplicates: Left out: repeated in this split, if ``unique`` is set. All unknown words count as one word.
        leaks: Left out: also in the training sentences (for test: or validation's), up to case and punctuation.
        sentences: Remaining sentences.
        words: Words in the remaining sentences, without end tokens.
        unknown_rate: Share of unknown words in all utterances of the right length, before any is left out.
    """

    conversations: int
    utterances: int
    too_long: int
    too_short: int
    unknown: int
    duplicates: int
    leaks: int
    sentences: int
    words: int
    unknown_rate: float

    @property
    def mean_length(self) -> float:
        """Words per sentence, without the end token."""
        return self.words / max(self.sentences, 1)


@dataclass(frozen=True)
class SentenceData:
    """A corpus as sentences of token ids.

    Attributes:
        name: The corpus's name or path.
        licence: The text's licence; "" if unknown.
        source: The work to cite; "" if unknown.
        tokenizer: Built from the training sentences alone.
        splits: Per split tokens (N, max_length), every sentence with an end token and padding after it.
        statistics: Per split the counts of kept and left-out utterances.
        max_length: T, maximum number of tokens of a sentence, including the end token.
    """

    name: str
    licence: str
    source: str
    tokenizer: Tokenizer
    splits: Mapping[Split, TokenSequences]
    statistics: Mapping[Split, SplitStatistics]
    max_length: int

    @staticmethod
    def load(
        corpus: str | os.PathLike[str] = "chitchat",
        *,
        tokenizer: TokenizerKind | None = None,
        max_length: int = 20,
        min_length: int = 1,
        vocabulary_size: int | None = None,
        min_count: int = 1,
        drop_unknown: bool = False,
        unique: bool = True,
        conversations: int | None = None,
        split_seed: int = 0,
    ) -> SentenceData:
        """The sentences of a corpus: 80% of its conversations for training, 10% for validation, 10% for test.

        The last results are cached; every caller gets its own arrays. A text file that has changed is read again.

        Args:
            corpus: A name in :data:`~lhy_rl.data.corpora.CORPORA` or the path of a UTF-8 text file.
            tokenizer: "word", "character" or "space"; None: the one that suits the corpus.
            max_length: Maximum number of tokens of a sentence, including the end token; longer utterances are left out.
            min_length: Minimum number of words of a sentence, without the end token; shorter utterances are left out.
            vocabulary_size: Maximum number of actions (words, end, unknown); None: all words.
            min_count: Words rarer than this in the training text are treated as unknown.
            drop_unknown: Leave out sentences with unknown words, in all three splits; otherwise a model would be
                evaluated on the unknown token without training on it. False keeps them with the unknown token.
            unique: Keep every sentence once per split. False keeps frequent ones ("yeah") as often as they occur.
            conversations: Number of conversations to use, drawn with ``split_seed``; None: all. Fewer load faster.
            split_seed: Seed of the distribution of conversations over the splits.

        Raises:
            UserError: An argument or the corpus is invalid, or a split has no sentence.
        """
        if tokenizer is not None and tokenizer not in KINDS:
            raise suggest(str(tokenizer), KINDS, "tokenizer")
        for argument, value, least in (
            ("max_length", max_length, 2),
            ("min_length", min_length, 1),
            ("conversations", 3 if conversations is None else conversations, 3),
            ("split_seed", split_seed, 0),
        ):
            if value < least:
                raise UserError(f"{argument}={value} is not allowed; must be at least {least}")
        if min_length >= max_length:
            raise UserError(
                f"min_length={min_length} does not fit into max_length={max_length}; "
                "max_length counts the end token too, so it must be larger"
            )
        name = corpus_name(corpus)
        options = _Options(
            corpus=name,
            stamp=file_stamp(name),
            tokenizer=tokenizer,
            max_length=max_length,
            min_length=min_length,
            vocabulary_size=vocabulary_size,
            min_count=min_count,
            drop_unknown=drop_unknown,
            unique=unique,
            conversations=conversations,
            split_seed=split_seed,
        )
        kept = _load(options)
        splits = {key: TokenSequences(s.tokens.copy(), s.lengths.copy()) for key, s in kept.splits.items()}
        return replace(kept, splits=splits)

    def words(self, split: Split) -> list[list[int]]:
        """The sentences of a split as lists of ids without end and pad tokens, for text metrics."""
        sequences = self.splits[split]
        return [
            row[: length - 1] for row, length in zip(sequences.tokens.tolist(), sequences.lengths.tolist(), strict=True)
        ]

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(part):,} {name}" for name, part in self.splits.items())
        tokenizer = f"{self.tokenizer.kind} tokenizer, {self.tokenizer.vocabulary_size:,} actions"
        return f"<SentenceData of {self.name}: {counts} sentences, {tokenizer}>"

    def describe(self) -> str:
        """A description: a line for the vocabulary and one for each split."""
        lines = [f"{self.name}: {self.tokenizer.kind} tokenizer, {self.tokenizer.vocabulary_size} actions"]
        for name, s in self.statistics.items():
            left_out = {"too long": s.too_long, "too short": s.too_short, "unknown words": s.unknown}
            left_out |= {"duplicates": s.duplicates, "in an earlier split": s.leaks}
            reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
            lines.append(
                f"{name}: {s.sentences} sentences of {s.mean_length:.1f} words on average from {s.conversations} "
                f"conversations, {100 * s.unknown_rate:.1f}% of the words unknown; left out: {reasons or 'none'}"
            )
        return "\n".join(lines)


Sentence = tuple[int, ...]


def file_stamp(name: str) -> tuple[int, int]:
    if name in CORPORA:
        return 0, 0
    try:
        found = Path(os.path.expanduser(name)).stat()
    except (OSError, ValueError):  # no such file, or an invalid name
        return 0, 0
    return found.st_mtime_ns, found.st_size


@contextmanager
def collection_paused() -> Iterator[None]:
    """A context without garbage collection, which takes 40% of the loading time: a corpus is a million small lists."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@dataclass(frozen=True)
class _Options:
    """The options that the arrays depend on; see :meth:`SentenceData.load`."""

    corpus: str
    stamp: tuple[int, int]  # a text file's time and size, to notice changes
    tokenizer: TokenizerKind | None
    max_length: int
    min_length: int
    vocabulary_size: int | None
    min_count: int
    drop_unknown: bool
    unique: bool
    conversations: int | None
    split_seed: int


@lru_cache(maxsize=4)
@collection_paused()
def _load(options: _Options) -> SentenceData:
    corpus = load_corpus(options.corpus)
    kind = options.tokenizer or corpus.tokenizer
    least, most = options.min_length, options.max_length - 1
    dealt = deal(corpus, options.conversations, options.split_seed)
    tokenized = {key: _tokenize([corpus.conversations[i] for i in dealt[key]], kind, least, most) for key in SPLITS}

    training = tokenized["train"].sentences
    counts = Counter(chain.from_iterable(training))
    tokenizer = Tokenizer.from_counts(counts, kind, options.vocabulary_size, options.min_count)
    if options.drop_unknown:  # words that occur in none of the remaining sentences are removed
        known = set(tokenizer.words)
        tokenizer = Tokenizer.from_counts(Counter(chain.from_iterable(filter(known.issuperset, training))), kind)

    bare = bare_words(tokenizer)
    earlier: set[tuple[str, ...]] = set()  # sentences of the earlier splits, without case and punctuation
    splits, statistics = {}, {}
    for key in SPLITS:
        all_ids = [tuple(tokenizer.ids(sentence)) for sentence in tokenized[key].sentences]
        kept = [ids for ids in all_ids if tokenizer.unknown_token not in ids] if options.drop_unknown else all_ids
        single = list(dict.fromkeys(kept)) if options.unique else kept
        bared = list(map(bare, single))
        fresh = [ids for ids, letters in zip(single, bared, strict=True) if letters not in earlier]
        unknown_words = sum(ids.count(tokenizer.unknown_token) for ids in all_ids)
        statistics[key] = SplitStatistics(
            conversations=len(dealt[key]),
            utterances=tokenized[key].utterances,
            too_long=tokenized[key].too_long,
            too_short=tokenized[key].too_short,
            unknown=len(all_ids) - len(kept),
            duplicates=len(kept) - len(single),
            leaks=len(single) - len(fresh),
            sentences=len(fresh),
            words=sum(map(len, fresh)),
            unknown_rate=unknown_words / max(sum(map(len, all_ids)), 1),
        )
        if not fresh:
            raise _nothing_left(options, key, statistics[key])
        splits[key] = pack(fresh, tokenizer, options.max_length)
        earlier.update(bared)
    return SentenceData(corpus.name, corpus.licence, corpus.source, tokenizer, splits, statistics, options.max_length)


def bare_words(tokenizer: Tokenizer) -> Callable[[Sentence], tuple[str, ...]]:
    """A function from a sentence to its letters and digits, token by token; sentences of marks alone are unchanged."""
    words = [tokenizer.token(index) for index in range(tokenizer.pad_token + 1)]
    plain = ["".join(filter(str.isalnum, word.casefold())) for word in words]
    plain[tokenizer.unknown_token] = words[tokenizer.unknown_token]
    letters, token = plain.__getitem__, words.__getitem__
    return lambda ids: tuple(filter(None, map(letters, ids))) or tuple(map(token, ids))


def pack(sentences: Iterable[Sentence], tokenizer: Tokenizer, max_length: int) -> TokenSequences:
    """Sentences of word ids to a padded array (N, max_length), with an end token after each.

    Each sentence has at most ``max_length - 1`` words.
    """
    closed = [(*sentence, tokenizer.end_token) for sentence in sentences]
    lengths = np.fromiter(map(len, closed), np.int64, len(closed))  # (N,)
    tokens = np.full((len(closed), max_length), tokenizer.pad_token, np.int64)
    tokens[np.arange(max_length) < lengths[:, None]] = np.fromiter(chain.from_iterable(closed), np.int64, lengths.sum())
    return TokenSequences(tokens, lengths)


def deal(corpus: Corpus, limit: int | None, seed: int) -> dict[Split, list[int]]:
    """Indices of the conversations of each split; at least one for validation and for test."""
    order = np.random.default_rng(seed).permutation(len(corpus.conversations))[:limit].tolist()
    if len(order) < 3:
        raise UserError(
            f"corpus {corpus.name!r} is too small ({len(order)}); training, validation and test need at least 3 "
            "conversations, or lines of a text file"
        )
    tenth = max(1, round(len(order) / 10))
    return {"train": order[2 * tenth :], "validation": order[:tenth], "test": order[tenth : 2 * tenth]}


@dataclass(frozen=True)
class _Tokenized:
    sentences: list[list[str]]
    utterances: int
    too_long: int
    too_short: int


def _tokenize(conversations: list[list[str]], kind: TokenizerKind, least: int, most: int) -> _Tokenized:
    """The utterances with ``least`` to ``most`` tokens, as token strings."""
    sentences, utterances, too_long, too_short = [], 0, 0, 0
    for text in chain.from_iterable(conversations):
        utterances += 1
        # avoids splitting long texts, which is slow; a text has at least as many tokens as pieces between spaces
        if text.count(" ") >= most and len(text.split()) > most:
            too_long += 1
            continue
        tokens = split(text, kind)
        if len(tokens) > most:
            too_long += 1
        elif len(tokens) < least:
            too_short += 1
        else:
            sentences.append(tokens)
    return _Tokenized(sentences, utterances, too_long, too_short)


def _nothing_left(options: _Options, split: Split, s: SplitStatistics) -> UserError:
    return UserError(
        f"corpus {options.corpus!r} has no {split} sentence left: of {s.utterances}, {s.too_long} have more than "
        f"{options.max_length - 1} words, {s.too_short} fewer than {options.min_length}, "
        f"{s.unknown} hold unknown words, {s.duplicates + s.leaks} repeat another (unknown words count as equal); "
        "change max_length, min_length or the vocabulary, or give more text"
    )
