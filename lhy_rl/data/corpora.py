"""Corpora: conversations as lists of utterances, from an installed package or from the user's own text file.

A corpus that comes in a package is one row of :data:`CORPORA`. Its data file is read directly, as JSON or YAML; the
package's code is not imported, and nothing is unpickled.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from lhy_rl.core import validation
from lhy_rl.core.errors import UserError, install_extra, suggest
from lhy_rl.data.tokenizer import TokenizerKind, is_cjk

Conversations = list[list[str]]
Ratings = dict[str, float]
"""The rated aspect to a rating from 1 to 10; aspects without a rating are left out."""


@dataclass(frozen=True)
class Corpus:
    """Conversations and their origin.

    Attributes:
        name: The name or path it was loaded by.
        conversations: Per conversation its utterances in order, without surrounding white space, none empty.
        tokenizer: The tokenizer that suits the language.
        language: ISO 639 code; "" if unknown (a text file).
        licence: The licence of the text; "" if unknown.
        source: The work to cite.
        ratings: Ratings of each conversation, if people rated them and the corpus was loaded as turns.
    """

    name: str
    conversations: Conversations
    tokenizer: TokenizerKind
    language: str = ""
    licence: str = ""
    source: str = ""
    ratings: tuple[Ratings, ...] = ()

    @property
    def utterances(self) -> int:
        """Number of utterances in all conversations."""
        return sum(map(len, self.conversations))


@dataclass(frozen=True)
class CorpusRow:
    """A corpus that ships inside an installable package.

    Attributes:
        name: Its name in a configuration.
        package: The importable name of the package that holds it.
        read: Reads conversations from the package's folder.
        read_turns: Reads them as turns (everything one person says until another does), with ratings of the
            conversations, or none.
        tokenizer: The tokenizer that suits the language.
        language: ISO 639 code.
        licence: The licence of package and text.
        source: The work to cite.
        about: One line for a listing.
    """

    name: str
    package: str
    read: Callable[[Path], Conversations]
    read_turns: Callable[[Path], tuple[Conversations, tuple[Ratings, ...]]]
    tokenizer: TokenizerKind
    language: str
    licence: str
    source: str
    about: str


def _chitchat_turns(folder: Path) -> tuple[list[list[list[str]]], tuple[Ratings, ...]]:
    """Two-party conversations, turns of messages, and their ratings.

    3,150 of the 7,168 conversations have messages of one person only, who waited alone; they are left out. So are
    ratings of 5, the initial position of the slider.
    """
    data = json.loads((folder / "dataset.json").read_bytes())
    conversations, ratings = [], []
    for conversation in data.values():
        turns = conversation["messages"]
        if len({message["sender"] for turn in turns for message in turn}) == 2:
            conversations.append([[message["text"] for message in turn] for turn in turns])
            rated = conversation.get("ratings", {}).items()
            ratings.append({aspect: float(value) for aspect, value in rated if value != UNMOVED})
    return conversations, tuple(ratings)


UNMOVED = 5
"""The initial rating in chitchat's form."""


def _chitchat(folder: Path) -> Conversations:
    """Conversations in which each message is an utterance."""
    return [[text for turn in conversation for text in turn] for conversation in _chitchat_turns(folder)[0]]


def _chitchat_joined(folder: Path) -> tuple[Conversations, tuple[Ratings, ...]]:
    conversations, ratings = _chitchat_turns(folder)
    return [[" ".join(turn) for turn in conversation] for conversation in conversations], ratings


def _chatterbot_entries(folder: Path, language: str) -> list[list[object]]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # safe_load, 8 times faster where libyaml is compiled in
    conversations: list[list[object]] = []
    for path in sorted((folder / "data" / language).glob("*.yml")):
        with path.open("rb") as stream:
            conversations += loader(stream).get_single_data()["conversations"]
    return conversations


def _chatterbot(language: str) -> Callable[[Path], Conversations]:
    """A reader that leaves out entries that are no text: YAML reads an unquoted `yes` or `1945` as a bool or number."""
    return lambda folder: [
        [line for line in entry if isinstance(line, str)] for entry in _chatterbot_entries(folder, language)
    ]


def _chatterbot_joined(language: str) -> Callable[[Path], tuple[Conversations, tuple[Ratings, ...]]]:
    """A reader of turns; an entry that is no text ends its conversation, because the next one answers to it."""

    def read(folder: Path) -> tuple[Conversations, tuple[Ratings, ...]]:
        texts = (
            takewhile(lambda line: isinstance(line, str), entry) for entry in _chatterbot_entries(folder, language)
        )
        return [[str(line) for line in entry] for entry in texts], ()

    return read


_CHATTERBOT = "chatterbot-corpus, Gunther Cox and contributors"

CORPORA: dict[str, CorpusRow] = {
    row.name: row
    for row in (
        CorpusRow(
            name="chitchat",
            package="chitchat_dataset",
            read=_chitchat,
            read_turns=_chitchat_joined,
            tokenizer="word",
            language="en",
            licence="MIT",
            source="chitchat-dataset, William Myers et al., Perception, Control & Cognition lab, BYU",
            about="4,018 conversations between two people, typed in 2018",
        ),
        CorpusRow(
            name="chatterbot-english",
            package="chatterbot_corpus",
            read=_chatterbot("english"),
            read_turns=_chatterbot_joined("english"),
            tokenizer="word",
            language="en",
            licence="BSD",
            source=_CHATTERBOT,
            about="2,026 short question-and-answer dialogues, half of them technical support",
        ),
        CorpusRow(
            name="chatterbot-chinese",
            package="chatterbot_corpus",
            read=_chatterbot("chinese"),
            read_turns=_chatterbot_joined("chinese"),
            tokenizer="character",
            language="zh",
            licence="BSD",
            source=_CHATTERBOT,
            about="467 short question-and-answer dialogues in Chinese",
        ),
    )
}


