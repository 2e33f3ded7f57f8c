"""Conversations become pairs of context and reply, dealt out by conversation, and bad files become one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.data.conversations import ConversationData, turns_of
from lhy_rl.data.corpora import load_corpus
from lhy_rl.data.sentences import SPLITS, bare_words


def written(folder: Path, text: str) -> Path:
    path = folder / "talk.txt"
    path.write_text(text, encoding="utf-8")
    return path


def texts(data: ConversationData, pairs: TokenSequences, i: int) -> tuple[list[str], str]:
    assert pairs.sources is not None and pairs.source_lengths is not None
    turns = turns_of(pairs.sources[i, : pairs.source_lengths[i]].tolist(), data.tokenizer.end_token)
    return [data.tokenizer.decode(turn) for turn in turns], data.tokenizer.decode(pairs.tokens[i])


def talk(n: int = 12) -> str:
    """Conversations of three turns, with an empty line between them; no two use the greetings alike."""
    greetings = [f"{first} {second}" for first in ("oh", "ah", "so", "now") for second in ("hello", "hi", "hey")]
    return "\n\n".join(f"{greeting} a{i}\n{greeting}\nbye" for i, greeting in enumerate(greetings[:n]))


def test_a_pair_is_the_turns_before_and_the_reply(tmp_path: Path) -> None:
    data = ConversationData.load(written(tmp_path, talk()), max_length=4, turn_length=5)
    assert {key: len(pairs) for key, pairs in data.pairs.items()} == {"train": 20, "validation": 2, "test": 2}
    pairs = data.pairs["train"]
    assert pairs.sources is not None and pairs.sources.shape == (20, 10) and pairs.tokens.shape == (20, 4)
    (first,), greeting = texts(data, pairs, 0)
    assert greeting == " ".join(first.split()[:2]) and first.split()[2][0] == "a"
    assert texts(data, pairs, 1) == ([first, greeting], "bye")
    ends = pairs.sources == data.tokenizer.end_token
    assert ends[0].sum() == 1 and ends[1].sum() == 2
    mask = pairs.source_mask
    assert mask is not None and (pairs.sources[~mask] == data.tokenizer.pad_token).all()


def test_one_turn_of_context_and_long_turns(tmp_path: Path) -> None:
    shorts = [f"{colour} {thing}" for colour in ("red", "blue", "green") for thing in ("hat", "ball", "book")]
    lines = "\n".join(f"x{i}\tone two three four five\t{short}\tend of it" for i, short in enumerate(shorts))
    data = ConversationData.load(written(tmp_path, lines), max_length=4, turn_length=4, context_turns=1)
    assert len(data.pairs["train"]) == 7  # "end of it" alone answers a turn that is short enough, and is itself
    (context,), reply = texts(data, data.pairs["train"], 0)
    assert context in shorts and reply == "end of it"
    assert data.statistics["train"].replies == 21 and data.statistics["train"].too_long == 14


def test_nothing_held_out_is_in_training() -> None:
    for corpus in ("chatterbot-english", "chatterbot-chinese"):
        data = ConversationData.load(corpus, max_length=16)
        bare = bare_words(data.tokenizer)
        seen: set[tuple[object, object]] = set()
        for split in SPLITS:
            pairs = data.pairs[split]
            replies = [tuple(row[: n - 1].tolist()) for row, n in zip(pairs.tokens, pairs.lengths, strict=True)]
            keys = {(bare(q), bare(a)) for q, a in zip(data.last_turns(split), replies, strict=True)}
            assert not keys & seen and len(pairs) == data.statistics[split].pairs > 20
            seen |= keys
        trained = set(map(bare, data.last_turns("train")))
        openings = data.openings("test")
        rows = [tuple(row[: n - 1].tolist()) for row, n in zip(openings.tokens, openings.lengths, strict=True)]
        assert len(rows) == len(set(rows)) > 20 and not trained & set(map(bare, rows))


def test_the_vocabulary_is_of_training_turns(tmp_path: Path) -> None:
    corpus = written(tmp_path, talk(10).replace("bye", "bye bye"))
    data = ConversationData.load(corpus, max_length=4, turn_length=4)
    assert [texts(data, data.pairs["test"], i) for i in range(2)] == [
        (["so hello <unk>"], "so hello"),
        (["so hello <unk>", "so hello"], "bye bye"),
    ]
    with pytest.raises(UserError, match=r"no validation reply left: of 2, .* 1 hold unknown words, 1 are in"):
        ConversationData.load(corpus, max_length=4, turn_length=4, min_count=6, drop_unknown=True)


def test_chitchats_turns_and_ratings() -> None:
    corpus = load_corpus("chitchat", turns=True)
    assert len(corpus.conversations) == len(corpus.ratings) == 4018 and corpus.utterances == 135_587
    values = [value for ratings in corpus.ratings for value in ratings.values()]
    assert len(values) > 3000 and min(values) == 1 and max(values) == 10 and 5 not in values
    assert {aspect for ratings in corpus.ratings for aspect in ratings} == {"witty", "interesting", "upbeat"}
    data = ConversationData.load(vocabulary_size=1500, drop_unknown=True)
    for split in SPLITS:
        pairs = data.pairs[split]
        assert pairs.lengths.max() == 12 and (pairs.tokens != data.tokenizer.unknown_token).all()
        rows = pairs.tokens, data.pairs[split].tokens[: len(pairs)]
        assert np.array_equal(*rows)
    assert "left out" in data.describe() and "1,500 actions" in repr(data)


def test_context_of_ones_own(tmp_path: Path) -> None:
    data = ConversationData.load(written(tmp_path, talk()), max_length=4, turn_length=4)
    encode = data.tokenizer.encode
    source, length = data.context([encode("gone"), encode("hello hi bye hello"), encode("bye")])
    end = data.tokenizer.end_token
    assert source[:length].tolist() == [*encode("hi bye hello"), end, *encode("bye"), end]
    assert (source[length:] == data.tokenizer.pad_token).all() and len(source) == 8


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("one\ntwo\n\nthree\nfour\n", {}, "too small"),
        ("one\ntwo\nthree\nfour\nfive\nsix\n", {}, "too small"),
        ("a\n\nb\n\nc\n\nd\n", {}, "has no train reply left: of 0,.*one turn per line"),
        ("", {}, "is empty"),
        (talk(), {"max_length": 1}, "max_length=1"),
        (talk(), {"turn_length": 2.5}, "turn_length=2.5"),
        (talk(), {"context_turns": 0}, "context_turns=0"),
        (talk(), {"vocabulary_size": 2}, "vocabulary_size=2"),
        (talk(), {"tokenizer": "wrod"}, "did you mean 'word'"),
        (talk(), {"split_seed": -1}, "split_seed=-1"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, text: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        ConversationData.load(written(tmp_path, text), **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_unknown_corpus() -> None:
    with pytest.raises(UserError, match="did you mean 'chitchat'"):
        ConversationData.load("chitchta")
