"""The three splits: what is in them, what is not, and what the statistics say."""

import gc
import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.data import SentenceData, load_corpus
from lhy_rl.data.sentences import SPLITS, SplitStatistics, pack
from lhy_rl.data.tokenizer import Tokenizer

VARIANTS = [
    {"corpus": "chatterbot-english"},
    {"corpus": "chatterbot-english", "min_count": 2, "drop_unknown": True, "min_length": 3, "max_length": 12},
    {"corpus": "chatterbot-english", "vocabulary_size": 200, "unique": False},
    {"corpus": "chatterbot-chinese", "vocabulary_size": 500, "conversations": 300},
    {"corpus": "chitchat", "conversations": 100, "vocabulary_size": 1000, "drop_unknown": True, "min_length": 4},
]


@pytest.fixture(scope="module", params=VARIANTS, ids=str)
def variant(request: pytest.FixtureRequest) -> dict:
    return request.param


def test_arrays(variant: dict) -> None:
    data = SentenceData.load(**variant)
    words = data.tokenizer
    for split in SPLITS:
        tokens, lengths, mask = data.splits[split].tokens, data.splits[split].lengths, data.splits[split].mask
        assert tokens.shape == (len(lengths), variant.get("max_length", 20))
        assert tokens.dtype == lengths.dtype == np.int64
        assert (tokens[~mask] == words.pad_token).all()
        assert (tokens[np.arange(len(tokens)), lengths - 1] == words.end_token).all()
        assert ((tokens == words.end_token).sum(1) == 1).all()
        assert tokens[mask].max() < words.vocabulary_size <= variant.get("vocabulary_size", 10**6)
        assert lengths.min() >= variant.get("min_length", 1) + 1
        if variant.get("drop_unknown"):
            assert not (tokens == words.unknown_token).any()


def test_no_sentence_in_two_splits(variant: dict) -> None:
    data = SentenceData.load(**variant)
    sets = {split: {tuple(words) for words in data.words(split)} for split in SPLITS}
    assert not sets["train"] & sets["validation"]
    assert not (sets["train"] | sets["validation"]) & sets["test"]
    letters = lambda i: re.sub(r"[\W_]", "", data.tokenizer.token(i).casefold())  # noqa: E731
    bare = {
        split: {tuple(filter(None, map(letters, words))) for words in found} - {()} for split, found in sets.items()
    }
    assert not (bare["train"] & bare["validation"] | bare["train"] & bare["test"] | bare["validation"] & bare["test"])
    if variant.get("unique", True):
        assert [len(sets[split]) for split in SPLITS] == [len(data.splits[split]) for split in SPLITS]
    else:
        assert len(sets["train"]) < len(data.splits["train"])


def test_statistics_add_up(variant: dict) -> None:
    data = SentenceData.load(**variant)
    total = 0
    for split in SPLITS:
        s = data.statistics[split]
        assert s.sentences == len(data.splits[split])
        left_out = s.too_long + s.too_short + s.unknown + s.duplicates + s.leaks
        assert s.utterances == s.sentences + left_out
        assert s.words == data.splits[split].lengths.sum() - s.sentences
        total += s.conversations
    assert total == (variant.get("conversations") or len(load_corpus(variant["corpus"]).conversations))
    assert data.statistics["validation"].conversations == data.statistics["test"].conversations == round(total / 10)
    assert f"{data.statistics['test'].sentences} sentences" in data.describe()


def test_unknown_rate_by_hand(tmp_path: Path) -> None:
    """Line k is k times the letter a and one other letter, and a is the whole vocabulary."""
    path = tmp_path / "letters.txt"
    path.write_text("".join(f"{'a ' * k}{letter}\n" for k, letter in enumerate("cdefghijkl", start=1)))
    data = SentenceData.load(path, vocabulary_size=3)
    assert data.tokenizer.words == ("a",)
    train = data.words("train")
    assert sorted(train + data.words("validation") + data.words("test")) == sorted([2] * k + [1] for k in range(1, 11))
    words = sum(map(len, train))
    assert data.statistics["train"] == SplitStatistics(8, 8, 0, 0, 0, 0, 0, 8, words, pytest.approx(8 / words))
    assert data.statistics["test"].unknown_rate == pytest.approx(1 / data.statistics["test"].words)
    with pytest.raises(UserError, match="8 hold unknown words"):
        SentenceData.load(path, vocabulary_size=3, drop_unknown=True)


