"""Two bots talk: when a dialogue is over, who gets what, and what they see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SOURCE, SOURCE_MASK, TOKEN
from lhy_rl.data.conversations import turns_of
from lhy_rl.envs.dialogue.chat_reply import ChatReply
from lhy_rl.envs.dialogue.chat_selfplay import ChatSelfplay
from lhy_rl.envs.game import GameBatch

SMALL: dict[str, Any] = {"corpus": "chatterbot-english", "max_length": 8, "vocabulary_size": 400}


def talk(game: ChatSelfplay, *texts: str, seed: int = 0) -> tuple[GameBatch, list[np.ndarray], dict[str, Any]]:
    """One dialogue in which this is said; per utterance the rewards (2,), and the last infos."""
    batch = GameBatch(game, 1, autoreset=False)
    batch.reset(seed=seed)
    gained: list[np.ndarray] = []
    infos: dict[str, Any] = {}
    for text in texts:
        total, turns = np.zeros(2), batch.state["turns"][0]
        for token in [*game.tokenizer.encode(text), game.end_token]:
            if batch.state["turns"][0] == turns and not batch.state["over"][0]:
                _, reward, _, infos = batch.step(np.array([token]))
                total += reward[0]
        gained.append(total)
    return batch, gained, infos


def final(infos: dict[str, Any]) -> dict[str, Any]:
    return {key: value[0] for key, value in infos["final_info"][0].items()}


@pytest.mark.parametrize(
    ("texts", "turns", "dull", "repeated"),
    [
        (["i don't know"], 0, True, False),
        (["check the power cable", "what is your name?", "I don't know!"], 2, True, False),
        (["check the power cable", "what is your name?", "check the power cable!"], 2, False, True),
        (["check the power cable", "check the power cable", "what is your name?", "who are you?"], 4, False, False),
        (["check the power", "what is your name?", "check my power", "who are you?"], 4, False, False),
        (["?"], 0, True, False),
    ],
)  # fmt: skip
def test_when_a_dialogue_is_over(texts: list[str], turns: int, dull: bool, repeated: bool) -> None:
    batch, gained, infos = talk(ChatSelfplay(max_turns=4, **SMALL), *texts)
    assert batch.state["over"].tolist() == [True] and len(gained) == len(texts)
    ended = final(infos)
    assert (ended["turns"], ended["dull"], ended["repeated"]) == (turns, dull, repeated)
    assert ended["text"] == batch.game.transcript(batch.state)[0] and texts[0] in ended["text"].lower()


def test_the_answers_opening_is_the_others_own_last_turn() -> None:
    """The second bot is the one whose opening was answered; to say it again is repetition."""
    game = ChatSelfplay(**SMALL)
    batch = GameBatch(game, 1)
    batch.reset(seed=0)
    opening = game.tokenizer.decode(batch.state["utterances"][0, 0])
    _, _, infos = talk(game, "check the power cable", opening)
    assert final(infos)["repeated"] and final(infos)["turns"] == 1


def test_the_speaker_is_rewarded_as_in_chat_reply() -> None:
    texts = ["check the power cable", "the cable is not my power", "what is your name?"]
    for reward in ("rules", "li", "pmi"):
        game, reply = ChatSelfplay(reward, length_weight=2.0, **SMALL), ChatReply(reward=reward, **SMALL)
        assert game.tokenizer == reply.tokenizer and reply.score is not None
        batch, gained, _ = talk(game, *texts)
        first = int(batch.state["first"][0])
        said = [
            game.openings.tokens[np.flatnonzero((game.openings.tokens == batch.state["utterances"][0, 0]).all(1))[0]]
        ]
        spoken = [turns_of(said[0].tolist(), 0)[0], *(tuple(game.tokenizer.encode(text)) for text in texts)]
        for turn in range(3):
            source, _ = game.data.context(spoken[: turn + 1])
            tokens = np.full((1, 8), game.pad_token)
            row = [*spoken[turn + 1], 0]
            tokens[0, : len(row)] = row
            words = sum(any(map(str.isalnum, word)) for word in game.tokenizer.split(texts[turn]))
            worth = reply.score(source[None], tokens, np.array([len(row)]))[0] + 2 * min(words / 6, 1)
            speaker = (first + turn) % 2
            assert gained[turn][speaker] == pytest.approx(worth) and gained[turn][1 - speaker] == 0
        _, both, _ = talk(ChatSelfplay(reward, length_weight=2.0, shared=True, **SMALL), *texts)
        np.testing.assert_allclose(both, [np.repeat(g.sum(), 2) for g in gained])


def test_what_the_bots_see() -> None:
    game = ChatSelfplay(context_turns=2, **SMALL)
    batch = GameBatch(game, 1)
    obs = batch.reset(seed=0)
    assert (
        obs[TOKEN] == [game.tokenizer.start_token]
        and obs[SOURCE_MASK].sum()
        == game.openings.lengths[(game.openings.tokens == batch.state["utterances"][0, 0]).all(1)]
    )
    assert obs["action_mask"][0, [0, 1, 2]].tolist() == [0, 0, 1]  # neither nothing at all nor the unknown word
    batch, _, _ = talk(game, "check the power cable", "what is your name?", "it is not a cable")
    other = batch.observe(1 - batch.to_move)
    seen = batch.observe()
    length = int(seen[SOURCE_MASK].sum())
    turns = [game.tokenizer.decode(turn) for turn in turns_of(seen[SOURCE][0, :length].tolist(), 0)]
    assert turns == ["what is your name?", "it is not a cable"]
    np.testing.assert_array_equal(other[SOURCE], seen[SOURCE])
    assert other["action_mask"].all() and not seen["action_mask"].all()
    obs, *_ = batch.step(np.array([5]))
    assert obs[TOKEN] == [5] and obs["action_mask"][0, :2].tolist() == [1, 0]
    np.testing.assert_array_equal(obs[SOURCE], seen[SOURCE])


def test_an_utterance_ends_at_its_longest() -> None:
    game = ChatSelfplay(**SMALL)
    batch = GameBatch(game, 2, autoreset=False)
    batch.reset(seed=0)
    for step in range(8):
        assert batch.state["turns"].tolist() == [0, 0]
        batch.step(np.array([10 + step, 30 + step]))
    assert batch.state["turns"].tolist() == [1, 1] and batch.state["lengths"][:, 1].tolist() == [9, 9]
    assert batch.state["utterances"][0, 1, 8] == game.end_token and (batch.state["tokens"] == game.pad_token).all()


def test_a_curriculum_raises_the_turns() -> None:
    game = ChatSelfplay(max_turns=2, reward="none", **SMALL)
    draw = np.random.default_rng(0)
    for turns in (2, 5, 8):
        game.max_turns = turns
        batch = GameBatch(game, 8, autoreset=False)
        obs, over = batch.reset(seed=turns), np.zeros(8, bool)
        while not over.all():
            obs, rewards, over, infos = batch.step(
                (draw.random(obs["action_mask"].shape) * obs["action_mask"]).argmax(1)
            )
            assert not rewards.any()
            if over.any():
                break
        assert infos["final_info"][0]["turns"].max() == turns
    with pytest.raises(UserError, match=r"max_turns=9 is not allowed; must be a whole number from 1 to 8"):
        game.max_turns = 9


def test_a_scorer_that_an_agent_gives() -> None:
    class Flat:
        def forward(self, pairs: Any) -> np.ndarray:
            return np.full(len(pairs), -3.0)

        backward = forward

        def similarity(self, first: Any, second: Any) -> np.ndarray:
            return np.ones(len(first))

    game = ChatSelfplay("li", **SMALL)
    game.scorer = Flat()
    _, gained, _ = talk(game, "check the cable")  # four tokens: r1 = mean 3 / N_s, r2 = 0, r3 = -3 / 4 - 3 / N_q
    asked = game.dull.probes.lengths
    opening = GameBatch(game, 1)
    opening.reset(seed=0)
    length = opening.state["lengths"][0, 0]
    assert gained[0].sum() == pytest.approx(0.25 * (3 / asked).mean() + 0.5 * (-3 / 4 - 3 / length))
    with pytest.raises(UserError, match="scorer is 3"):
        game.scorer = 3


def test_both_languages() -> None:
    game = ChatSelfplay(corpus="chatterbot-chinese", max_length=12)
    _, _, infos = talk(game, "我喜欢你", "我不知道")
    assert final(infos)["dull"] and final(infos)["turns"] == 1
    assert [line.split(": ")[1] for line in final(infos)["text"].splitlines()[1:3]] == ["我喜欢你", "我不知道"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reward": "ruels"}, "did you mean 'rules'"),
        ({"split": "trian"}, "did you mean 'train'"),
        ({"max_turns": 0}, "max_turns=0"),
        ({"max_turns": True}, "max_turns=True"),
        ({"length_weight": -1}, "length_weight=-1"),
        ({"turn_length": 8}, "turn_length=8 is not allowed; must be above max_length=8"),
        ({"corpus": "nothing.txt"}, "does not exist"),
    ],
)
def test_bad_arguments_are_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        ChatSelfplay(**{**SMALL, **arguments})
    assert "\n" not in str(caught.value)


def test_a_wrong_reward_names_itself() -> None:
    with pytest.raises(UserError, match="reward 'broken' raised KeyError"):
        talk(ChatSelfplay(broken, **SMALL), "check the cable")


def broken(contexts: np.ndarray, replies: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    raise KeyError("nothing")
