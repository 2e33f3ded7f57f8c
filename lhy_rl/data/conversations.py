"""Contexts and replies: a corpus's conversations as training, validation and test pairs.

A pair is a turn and the turns before it, ``context_turns`` at most. Whole conversations are distributed over the three
splits; a held-out pair whose last context turn and reply also follow each other in an earlier split, up to case and
punctuation, is left out. The vocabulary is that of the training turns.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

import numpy as np

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SPLITS, Split, TokenSequences
from lhy_rl.data.corpora import corpus_name, load_corpus
from lhy_rl.data.sentences import bare_words, collection_paused, deal, file_stamp, pack
from lhy_rl.data.tokenizer import KINDS, Tokenizer, TokenizerKind, split

Turn = tuple[int, ...]


@dataclass(frozen=True)
class PairStatistics:
    """Counts of one split's replies. The counts of the left-out ones are in the order of the filters.

    Attributes:
        conversations: Conversations in this split.
        replies: Turns in them that follow another one.
        too_long: Left out: the reply, or the turn that it answers, has too many words, or none.
        unknown: Left out: the reply has a word outside the vocabulary, if ``drop_unknown`` is set.
        leaks: Left out: the same turn has the same reply in an earlier split.
        pairs: Remaining pairs.
        unknown_rate: Share of unknown words in the replies of the right length.
    """

    conversations: int
    replies: int
    too_long: int
    unknown: int
    leaks: int
    pairs: int
    unknown_rate: float


@dataclass(frozen=True)
class ConversationData:
    """A corpus as pairs of a context and a reply, both token ids.

    Attributes:
        name: The corpus's name or path.
        licence, source: The text's licence and the work to cite; "" if unknown.
        tokenizer: Built from the training turns alone.
        pairs: Per split the replies (N, max_length), each with an end token, and as ``sources``
            (N, context_turns * turn_length) the contexts, the oldest turn first, each turn with an end token.
        statistics: Per split the counts of kept and left-out replies.
        dealt: Per split the indices of its conversations in the corpus.
        max_length: T, maximum number of tokens of a reply, including the end token.
        turn_length: Maximum number of tokens of a turn of the context, including the end token.
        context_turns: Maximum number of turns of a context.
    """

    name: str
    licence: str
    source: str
    tokenizer: Tokenizer
    pairs: Mapping[Split, TokenSequences]
    statistics: Mapping[Split, PairStatistics]
    dealt: Mapping[Split, list[int]]
    max_length: int
    turn_length: int
    context_turns: int

    @staticmethod
    def load(
        corpus: str | os.PathLike[str] = "chitchat",
        *,
        tokenizer: TokenizerKind | None = None,
        max_length: int = 12,
        turn_length: int = 20,
        context_turns: int = 2,
        vocabulary_size: int | None = None,
        min_count: int = 1,
        drop_unknown: bool = False,
        conversations: int | None = None,
        split_seed: int = 0,
    ) -> ConversationData:
        """The pairs of a corpus: 80 % of its conversations for training, 10 % for validation, 10 % for test.

        The last results are cached; every caller gets its own arrays.

        Args:
            corpus: A name in :data:`~lhy_rl.data.corpora.CORPORA`, or the path of a UTF-8 text file with a turn per
                line and an empty line between conversations, or a conversation per line with tabs between its turns.
            tokenizer: "word", "character" or "space"; None: the one that suits the corpus.
            max_length: Maximum number of tokens of a reply, including the end token.
            turn_length: Maximum number of tokens of a turn of the context, including the end token; a context begins
                after the last longer turn.
            context_turns: Maximum number of turns of a context.
            vocabulary_size: Maximum number of actions (words, end, unknown); None: all words.
            min_count: Words rarer than this in the training turns are treated as unknown.
            drop_unknown: Leave out replies with unknown words; contexts keep theirs.
            conversations: Number of conversations to use, drawn with ``split_seed``; None: all.
            split_seed: Seed of the distribution of conversations over the splits.

        Raises:
            UserError: An argument or the corpus is invalid, or a split has no pair.
        """
        if tokenizer is not None:
            validation.choice("tokenizer", tokenizer, KINDS)
        name = corpus_name(corpus)
        kept = _load(
            _Options(
                name,
                file_stamp(name),
                tokenizer,
                validation.integer("max_length", max_length, 2, 10_000),
                validation.integer("turn_length", turn_length, 2, 10_000),
                validation.integer("context_turns", context_turns, 1, 100),
                None if vocabulary_size is None else validation.integer("vocabulary_size", vocabulary_size, 3),
                validation.integer("min_count", min_count, 1),
                validation.flag("drop_unknown", drop_unknown),
                None if conversations is None else validation.integer("conversations", conversations, 3),
                validation.integer("split_seed", split_seed, 0),
            )
        )
        own = {key: pairs[np.arange(len(pairs))] for key, pairs in kept.pairs.items()}
        return replace(kept, pairs=own)

    def openings(self, split: Split) -> TokenSequences:
        """The distinct turns that replies of this split answer, (N, turn_length), to begin a dialogue with.

        In held-out splits, turns that also open a training pair, up to case and punctuation, are left out.
        """
        bare = bare_words(self.tokenizer)
        turns = dict.fromkeys(self.last_turns(split))
        if split != "train":
            trained = set(map(bare, set(self.last_turns("train"))))
            turns = dict.fromkeys(turn for turn in turns if bare(turn) not in trained)
        return pack(turns, self.tokenizer, self.turn_length)

    def last_turns(self, split: Split) -> list[Turn]:
        """The last turn of every context, without the end token."""
        pairs, end = self.pairs[split], self.tokenizer.end_token
        assert pairs.sources is not None and pairs.source_lengths is not None
        sources = zip(pairs.sources.tolist(), pairs.source_lengths.tolist(), strict=True)
        return [turns_of(source[:length], end)[-1] for source, length in sources]

    def context(self, turns: Iterable[Iterable[int]]) -> tuple[np.ndarray, int]:
        """Turns of word ids to a source (L,) and its length: the last ``context_turns``, long ones without their first
        words."""
        most = self.turn_length - 1
        kept = [(*tuple(turn)[-most:], self.tokenizer.end_token) for turn in list(turns)[-self.context_turns :]]
        flat = list(chain.from_iterable(kept))
        source = np.full(self.context_turns * self.turn_length, self.tokenizer.pad_token, np.int64)
        source[: len(flat)] = flat
        return source, len(flat)

    def backward(self) -> ConversationData:
        """The same pairs reversed: the reply is the source, and the turn that it answers is the target.

        Turns longer than ``max_length`` are left out.

        Raises:
            UserError: A split then has no pair.
        """
        pairs: dict[Split, TokenSequences] = {}
        for name, forward in self.pairs.items():
            turned = backward_pairs(forward, self.tokenizer.end_token, self.tokenizer.pad_token)
            short = turned[np.flatnonzero(turned.lengths <= self.max_length)]
            if not len(short):
                raise UserError(f"every {name} turn that is answered is longer than max_length={self.max_length}")
            missing = max(self.max_length - short.tokens.shape[1], 0)
            tokens = np.pad(short.tokens, ((0, 0), (0, missing)), constant_values=self.tokenizer.pad_token)
            pairs[name] = replace(short, tokens=tokens[:, : self.max_length])
        return replace(self, pairs=pairs)

    def describe(self) -> str:
        """A description: a line for the vocabulary and one for each split."""
        lines = [f"{self.name}: {self.tokenizer.kind} tokenizer, {self.tokenizer.vocabulary_size} actions"]
        for name, s in self.statistics.items():
            left_out = {"too long": s.too_long, "unknown words": s.unknown, "in an earlier split": s.leaks}
            reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
            lines.append(
                f"{name}: {s.pairs} replies from {s.conversations} conversations, {100 * s.unknown_rate:.1f}% of the "
                f"words unknown; left out: {reasons or 'none'}"
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(part):,} {name}" for name, part in self.pairs.items())
        tokenizer = f"{self.tokenizer.kind} tokenizer, {self.tokenizer.vocabulary_size:,} actions"
        return f"<ConversationData of {self.name}: {counts} replies, {tokenizer}>"


def turns_of(tokens: list[int], end_token: int) -> list[Turn]:
    """The turns of a source without padding, without their end tokens."""
    turns: list[Turn] = []
    first = 0
    for i, token in enumerate(tokens):
        if token == end_token:
            turns.append(tuple(tokens[first:i]))
            first = i + 1
    return turns if first == len(tokens) else [*turns, tuple(tokens[first:])]


def backward_pairs(pairs: TokenSequences, end_token: int, pad_token: int) -> TokenSequences:
    """Reversed pairs: the last turn of each source as an answer to its reply."""
    assert pairs.sources is not None
    ends = np.cumsum((pairs.sources == end_token)[:, ::-1], 1)[:, ::-1]
    mine = (ends == 1) & (pairs.sources != pad_token)
    order = np.argsort(~mine, axis=1, kind="stable")
    lengths = mine.sum(1)
    longest = max(int(lengths.max(initial=0)), 1)
    filled = np.arange(pairs.sources.shape[1]) < lengths[:, None]
    turns = np.where(filled, np.take_along_axis(pairs.sources, order, 1), pad_token)
    room = max(pairs.sources.shape[1] - pairs.tokens.shape[1], 0)
    sources = np.pad(pairs.tokens, ((0, 0), (0, room)), constant_values=pad_token)
    return TokenSequences(turns[:, :longest], lengths, sources, pairs.lengths)


@dataclass(frozen=True)
class _Options:
    """The options that the arrays depend on; see :meth:`ConversationData.load`."""

    corpus: str
    stamp: tuple[int, int]
    tokenizer: TokenizerKind | None
    max_length: int
    turn_length: int
    context_turns: int
    vocabulary_size: int | None
    min_count: int
    drop_unknown: bool
    conversations: int | None
    split_seed: int


@lru_cache(maxsize=4)
@collection_paused()
def _load(options: _Options) -> ConversationData:
    corpus = load_corpus(options.corpus, turns=True)
    kind = options.tokenizer or corpus.tokenizer
    dealt = deal(corpus, options.conversations, options.split_seed)
    most = max(options.turn_length, options.max_length) - 1
    words = {
        key: [[_words(text, kind, most) for text in corpus.conversations[i]] for i in dealt[key]] for key in SPLITS
    }
    counts = Counter(word for turns in words["train"] for turn in turns for word in turn or ())
    tokenizer = Tokenizer.from_counts(counts, kind, options.vocabulary_size, options.min_count)
    bare, earlier = bare_words(tokenizer), set[tuple[object, object]]()
    pairs, statistics = {}, {}
    for key in SPLITS:
        found = [
            pair
            for turns in words[key]
            for pair in _pairs([None if turn is None else tuple(tokenizer.ids(turn)) for turn in turns], options)
        ]
        known = [pair for pair in found if not options.drop_unknown or tokenizer.unknown_token not in pair[1]]
        barely = [(bare(context[-1]), bare(reply)) for context, reply in known]
        fresh = [pair for pair, both in zip(known, barely, strict=True) if both not in earlier]
        replies = sum(max(len(turns) - 1, 0) for turns in words[key])
        unknown_words = sum(reply.count(tokenizer.unknown_token) for _, reply in found)
        statistics[key] = PairStatistics(
            conversations=len(dealt[key]),
            replies=replies,
            too_long=replies - len(found),
            unknown=len(found) - len(known),
            leaks=len(known) - len(fresh),
            pairs=len(fresh),
            unknown_rate=unknown_words / max(sum(len(reply) for _, reply in found), 1),
        )
        if not fresh:
            raise _nothing_left(options, key, statistics[key])
        pairs[key] = _packed(fresh, tokenizer, options)
        earlier.update(barely)
    return ConversationData(
        corpus.name, corpus.licence, corpus.source, tokenizer, pairs, statistics, dealt,
        options.max_length, options.turn_length, options.context_turns,
    )  # fmt: skip


def _words(text: str, kind: TokenizerKind, most: int) -> list[str] | None:
    """The tokens of a turn; None if there are none, or more than ``most``."""
    if text.count(" ") >= 2 * most and len(text.split()) > most:  # avoids splitting long texts, which is slow
        return None
    words = split(text, kind)
    return words if 0 < len(words) <= most else None


Pair = tuple[list[Turn], Turn]


def _pairs(turns: list[Turn | None], options: _Options) -> Iterable[Pair]:
    """Contexts and replies of one conversation; None stands for a turn that is too long."""
    context: list[Turn] = []
    for turn in turns:
        if turn is not None and context and len(turn) < options.max_length:
            yield context[-options.context_turns :], turn
        context = [] if turn is None or len(turn) >= options.turn_length else [*context, turn]


def _packed(pairs: list[Pair], tokenizer: Tokenizer, options: _Options) -> TokenSequences:
    replies = pack((reply for _, reply in pairs), tokenizer, options.max_length)
    closed = [list(chain.from_iterable((*turn, tokenizer.end_token) for turn in context)) for context, _ in pairs]
    lengths = np.fromiter(map(len, closed), np.int64, len(closed))  # (N,)
    sources = np.full((len(closed), options.context_turns * options.turn_length), tokenizer.pad_token, np.int64)
    filled = np.arange(sources.shape[1]) < lengths[:, None]
    sources[filled] = np.fromiter(chain.from_iterable(closed), np.int64, lengths.sum())
    return TokenSequences(replies.tokens, replies.lengths, sources, lengths)


def _nothing_left(options: _Options, split: Split, s: PairStatistics) -> UserError:
    return UserError(
        f"corpus {options.corpus!r} has no {split} reply left: of {s.replies}, {s.too_long} are longer than "
        f"{options.max_length - 1} words or answer a turn longer than {options.turn_length - 1}, {s.unknown} hold "
        f"unknown words, {s.leaks} are in an earlier split; change max_length, turn_length or the vocabulary, or "
        "give more conversations (one turn per line, an empty line between conversations)"
    )
