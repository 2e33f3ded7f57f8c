"""``ChatReply-v0``: what is observed, when it ends, and that rewards at tokens and at the end have one sum."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import SOURCE, SOURCE_MASK, TOKEN, ScriptedExpert, TextTask
from lhy_rl.envs.dialogue.chat_reply import ChatReply

SMALL: dict[str, Any] = {"corpus": "chatterbot-english", "max_length": 8, "vocabulary_size": 300}


def returns(env: ChatReply, seed: int, people: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(B,) sums of the first episodes' rewards, and their scores."""
    env.reset(seed=seed)
    env.action_space.seed(seed)
    total, score, alive = np.zeros(env.num_envs), np.full(env.num_envs, np.nan), np.ones(env.num_envs, bool)
    while alive.any():
        action = env.expert_action() if people else env.action_space.sample()
        _, reward, terminated, truncated, info = env.step(action)
        total += reward * alive
        ended = (terminated | truncated) & alive
        if ended.any():
            score[ended] = info["final_info"]["score"][ended]
        alive &= ~ended
    return total, score


@pytest.mark.parametrize("reward", ["rules", "bleu", "li", "pmi", "length"])
@pytest.mark.parametrize("people", [False, True])
def test_token_rewards_sum_to_the_reward_at_the_end(reward: str, people: bool) -> None:
    ends, tokens = (
        returns(ChatReply(32, reward=reward, reward_at=at, autoreset_mode="SameStep", **SMALL), 5, people)
        for at in ("end", "token")
    )
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-12)  # all of it is given with the last token
    np.testing.assert_allclose(tokens[0], ends[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(tokens[1], ends[1])
    assert ends[0].std() > 0


def test_token_rewards_are_potential_differences() -> None:
    env = ChatReply(4, reward="rules", reward_at="token", autoreset_mode="Disabled", **SMALL)
    env.reset(seed=0)
    before, gained = np.zeros(4), []
    for token in env.tokenizer.encode("i check"):
        _, reward, *_ = env.step(np.full(4, token))
        state = env.snapshot()["state"]
        assert env.score is not None
        worth = env.score(env.source(state), state["tokens"], state["length"])
        np.testing.assert_allclose(reward, worth - before, atol=1e-15)
        before, _ = worth, gained.append(reward)
    assert np.abs(gained).max() > 0


def test_the_observation_is_the_last_token_and_what_is_answered() -> None:
    env = ChatReply(3, autoreset_mode="SameStep", **SMALL)
    obs, _ = env.reset(seed=1)
    assert isinstance(env, TextTask) and isinstance(env, ScriptedExpert)
    pair = env.snapshot()["state"]["pair"]
    source, lengths = env.pairs.sources, env.pairs.source_lengths
    assert source is not None and lengths is not None
    assert (obs[TOKEN] == env.start_token).all() and obs[SOURCE].shape == (3, 40)
    np.testing.assert_array_equal(obs[SOURCE], source[pair])
    np.testing.assert_array_equal(obs[SOURCE_MASK].sum(1), lengths[pair])
    first = env.expert_action()
    np.testing.assert_array_equal(first, env.pairs.tokens[pair, 0])
    after, *_ = env.step(first)
    np.testing.assert_array_equal(after[TOKEN], first)
    np.testing.assert_array_equal(after[SOURCE], obs[SOURCE])


def test_peoples_replies_end_where_they_end_and_bleu_knows_them() -> None:
    env = ChatReply(16, reward="bleu", autoreset_mode="SameStep", **SMALL)
    env.reset(seed=2)
    lengths = env.pairs.lengths[env.snapshot()["state"]["pair"]]
    for step in range(1, 9):
        _, reward, terminated, _, info = env.step(env.expert_action())
        first = lengths >= step
        np.testing.assert_array_equal(terminated[first], lengths[first] == step)
        assert (reward[first & ~terminated] == 0).all()
        if step > 2:  # of one word there are no pairs of words to count
            assert (reward[first & terminated] > 1 - 1e-12).all()
        if terminated.any():
            assert "\n- " in info["final_info"]["text"][terminated][0]
    assert (lengths > 2).sum() > 8


def test_reward_none_and_splits() -> None:
    env = ChatReply(8, reward="none", autoreset_mode="SameStep", **SMALL)
    total, score = returns(env, 0)
    assert (total == 0).all() and (score == 0).all()
    held_out = ChatReply(1, split="test", **SMALL)
    assert len(held_out.pairs) == len(env.sequences("test")) < len(env.sequences("train"))
    with pytest.raises(UserError, match="unknown split 'tset'; did you mean 'test'"):
        env.sequences("tset")  # type: ignore[arg-type]


def test_a_truncated_reply_is_scored_as_far_as_it_goes() -> None:
    env = ChatReply(16, max_episode_steps=2, autoreset_mode="SameStep", **SMALL)
    total, score = returns(env, 0, people=True)
    assert (total[score > 0] == 0).any() and (score > 0).any()


def test_both_languages_as_text() -> None:
    for corpus, word in (("chatterbot-chinese", "你"), ("chatterbot-english", "you")):
        env = gymnasium.make("lhy_rl/ChatReply-v0", corpus=corpus, max_length=16, render_mode="ansi")
        texts = ""
        for seed in range(20):
            env.reset(seed=seed)
            ended, info = False, {}
            while not ended:
                *_, ended, _, info = env.step(int(env.unwrapped.expert_action()[0]))  # type: ignore[attr-defined]
            assert info["text"] == env.render() and info["text"].startswith("- ")
            texts += info["text"]
        assert word in texts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reward": "ruels"}, "did you mean 'rules'"),
        ({"reward_at": "tokne"}, "unknown reward_at 'tokne'; did you mean 'token'"),
        ({"split": "trian"}, "did you mean 'train'"),
        ({"corpus": "chitchta"}, "did you mean 'chitchat'"),
        ({"context_turns": 0}, "context_turns=0"),
        ({"max_length": 1}, "max_length=1"),
        ({"vocabulary_size": 1}, "vocabulary_size=1"),
        ({"reward": lambda contexts, replies, lengths: lengths * np.nan}, "returned nan"),
        ({"reward": "li", "scorer": object()}, "scorer is .* allowed: 'counts'"),
    ],
)
def test_bad_arguments_are_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        returns(ChatReply(2, **{**SMALL, **arguments}), 0)
    assert "\n" not in str(caught.value)
