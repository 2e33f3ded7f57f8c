"""From text to token ids and back.

Token ids of a task with ``A`` actions (``A`` = words + 2)::

    0       end       ends a sentence
    1       unknown   stands for every word outside the vocabulary
    2..A-1  words     by falling frequency in the training text, ties in alphabetical order
    A       start     observed before the first token; never an action
    A + 1   pad       pads a batch after the ends; never an action
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from lhy_rl.core.errors import UserError, suggest

TokenizerKind = Literal["word", "character", "space"]
KINDS: tuple[TokenizerKind, ...] = ("character", "space", "word")
UNKNOWN_TEXT = "<unk>"


class Tokenizer:
    """A vocabulary and the rule that splits text into its tokens.

    Args:
        words: The vocabulary in the order of the ids 2, 3, ...
        kind: "word" (lower case, punctuation separated, contractions kept whole), "character" (every character, a run
            of white space as one), "space" (text whose tokens are already separated by white space).

    Raises:
        UserError: The kind is unknown, or a word is given twice.
    """

    end_token = 0
    unknown_token = 1

    def __init__(self, words: Sequence[str], kind: TokenizerKind = "word") -> None:
        if kind not in KINDS:
            raise suggest(str(kind), KINDS, "tokenizer")
        self.kind: TokenizerKind = kind
        self.words = tuple(words)
        self._ids = {word: index for index, word in enumerate(self.words, start=2)}
        if len(self._ids) != len(self.words):
            raise UserError("the vocabulary holds a word twice; give every word once")

    @classmethod
    def build(
        cls,
        texts: Iterable[str],
        kind: TokenizerKind = "word",
        vocabulary_size: int | None = None,
        min_count: int = 1,
    ) -> Tokenizer:
        """The vocabulary of a training text.

        Args:
            texts: Training sentences.
            kind: See the class.
            vocabulary_size: Maximum number of actions, including end and unknown; the most frequent words are kept.
                None keeps all.
            min_count: Words that occur less often are treated as unknown.
        """
        return cls.from_counts(
            Counter(token for text in texts for token in split(text, kind)), kind, vocabulary_size, min_count
        )

    @classmethod
    def from_counts(
        cls, counts: Counter[str], kind: TokenizerKind, vocabulary_size: int | None = None, min_count: int = 1
    ) -> Tokenizer:
        """The vocabulary of a training text, given the counts of its tokens; arguments as in :meth:`build`."""
        if vocabulary_size is not None and vocabulary_size < 3:
            raise UserError(
                f"vocabulary_size={vocabulary_size} is not allowed; must be at least 3 (end, unknown, a word), "
                "or null for all words"
            )
        if min_count < 1:
            raise UserError(f"min_count={min_count} is not allowed; must be at least 1")
        ranked = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        limit = None if vocabulary_size is None else vocabulary_size - 2
        return cls([word for _, word in ranked[:limit]], kind)

    @property
    def vocabulary_size(self) -> int:
        """Number of actions A: words, end and unknown."""
        return len(self.words) + 2

    @property
    def start_token(self) -> int:
        """A, observed before the first token."""
        return self.vocabulary_size

    @property
    def pad_token(self) -> int:
        """A + 1, after a sentence's end."""
        return self.vocabulary_size + 1

    @property
    def observation_size(self) -> int:
        """Number of ids that can be observed: A + 2."""
        return self.vocabulary_size + 2

    def split(self, text: str) -> list[str]:
        """The tokens of a text as strings, in the vocabulary or not."""
        return split(text, self.kind)

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """Token strings to ids, without an end token."""
        get, unknown = self._ids.get, self.unknown_token
        return [get(token, unknown) for token in tokens]

    def encode(self, text: str) -> list[int]:
        """A text to ids, without an end token."""
        return self.ids(self.split(text))

    @property
    def task_tokens(self) -> dict[str, int]:
        """The token attributes of a :class:`lhy_rl.core.protocols.TextTask` with this tokenizer, by name."""
        names = ("vocabulary_size", "observation_size", "start_token", "end_token", "pad_token")
        return {name: getattr(self, name) for name in names}

    def token(self, index: int) -> str:
        """The string of one id; special ones in angle brackets."""
        if 2 <= index < self.vocabulary_size:
            return self.words[index - 2]
        special = {0: "<end>", 1: UNKNOWN_TEXT, self.start_token: "<start>", self.pad_token: "<pad>"}
        if index not in special:
            raise UserError(f"token id {index} does not exist; ids run from 0 to {self.pad_token}")
        return special[index]

    def decode(self, tokens: Sequence[int] | np.ndarray) -> str:
        """(T,) ids to readable text, up to the end token, without start and pad tokens."""
        strings: list[str] = []
        for index in np.asarray(tokens).tolist():
            if index == self.end_token:
                break
            if index not in (self.start_token, self.pad_token):
                strings.append(self.token(index))
        return join(strings, self.kind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and (self.kind, self.words) == (other.kind, other.words)

    def __hash__(self) -> int:
        return hash((self.kind, self.words))

    def __repr__(self) -> str:
        return f"Tokenizer({self.kind!r}, {self.vocabulary_size} actions)"


# In this order: a word with inner apostrophes and hyphens ("don't", "co-worker"), a number with inner marks ("10:30",
# "3.5"), a smiley, dots in a row, any other single mark.
_WORD = re.compile(r"\d+(?:[.,:]\d+)+|\w+(?:['-]\w+)*|[:;]'?-?[)(/|\]\[]+|\.{2,}|[^\w\s]")
_STRAIGHT = str.maketrans("’‘“”", "''\"\"")


def split(text: str, kind: TokenizerKind) -> list[str]:
    """The tokens of a text as strings."""
    if kind == "word":
        if not text.isascii():
            text = unicodedata.normalize("NFC", text).translate(_STRAIGHT)  # accents are joined with their letters
        return _WORD.findall(text.lower())
    if kind == "character":
        return list(" ".join(text.split()))
    return text.split()


def is_cjk(character: str) -> bool:
    """Whether a character belongs to a script written without spaces: Chinese, kana, and their punctuation."""
    code = ord(character)
    return 0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0xFF00 <= code <= 0xFFEF or code >> 17 == 1


_CLOSING = re.compile(r"(?:[.,!?;:)\]}%…]|\.{2,})")  # no space before
_OPENING = frozenset("([{$#@")  # no space after


def join(tokens: Sequence[str], kind: TokenizerKind) -> str:
    """Readable text: punctuation next to its word, no space between Chinese characters."""
    if kind == "character":
        return "".join(tokens)
    text, glue, quoted = "", True, False
    for token in tokens:
        closing = kind == "word" and (_CLOSING.fullmatch(token) is not None or (token == '"' and quoted))
        chinese = bool(text) and is_cjk(text[-1]) and is_cjk(token[0])
        text += token if glue or closing or chinese else f" {token}"
        glue = kind == "word" and (token in _OPENING or (token == '"' and not quoted))
        quoted ^= token == '"'
    return text
