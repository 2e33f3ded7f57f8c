"""Cutting text, numbering words, joining them again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lhy_rl.core.errors import UserError
from lhy_rl.data.tokenizer import KINDS, Tokenizer, join, split


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Hello, World!", ["hello", ",", "world", "!"]),
        ("I don't know... it's 10:30 :)", ["i", "don't", "know", "...", "it's", "10:30", ":)"]),
        ("I don’t “know”", ["i", "don't", '"', "know", '"']),
        ("my co-worker paid $3.50.", ["my", "co-worker", "paid", "$", "3.50", "."]),
        ("what?!", ["what", "?", "!"]),
        ("'quoted'", ["'", "quoted", "'"]),
        ("cafe\u0301", ["café"]),  # an accent of its own is one letter with its vowel
        ("   ", []),
    ],
)
def test_words(text: str, tokens: list[str]) -> None:
    assert split(text, "word") == tokens


def test_characters_and_spaces() -> None:
    assert split("你好,  世界。", "character") == ["你", "好", ",", " ", "世", "界", "。"]
    assert split(" 秦 川  雄 帝 宅 ， ", "space") == ["秦", "川", "雄", "帝", "宅", "，"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("well, i don't know... do you? :)", "word"),
        ('he said "hello there" (twice), for $5!', "word"),
        ("人工智能是科学 Python", "character"),
        ("a cat .", "space"),
    ],
)
def test_joining_undoes_splitting(text: str, kind: str) -> None:
    assert join(split(text, kind), kind) == text


def test_chinese_set_apart_is_joined() -> None:
    assert join([*"函谷壮皇居。", "ok", "ok"], "space") == "函谷壮皇居。 ok ok"


def test_ids_by_frequency_then_alphabet() -> None:
    tokenizer = Tokenizer.build(["b a c", "c a", "c d"])
    assert tokenizer.words == ("c", "a", "b", "d")  # 3, 2, 1, 1 times
    assert (tokenizer.end_token, tokenizer.unknown_token) == (0, 1)
    assert (tokenizer.vocabulary_size, tokenizer.start_token, tokenizer.pad_token) == (6, 6, 7)
    assert tokenizer.observation_size == 8
    assert tokenizer.encode("A zebra c!") == [3, 1, 2, 1]


def test_limits() -> None:
    texts = ["b a c", "c a", "c d"]
    assert Tokenizer.build(texts, vocabulary_size=5).words == ("c", "a", "b")
    assert Tokenizer.build(texts, vocabulary_size=5).vocabulary_size == 5
    assert Tokenizer.build(texts, min_count=2).words == ("c", "a")


def test_decode_stops_at_the_end() -> None:
    tokenizer = Tokenizer(["hi", "!"])
    start, pad = tokenizer.start_token, tokenizer.pad_token
    assert tokenizer.decode(np.array([start, 2, 3, 0, 2, 2])) == "hi!"
    assert tokenizer.decode([2, 1, pad, pad]) == "hi <unk>"
    assert tokenizer.decode([]) == ""
    with pytest.raises(UserError, match="token id 6 does not exist"):
        tokenizer.decode([6])


@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(st.text()))
def test_every_training_token_is_known(kind: str, texts: list[str]) -> None:
    tokenizer = Tokenizer.build(texts, kind)
    for text in texts:
        ids = tokenizer.encode(text)
        assert [tokenizer.token(index) for index in ids] == split(text, kind)
        assert all(2 <= index < tokenizer.vocabulary_size for index in ids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "words"}, "unknown tokenizer 'words'; did you mean 'word'"),
        ({"vocabulary_size": 2}, "vocabulary_size=2 is not allowed"),
        ({"min_count": 0}, "min_count=0 is not allowed"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Tokenizer.build(["a"], **arguments)


def test_a_word_twice() -> None:
    with pytest.raises(UserError, match="twice"):
        Tokenizer(["a", "a"])
