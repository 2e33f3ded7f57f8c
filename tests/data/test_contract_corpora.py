"""Packaged corpora and text files, and every way in which they can be wrong."""

import sys
from pathlib import Path

import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.data import corpora
from lhy_rl.data.corpora import CORPORA, load_corpus

SIZES = {"chitchat": (4018, 240_000), "chatterbot-english": (2026, 4400), "chatterbot-chinese": (467, 1000)}


@pytest.mark.parametrize("name", CORPORA)
def test_packaged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, CORPORA[name].package, raising=False)  # another test may have imported it
    corpus = load_corpus(name)
    conversations, utterances = SIZES[name]
    assert len(corpus.conversations) == conversations
    assert utterances <= corpus.utterances <= 1.02 * utterances
    assert all(text == text.strip() != "" for conversation in corpus.conversations for text in conversation)
    assert all(corpus.conversations)
    row = CORPORA[name]
    assert (corpus.licence, corpus.source, corpus.tokenizer) == (row.licence, row.source, row.tokenizer)
    assert row.licence in ("MIT", "BSD")
    assert row.package not in sys.modules  # read as data, its code never runs


def test_chitchat_has_two_speakers() -> None:
    """Of the 7,168 conversations 3,150 hold one person's messages; the package's first two-party one begins so."""
    assert load_corpus("chitchat").conversations[0][:3] == ["Hello", "How are you doing today?", "whats up MD"]


def test_text_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes("\ufeffOne line.\r\n\n  Zwei Zeilen – ja! \n \nmore\u2028still more".encode())
    corpus = load_corpus(path)
    assert corpus.conversations == [["One line."], ["Zwei Zeilen – ja!"], ["more\u2028still more"]]
    assert (corpus.tokenizer, corpus.name) == ("word", str(path))


@pytest.mark.parametrize(
    ("text", "tokenizer"),
    [("床前明月光，疑是地上霜。", "character"), ("床 前 明 月 光 ，", "space"), ("he wrote 月 once", "word")],
)
def test_tokenizer_of_a_text_file(tmp_path: Path, text: str, tokenizer: str) -> None:
    path = tmp_path / "text"
    path.write_text(f"{text}\n{text}\n", encoding="utf-8")
    assert load_corpus(path).tokenizer == tokenizer


def failure(name: object) -> str:
    with pytest.raises(UserError) as caught:
        load_corpus(name)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_unknown_name() -> None:
    message = failure("chitcat")
    assert message.startswith("unknown corpus 'chitcat'; did you mean 'chitchat'?")
    assert "path of a UTF-8 text file" in message


def test_missing_file(tmp_path: Path) -> None:
    assert "mine.txt' does not exist" in failure("mine.txt")
    assert "does not exist" in failure(tmp_path / "nothing")


def test_folder(tmp_path: Path) -> None:
    assert "is a folder" in failure(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\n \n\t\n", b"\xef\xbb\xbf\n"])
def test_empty_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "empty.txt"
    path.write_bytes(content)
    assert "is empty" in failure(path)


@pytest.mark.parametrize(
    ("content", "where", "encoding"),
    [
        ("ok\ncaf\u00e9 au lait\n".encode("latin1"), "byte 0xe9 at position 6", "latin1"),
        ("床前明月光，疑是地上霜。".encode("gb18030"), "byte 0xb4 at position 0", "gb18030"),
        ("hello".encode("utf-16"), "byte 0xff at position 0", "utf-16"),
        ("hello".encode("utf-16-le"), "zero byte at position 1", "utf-16"),
    ],
)
def test_wrong_encoding(tmp_path: Path, content: bytes, where: str, encoding: str) -> None:
    path = tmp_path / "other.txt"
    path.write_bytes(content)
    message = failure(path)
    assert where in message
    assert f"iconv -f {encoding} -t utf-8" in message


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'chatterbot-corpus>" in failure("chitchat")


@pytest.mark.parametrize("content", [None, "{", "[]", '{"a": {"messages": 3}}', "{}"])
def test_damaged_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None) -> None:
    (tmp_path / "chitchat_dataset").mkdir()
    (tmp_path / "chitchat_dataset" / "__init__.py").write_text("raise RuntimeError('must not run')")
    if content is not None:
        (tmp_path / "chitchat_dataset" / "dataset.json").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    message = failure("chitchat")
    assert "missing or damaged" in message
    assert "--force-reinstall" in message
