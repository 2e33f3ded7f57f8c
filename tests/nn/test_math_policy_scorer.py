"""Frozen policies as scorers: the sums of their tokens' log-probabilities, and pairs turned round."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lhy_rl.core.protocols import ReplyScorer, TokenSequences
from lhy_rl.data.conversations import backward_pairs
from lhy_rl.envs.dialogue.chat_reply import ChatReply
from lhy_rl.nn.decoding import token_log_probs
from lhy_rl.nn.policies.actor_critic import ActorCritic
from lhy_rl.nn.policy_scorer import PolicyScorer

SIZES: dict[str, Any] = {"core": "gru", "hidden_size": 12, "embedding_size": 8, "dropout": 0.5}


@pytest.fixture(scope="module")
def task() -> ChatReply:
    return ChatReply(corpus="chatterbot-english", max_length=8, vocabulary_size=200, drop_unknown=False)


@pytest.fixture(scope="module")
def scorer(task: ChatReply) -> PolicyScorer:
    torch.manual_seed(0)
    spaces = task.single_observation_space, task.single_action_space
    return PolicyScorer(ActorCritic(*spaces, **SIZES), ActorCritic(*spaces, **SIZES), task)


def test_pairs_turned_round(task: ChatReply) -> None:
    pairs = task.sequences("train")[:50]
    turned = backward_pairs(pairs, task.end_token, task.pad_token)
    assert turned.sources is not None and turned.source_lengths is not None and pairs.sources is not None
    for i in range(50):
        turn = task.decode(turned.tokens[i, : turned.lengths[i]])
        answered = task.data.last_turns("train")[i]
        assert turn == task.decode(np.array(answered)) and turned.lengths[i] == len(answered) + 1
        np.testing.assert_array_equal(
            turned.sources[i, : turned.source_lengths[i]], pairs.tokens[i, : pairs.lengths[i]]
        )
    assert turned.sources.shape == pairs.sources.shape


def test_scores_are_sums_over_tokens(task: ChatReply, scorer: PolicyScorer) -> None:
    pairs = task.sequences("test")[:20]
    assert isinstance(scorer, ReplyScorer)
    scorer.forward_policy.eval()
    expected = token_log_probs(scorer.forward_policy, pairs, task).sum(1)
    scorer.forward_policy.train()  # scores are without dropout all the same, and the mode stays
    np.testing.assert_allclose(scorer.forward(pairs), expected, rtol=1e-5)
    assert scorer.forward_policy.training
    one = scorer.forward(pairs[:1])
    np.testing.assert_allclose(one, expected[:1], rtol=1e-5)
    assert (scorer.backward(pairs) < 0).all() and scorer.backward(pairs).shape == (20,)


def test_similarity_is_a_cosine_of_what_was_read(task: ChatReply, scorer: PolicyScorer) -> None:
    pairs = task.sequences("test")[:20]
    said = TokenSequences(pairs.tokens, pairs.lengths)
    np.testing.assert_allclose(scorer.similarity(said, said), 1.0, rtol=1e-6)
    other = scorer.similarity(said, said[np.arange(19, -1, -1)])
    assert (np.abs(other) <= 1 + 1e-9).all() and (other < 0.9999).any()
    padded = TokenSequences(np.pad(said.tokens, ((0, 0), (0, 5)), constant_values=task.pad_token), said.lengths)
    np.testing.assert_allclose(scorer.similarity(padded, said), 1.0, rtol=1e-5)


def test_it_serves_the_rewards(task: ChatReply, scorer: PolicyScorer) -> None:
    for name in ("li", "pmi"):
        env = ChatReply(
            8, corpus="chatterbot-english", max_length=8, vocabulary_size=200, drop_unknown=False, reward=name,
            scorer=scorer, autoreset_mode="SameStep",
        )  # fmt: skip
        env.reset(seed=0)
        found = [env.step(env.expert_action())[1] for _ in range(8)]
        assert np.isfinite(found).all() and np.abs(found).max() > 0