def load_corpus(name_or_path: str | os.PathLike[str], turns: bool = False) -> Corpus:
    """A corpus by its name in :data:`CORPORA`, or the user's own text file by its path.

    A text file is UTF-8 with one sentence per line; each line is a conversation of its own. With turns, a line is a
    turn, an empty line separates conversations, and a line with tabs is a whole conversation.

    Args:
        turns: Whether utterances are turns: everything one person says until another does.

    Raises:
        UserError: The name is unknown, the package is missing, or the file is missing, a folder, empty or not UTF-8.
    """
    name = corpus_name(name_or_path)
    if name in CORPORA:
        row = CORPORA[name]
        conversations, ratings = _read_packaged(row, turns)
        if ratings:
            return Corpus(name, conversations, row.tokenizer, row.language, row.licence, row.source, ratings)
        return Corpus(name, _clean(conversations), row.tokenizer, row.language, row.licence, row.source)
    path = Path(os.path.expanduser(name))
    if not _is_there(path) and not path.suffix and len(path.parts) < 2:
        raise UserError(f"{suggest(name, CORPORA, 'corpus')}, or the path of a UTF-8 text file")
    lines = read_text(path).split("\n")
    conversations = _clean(_conversations(lines) if turns else [[line] for line in lines])
    if not conversations:
        raise UserError(f"corpus {name!r} is empty; give a UTF-8 text file with one sentence per line")
    return Corpus(name, conversations, _guess_tokenizer(conversations))


def corpus_name(given: object) -> str:
    """A corpus's name or path as a string.

    Raises:
        UserError: It is neither.
    """
    return validation.place("corpus", given)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # too long for a file name
        return False


def _conversations(lines: list[str]) -> Conversations:
    """Conversations of a text file: turns are lines, or the parts of a line between tabs."""
    conversations: Conversations = [[]]
    for line in lines:
        if "\t" in line.strip():
            conversations += [line.split("\t"), []]
        elif line.strip():
            conversations[-1].append(line)
        else:
            conversations.append([])
    return conversations


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without a byte-order mark.

    Raises:
        UserError: The file is missing, a folder, unreadable or not UTF-8.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"corpus file '{path}' does not exist; give a UTF-8 text file with one sentence per line"
        ) from None
    except IsADirectoryError:
        raise UserError(f"corpus '{path}' is a folder; give a UTF-8 text file with one sentence per line") from None
    except OSError as error:
        raise UserError(f"corpus file '{path}' cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte, position = data[error.start], error.start
        raise _not_utf8(path, f"byte {byte:#04x} at position {position}", _guess_encoding(data)) from None
    if "\0" in text:
        raise _not_utf8(path, f"zero byte at position {data.index(0)}", "utf-16")
    return text


def _not_utf8(path: Path, where: str, encoding: str) -> UserError:
    return UserError(
        f"corpus file '{path}' is not UTF-8 text ({where}); "
        f"convert it with `iconv -f {encoding} -t utf-8 OLD > NEW` if it is in {encoding}"
    )


def _guess_encoding(data: bytes) -> str:
    """The most likely encoding of data that is not UTF-8; only a guess, for an error message."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        text = data[:100_000].decode("gb18030", errors="ignore" if len(data) > 100_000 else "strict")
    except UnicodeDecodeError:
        return "latin1"
    foreign = [c for c in text if ord(c) > 127]
    return "gb18030" if sum(is_cjk(c) for c in foreign) > 0.9 * len(foreign) and len(foreign) > 1 else "latin1"


def _guess_tokenizer(conversations: Conversations) -> TokenizerKind:
    """The kind of tokenizer: "word"; for Chinese "character", or "space" if its characters are separated already."""
    sample = " ".join(conversation[0] for conversation in conversations[:200])
    tokens = sample.split()
    if sum(map(is_cjk, sample)) < 0.5 * sum(map(len, tokens)):
        return "word"
    return "space" if sum(map(len, tokens)) < 2.5 * len(tokens) else "character"


def _read_packaged(row: CorpusRow, turns: bool) -> tuple[Conversations, tuple[Ratings, ...]]:
    spec = importlib.util.find_spec(row.package)  # finds the folder without running the package's code
    if spec is None or spec.origin is None:
        raise UserError(f"corpus {row.name!r} needs a package that is not installed; {install_extra('text')}")
    try:
        folder = Path(spec.origin).parent
        conversations, ratings = row.read_turns(folder) if turns else (row.read(folder), ())
    except Exception as error:  # readers raise many kinds of errors for damaged files
        conversations, ratings, reason = [], (), f" ({type(error).__name__})"
    else:
        reason = ""
    if not conversations:
        raise UserError(
            f"the data of corpus {row.name!r} is missing or damaged{reason}; {install_extra('text')} --force-reinstall"
        )
    return conversations, ratings


def _clean(conversations: Conversations) -> Conversations:
    """The conversations without surrounding white space, empty utterances and empty conversations."""
    stripped = ([text for text in map(str.strip, conversation) if text] for conversation in conversations)
    return [conversation for conversation in stripped if conversation]