def test_sentences_that_differ_in_unknown_words_alone_are_one(tmp_path: Path) -> None:
    path = tmp_path / "letters.txt"
    path.write_text("".join(f"a {letter}\n" for letter in "bcdefghijk"))
    with pytest.raises(UserError, match=r"no validation sentence left: of 1, .* 1 repeat another"):
        SentenceData.load(path, vocabulary_size=3)


def test_vocabulary_is_of_training_sentences_alone() -> None:
    data = SentenceData.load("chatterbot-english", unique=False)
    found = Counter(data.splits["train"].tokens[data.splits["train"].mask].tolist())
    found.pop(data.tokenizer.end_token)
    assert sorted(found) == list(range(2, data.tokenizer.vocabulary_size))
    counts = [found[index] for index in range(2, data.tokenizer.vocabulary_size)]
    assert counts == sorted(counts, reverse=True)
    assert data.statistics["train"].unknown_rate == 0 < data.statistics["test"].unknown_rate


def test_dropping_leaves_no_idle_word() -> None:
    data = SentenceData.load("chatterbot-english", vocabulary_size=500, drop_unknown=True)
    used = np.unique(data.splits["train"].tokens[data.splits["train"].mask])
    assert data.tokenizer.vocabulary_size < 500
    assert used.tolist() == [0, *range(2, data.tokenizer.vocabulary_size)]


def test_conversations_stay_whole() -> None:
    """The utterances of a split are those of whole conversations."""
    data = SentenceData.load("chatterbot-chinese", max_length=200)
    sentences = {split: {data.tokenizer.decode(words) for words in data.words(split)} for split in SPLITS}
    everything = set().union(*sentences.values())
    for conversation in load_corpus("chatterbot-chinese").conversations:
        own = {" ".join(text.split()) for text in conversation} & everything
        assert any(own <= sentences["train"] | sentences[split] for split in SPLITS)


def test_same_seed_same_sentences() -> None:
    first, second = (SentenceData.load("chatterbot-english", split_seed=3) for _ in range(2))
    other = SentenceData.load("chatterbot-english", split_seed=4)
    for split in SPLITS:
        np.testing.assert_array_equal(first.splits[split].tokens, second.splits[split].tokens)
        assert not np.shares_memory(first.splits[split].tokens, second.splits[split].tokens)
    assert (
        first.splits["test"].tokens.shape != other.splits["test"].tokens.shape
        or (first.splits["test"].tokens != other.splits["test"].tokens).any()
    )
    assert gc.isenabled()


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("one\none one\none one one\n")
    before = SentenceData.load(path).tokenizer.words
    path.write_text("two\ntwo two\ntwo two two\n")
    os.utime(path, ns=(1, 1))
    after = SentenceData.load(path).tokenizer.words
    assert (before, after) == (("one",), ("two",))


def test_pack_by_hand() -> None:
    packed = pack([(2, 3), (), (3, 2, 2)], Tokenizer(["a", "b"]), 4)
    assert packed.tokens.tolist() == [[2, 3, 0, 5], [0, 5, 5, 5], [3, 2, 2, 0]]
    assert packed.lengths.tolist() == [3, 1, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokenizer": "chars"}, "unknown tokenizer 'chars'; did you mean 'character'"),
        ({"max_length": 1}, "max_length=1 is not allowed; must be at least 2"),
        ({"min_length": 0}, "min_length=0 is not allowed"),
        ({"min_length": 20, "max_length": 20}, "counts the end token too"),
        ({"conversations": 2}, "conversations=2 is not allowed; must be at least 3"),
        ({"split_seed": -1}, "split_seed=-1 is not allowed"),
        ({"vocabulary_size": 2}, "vocabulary_size=2 is not allowed"),
        ({"min_count": 10**6, "drop_unknown": True}, "hold unknown words"),
        ({"min_length": 180, "max_length": 200}, "fewer than 180"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        SentenceData.load("chatterbot-english", **arguments)
    assert "\n" not in str(caught.value)
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one line\n", "at least 3 conversations"),
        ("same\n" * 10, "has no validation sentence left: of 1, .* 1 repeat another"),
    ],
)
def test_too_little_text(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "small.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        SentenceData.load(path)
