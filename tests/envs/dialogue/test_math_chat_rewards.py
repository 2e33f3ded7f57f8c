"""What a reply is worth, by hand; and a reward that is wrong is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import ReplyScorer, TokenSequences
from lhy_rl.core.registry import names_from_a_file
from lhy_rl.data.conversations import ConversationData
from lhy_rl.data.sentences import pack
from lhy_rl.data.tokenizer import Tokenizer
from lhy_rl.envs.dialogue.chat.counts import CountScorer, Table
from lhy_rl.envs.dialogue.chat.li import LiReward, MutualInformation
from lhy_rl.envs.dialogue.chat.rewards import Checked, Length, choose_reward, choose_scorer, closed
from lhy_rl.envs.dialogue.chat.rules import Relevance, Rules
from lhy_rl.envs.dialogue.chat.turns import DULL_FILE, DullReplies, WordReader, overlap, repetition, turn_from_the_end

TEXT = "\n".join(
    f"{a}\t{b}"
    for a, b in [
        ("do you like tea?", "yes, i like green tea"),
        ("do you like coffee?", "i don't know"),
        ("where do you live?", "i live by the river"),
        ("who is there?", "nobody is there"),
        ("what is green?", "tea is green"),
        ("what is blue?", "the river is blue"),
        ("is tea green?", "green tea is"),
        ("is the river blue?", "i like the river"),
        ("do i know you?", "i don't like that"),
        ("where is the tea?", "by the river"),
    ]
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> ConversationData:
    path = tmp_path_factory.mktemp("talk") / "talk.txt"
    path.write_text(TEXT, encoding="utf-8")
    return ConversationData.load(path, max_length=8, turn_length=8)


def batch(data: ConversationData, *texts: str) -> tuple[np.ndarray, np.ndarray]:
    packed = pack([tuple(data.tokenizer.encode(text)) for text in texts], data.tokenizer, 8)
    return packed.tokens, packed.lengths


def contexts(data: ConversationData, *turns: list[str]) -> np.ndarray:
    return np.stack([data.context(map(data.tokenizer.encode, row))[0] for row in turns])


def test_turns_of_a_context(data: ConversationData) -> None:
    rows = contexts(data, ["i like tea", "where?"], ["yes"])
    end, pad, decode = data.tokenizer.end_token, data.tokenizer.pad_token, data.tokenizer.decode
    last, before, none = (turn_from_the_end(rows, back, end, pad) for back in (1, 2, 3))
    assert [decode(row) for row in last.tokens] == ["where?", "yes"] and last.lengths.tolist() == [3, 2]
    assert [decode(row) for row in before.tokens] == ["i like tea", ""] and before.lengths.tolist() == [4, 0]
    assert (none.lengths == 0).all() and (none.tokens == pad).all()


@pytest.mark.parametrize(
    ("first", "second", "share"),
    [
        ("i like tea", "i like tea!", 1.0),
        ("i like tea", "i like green tea", 0.75),
        ("i like tea", "tea like i", 1.0),
        ("tea tea tea", "tea is green", 1 / 3),
        ("yes", "nobody", 0.0),
        ("?!", "yes", 0.0),
    ],
)
def test_overlap(data: ConversationData, first: str, second: str, share: float) -> None:
    reader = WordReader(data.tokenizer)
    a, b = (reader.words(*batch(data, text)) for text in (first, second))
    assert overlap(a, b) == pytest.approx([share]) and overlap(b, a) == pytest.approx([share])


def test_repetition_and_length(data: ConversationData) -> None:
    rows = batch(data, "tea tea is tea", "i like the green river", "by the river is green tea", "?")
    assert repetition(WordReader(data.tokenizer).words(*rows)) == pytest.approx([0.5, 0, 0, 0])
    assert Length(data)(rows[0], *rows) == pytest.approx([4 / 6, 5 / 6, 1, 0])


def test_dull_replies_in_both_languages(data: ConversationData) -> None:
    listed = yaml.safe_load(DULL_FILE.read_text(encoding="utf-8"))
    assert set(listed) == {"en", "zh"} and all(isinstance(t, str) and t for texts in listed.values() for t in texts)
    dull = DullReplies(data.tokenizer)
    said = dull.reader.words(
        *batch(data, "i don't know", "I don't know!", "know", "i don't know you", "tea don't know", "")
    )
    assert dull.share(said) == pytest.approx([1, 1, 0, 0.75, 0, 1])
    assert dull.is_dull(said).tolist() == [True, True, False, True, False, True]
    chinese = Tokenizer.build(["我不知道你在哪", "好的"], "character")
    dull = DullReplies(chinese)
    rows = pack([tuple(chinese.encode(text)) for text in ("我不知道", "你在哪", "我不知道你")], chinese, 8)
    assert dull.is_dull(dull.reader.words(rows.tokens, rows.lengths)).tolist() == [True, False, True]


def test_counts_by_hand() -> None:
    table = Table(np.array([0, 0, 0, 1]), np.array([2, 2, 3, 3]), 5)
    x, y = np.array([0, 0, 1, 1, 4]), np.array([2, 3, 2, 3, 4])
    assert table.count(x, y).tolist() == [2, 1, 0, 1, 0]
    assert table.given(x, y) == pytest.approx([2 / 3, 1 / 3, 0, 1, 0])
    expected = [np.log(2 * 4 / (3 * 2)) * 2 / 7, 0, 0, np.log(4 / 2) / 6, 0]
    assert table.mutual_information(x, y) == pytest.approx(expected)


def test_probabilities_sum_to_one(data: ConversationData) -> None:
    """Of the first token, after a context that people have answered: over all tokens that can follow."""
    scorer = CountScorer(data)
    words = np.arange(data.tokenizer.vocabulary_size)
    pairs = data.pairs["train"]
    assert pairs.sources is not None and pairs.source_lengths is not None
    source, length = np.tile(pairs.sources[:1], (len(words), 1)), np.repeat(pairs.source_lengths[:1], len(words))
    one = TokenSequences(words[:, None], np.ones(len(words), np.int64), source, length)
    assert np.exp(scorer.forward(one)).sum() == pytest.approx(1.0)
    assert isinstance(scorer, ReplyScorer)


def test_similarity(data: ConversationData) -> None:
    scorer = CountScorer(data)
    first, second = (
        TokenSequences(*batch(data, *t)) for t in (("tea is green", "yes", ""), ("tea is green", "tea", ""))
    )
    assert scorer.similarity(first, second) == pytest.approx([1, 0, 0])
    near = scorer.similarity(first, TokenSequences(*batch(data, "tea is blue", "yes", "")))
    assert (
        0.3 < near[0] < 1
        and near[0] == scorer.similarity(TokenSequences(*batch(data, "tea is blue", "", "")), first)[0]
    )


def test_rules_term_by_term(data: ConversationData) -> None:
    rules = Rules(data)
    asked = contexts(data, ["i like tea", "what is green?"], *[["where is the river?"]] * 3)
    rows = batch(data, "i like tea", "i don't know", "river tea by green", "")
    ease, flow, coherence, length, fluency = rules.terms(asked, *rows)
    assert ease == pytest.approx([1, 0, 1, 0]) and flow == pytest.approx([0, 1, 1, 0])
    assert length == pytest.approx([3 / 6, 3 / 6, 4 / 6, 0])
    assert fluency[2] == 0 and (coherence <= 1).all() and coherence[3] == 0
    people = data.pairs["train"]
    assert (rules.fluency(people.tokens, people.lengths) == 1).all()
    spoilt = people.tokens.copy()
    spoilt[:, 0] = data.tokenizer.unknown_token  # two pairs of neighbours that nobody wrote
    assert rules.fluency(spoilt, people.lengths) == pytest.approx(1 - 2 / people.lengths)
    worth = rules(asked, *rows)
    assert worth == pytest.approx(fluency * (0.2 * ease + 0.2 * flow + 0.4 * coherence + 0.2 * length))
    assert worth[3] == 0


def test_relevance_is_a_sum_over_words(data: ConversationData) -> None:
    """Each word adds its own share, whatever stands around it; the second time it adds nothing."""
    relevance = Relevance(data)
    asked = contexts(data, *[["what is blue?"]] * 4)
    one, two, both, again = relevance(asked, *batch(data, "river", "green", "river? green", "river river green"))
    assert one > 0 and both == pytest.approx(one + two) and again == pytest.approx(both)


class Fixed:
    """A scorer whose answers are known: log p is minus the sum of the tokens, backward half of it."""

    def forward(self, pairs: TokenSequences) -> np.ndarray:
        assert pairs.source_lengths is not None
        total: np.ndarray = -(pairs.tokens * pairs.mask).sum(1) - 0.5 * pairs.source_lengths
        return total

    def backward(self, pairs: TokenSequences) -> np.ndarray:
        return self.forward(pairs) / 2

    def similarity(self, first: TokenSequences, second: TokenSequences) -> np.ndarray:
        return np.where(first.lengths > second.lengths, -0.3, 0.25)


def test_li_term_by_term(data: ConversationData) -> None:
    li = LiReward(data, Fixed())
    asked = contexts(data, ["tea", "yes"], ["tea is green by the river", "yes"], ["yes"])
    replies, lengths = batch(data, *["i like"] * 3)
    ease, flow, coherence = li.terms(asked, replies, lengths)
    said, dull = replies[0, :2].sum(), li.dull
    probability = -(dull.tokens * dull.mask).sum(1) - 0.5 * 3  # the reply has three tokens
    assert ease == pytest.approx(np.full(3, -(probability / dull.lengths).mean()))
    assert flow == pytest.approx([-np.log(0.25), -np.log(1e-3), 0])  # the cosine is cut; without a turn before, nothing
    sizes = (asked != data.tokenizer.pad_token).sum(1)
    forward = -said - 0.5 * sizes
    assert coherence == pytest.approx(forward / 3 + forward / 2 / 2)
    assert li(asked, replies, lengths) == pytest.approx(0.25 * ease + 0.25 * flow + 0.5 * coherence)


def test_pmi_by_hand(data: ConversationData) -> None:
    pmi = MutualInformation(data, Fixed())
    asked = contexts(data, ["yes"], ["tea", "yes"])
    worth = pmi(asked, *batch(data, "i like", "i like"))
    pad = data.tokenizer.pad_token
    other = pmi.others[(asked * pmi.factors).sum(1) % len(pmi.others)]
    assert worth == pytest.approx(2 * 0.5 * ((other != pad).sum(1) - (asked != pad).sum(1)) / 3)


def test_people_answer_better_than_chance(data: ConversationData) -> None:
    """With counts alone, what people replied is likelier than the reply to another turn."""
    english = ConversationData.load("chatterbot-english", max_length=12, vocabulary_size=500)
    pairs = english.pairs["train"]
    assert pairs.sources is not None
    for name, least in (("pmi", 0.7), ("rules", 0.6), ("bleu", 0.95)):
        reward = choose_reward(name, english)
        assert reward is not None
        own = reward(pairs.sources, pairs.tokens, pairs.lengths)
        other = reward(pairs.sources, np.roll(pairs.tokens, 7, 0), np.roll(pairs.lengths, 7))
        assert (own > other).mean() > least, name


def test_rating_is_of_chitchat_only(data: ConversationData) -> None:
    with pytest.raises(UserError, match="needs a corpus with human ratings, 'chitchat', not"):
        choose_reward("rating", data)


def test_rating_correlates_with_peoples() -> None:
    from lhy_rl.envs.dialogue.chat.rating import Rating

    chat = ConversationData.load("chitchat", vocabulary_size=500, conversations=1500)
    rating = Rating(chat)
    assert rating.correlation > 0.35
    assert abs(rating.correlation - rating.length_correlation) < 0.2  # as the docstring admits
    pairs = chat.pairs["test"]
    assert pairs.sources is not None
    one = rating(pairs.sources[:1], np.array([[7, 7, 9, 0]]), np.array([4]))
    weighted = np.log1p([2, 1]) * rating.idf[[7, 9]]
    assert one == pytest.approx([weighted @ rating.weights[[7, 9]] / np.linalg.norm(weighted)])


def test_closed(data: ConversationData) -> None:
    tokens, lengths = batch(data, "i like", "tea")
    full = closed(tokens[:, :2], np.minimum(lengths, 2), data.tokenizer)
    assert full.lengths.tolist() == [3, 2]
    assert full.tokens.tolist() == [[*tokens[0, :2], 0], [tokens[1, 0], 0, data.tokenizer.pad_token]]


def wrong(what: Any) -> Callable[..., Any]:
    def my_reward(contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> Any:
        if isinstance(what, Exception):
            raise what
        return what

    return my_reward


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (ZeroDivisionError("division by zero\nof mine"), r"reward 'my_reward' raised ZeroDivisionError: '.*of mine'"),
        (np.array([1.0, np.nan]), "reward 'my_reward' returned nan; must be finite"),
        (np.array([np.inf, 1.0]), "returned inf"),
        (np.zeros((2, 1)), r"returned shape \(2, 1\); must be \(2,\)"),
        (3.0, r"returned shape \(\); must be \(2,\)"),
        (None, r"must be \(2,\)|returned nan"),
        ("good", "returned 'good'"),
        ([[1], [1, 2]], "returned"),
    ],
    ids=str,
)
def test_a_wrong_reward_is_one_line(data: ConversationData, what: Any, message: str) -> None:
    reward = choose_reward(wrong(what), data)
    assert isinstance(reward, Checked)
    with pytest.raises(UserError, match=message) as caught:
        reward(contexts(data, ["yes"], ["tea"]), *batch(data, "tea", "yes"))
    assert "\n" not in str(caught.value)


def test_rewards_of_ones_own(data: ConversationData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chat_own.py").write_text(
        "def of_tokens(contexts, replies, lengths): return lengths * 2\n"
        "class OfData:\n"
        "    def __init__(self, data): self.size = data.tokenizer.vocabulary_size\n"
        "    def __call__(self, contexts, replies, lengths): return lengths + self.size\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    asked, rows = contexts(data, ["yes"]), batch(data, "i like tea")
    plain, made = choose_reward("chat_own:of_tokens", data), choose_reward("chat_own:OfData", data)
    assert plain is not None and plain(asked, *rows) == [8] and plain(asked, *rows).dtype == np.float64
    assert made is not None and made(asked, *rows) == [4 + data.tokenizer.vocabulary_size]
    assert choose_reward("none", data) is None
    for given, message in (
        ("rulse", "did you mean 'rules'"),
        ("chat_own:of_token", "did you mean 'of_tokens'"),
        ("no_such:thing", "there is no module 'no_such'"),
        ("chat_own:number", "cannot be called"),
        (3, "reward 3 cannot be called"),
    ):
        with pytest.raises(UserError, match=message):
            choose_reward(given, data)
    with names_from_a_file(), pytest.raises(UserError, match="a file may not choose what is imported"):
        choose_reward("chat_own:of_tokens", data)
    for scorer in (3, "chat_own:OfData"):
        with pytest.raises(UserError, match=r"cannot be called|scorer is .*; allowed: 'counts'"):
            choose_scorer(scorer, data)
