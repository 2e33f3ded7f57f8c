"""CorpusText: the sentences are the file's, the reward is BLEU at the end, bad input is told in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import KnownDensity
from lhy_rl.envs.text.corpus import CorpusText, CorpusTextEnv

PEOPLE = ["tom", "anna", "paul", "mary"]
DEEDS = ["sees", "eats", "wants", "finds"]
THINGS = ["bread", "fish", "trees", "books"]


@pytest.fixture
def text(tmp_path: Path) -> str:
    path = tmp_path / "sentences.txt"
    lines = [f"{p} {d} the {t}" for p in PEOPLE for d in DEEDS for t in THINGS]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def write(env: CorpusText, sentences: list[list[int]]) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Rewards (N, T) of writing these sentences to their ends, and the infos; behind an end anything is written."""
    env.reset(seed=0)
    rewards, infos = [], []
    for t in range(max(map(len, sentences))):
        _, reward, _, _, info = env.step(np.array([s[t] if t < len(s) else 0 for s in sentences]))
        rewards.append(reward)
        infos.append(info)
    return np.stack(rewards, 1), infos


def test_sentences_come_back_as_text(text: str) -> None:
    env = CorpusText(1, corpus=text, max_length=6)
    lines = set(Path(text).read_text(encoding="utf-8").split("\n"))
    found: list[str] = []
    for split in ("train", "validation", "test"):
        sentences = env.sequences(split)  # type: ignore[arg-type]
        assert (sentences.lengths == 5).all()  # four words and the end
        found += [env.decode(tokens) for tokens in sentences.tokens]
    assert len(found) == len(lines) and set(found) == lines
    assert env.vocabulary_size == 2 + 13 and not isinstance(env, KnownDensity)
    with pytest.raises(UserError, match="unknown split 'tset'; did you mean 'test'"):
        env.sequences("tset")  # type: ignore[arg-type]


def test_episode_ends_with_the_end_token_or_the_length(text: str) -> None:
    task = CorpusTextEnv(corpus=text, max_length=6, reward="none")
    task.reset()
    assert [task.step(a)[2] for a in (2, 0)] == [False, True]
    task.reset()
    assert task.step(0)[2]
    task.reset()
    assert [task.step(2)[2] for _ in range(6)] == [False] * 5 + [True]


def test_bleu_is_given_at_the_end_alone(text: str) -> None:
    env = CorpusText(3, corpus=text, max_length=6, autoreset_mode="SameStep")
    train = env.sequences("train").tokens
    known = [int(t) for t in train[0, :5]]
    mixed = [*known[:3][::-1], 0]
    rewards, infos = write(env, [known, mixed, [0]])
    assert rewards[0, :4].tolist() == [0] * 4 and rewards[0, 4] == pytest.approx(1.0)
    assert rewards[1, :3].tolist() == [0] * 3 and 0 < rewards[1, 3] < 0.7
    assert rewards[2, 0] == 0.0  # nothing was said
    assert infos[0]["final_info"]["_bleu"].tolist() == [False, False, True]
    assert infos[3]["final_info"]["bleu"][1] == rewards[1, 3]
    assert infos[4]["final_info"]["bleu"][0] == pytest.approx(1.0)


def test_bleu_order(text: str) -> None:
    known_words_in_no_order = {}
    for order in (1, 4):
        env = CorpusText(1, corpus=text, max_length=6, bleu_order=order)
        first = env.sequences("train").tokens[0, :4][::-1].tolist()
        known_words_in_no_order[order] = write(env, [[*first, 0]])[0].sum()
    assert known_words_in_no_order[1] == pytest.approx(1.0) and known_words_in_no_order[4] < 0.7
    for order in (0, 5):
        with pytest.raises(UserError, match=f"bleu_order={order} is not allowed; must be a whole number from 1 to 4"):
            CorpusText(1, corpus=text, bleu_order=order)


def test_no_reward(text: str) -> None:
    env = CorpusText(1, corpus=text, max_length=6, reward="none")
    rewards, infos = write(env, [[2, 3, 0]])
    assert (rewards == 0).all() and infos[-1] == {}


def test_truncated_sentence_is_scored_without_reward(text: str) -> None:
    env = CorpusText(1, corpus=text, max_length=6, max_episode_steps=2)
    env.reset()
    tokens = env.sequences("train").tokens[0]
    env.step(tokens[:1])
    _, reward, terminated, truncated, info = env.step(tokens[1:2])
    assert truncated[0] and not terminated[0] and reward[0] == 0 and info["bleu"][0] > 0


def test_split_seed_deals_anew(text: str) -> None:
    first, again, other = (CorpusText(1, corpus=text, split_seed=s).sequences("test").tokens for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", ["chatterbot-english", "chatterbot-chinese"])
def test_packaged_corpora(name: str) -> None:
    pytest.importorskip("chatterbot_corpus", reason="the extra text is not installed")
    env = CorpusText(2, corpus=name, reward="none", vocabulary_size=None, render_mode="ansi")
    sentence = env.sequences("train").tokens[3]
    env.reset()
    for token in sentence[:3]:
        env.step(np.array([token, token]))
    assert env.render() == (env.decode(sentence[:3]),) * 2
    assert (" " in env.decode(sentence)) == (name == "chatterbot-english")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"corpus": "chitchatt"}, "unknown corpus 'chitchatt'; did you mean 'chitchat'"),
        ({"corpus": "/nowhere/text.txt"}, "does not exist"),
        ({"tokenizer": "words"}, "unknown tokenizer 'words'; did you mean 'word'"),
        ({"vocabulary_size": 2}, "vocabulary_size=2 is not allowed; must be a whole number of at least 3"),
        ({"max_length": 1}, "max_length=1 is not allowed; must be a whole number from 2 to 10000"),
        ({"min_length": 0}, "min_length=0"),
        ({"min_length": 6}, "min_length=6 does not fit"),
        ({"min_count": 0}, "min_count=0"),
        ({"min_count": "2"}, "min_count='2'"),
        ({"split_seed": -1}, "split_seed=-1"),
        ({"conversations": 2}, "conversations=2"),
        ({"reward": "blue"}, "unknown reward 'blue'; did you mean 'bleu'"),
    ],
    ids=str,
)
def test_bad_arguments(text: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        CorpusText(1, **{"corpus": text, "max_length": 6, **arguments})
    assert "\n" not in str(caught.value)


def test_bad_files(tmp_path: Path) -> None:
    for name, content, message in [
        ("empty.txt", b"", "empty"),
        ("latin.txt", "déjà vu\n".encode("latin1") * 20, "not UTF-8"),
        ("short.txt", b"one line\n", "at least 3"),
    ]:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError, match=message):
            CorpusText(1, corpus=str(path))
