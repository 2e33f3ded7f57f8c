"""Words that no vocabulary has are read alike, and copying alone tells them apart."""

import gymnasium
import pytest
import torch
from torch.testing import assert_close

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents import MLE
from lhy_rl.core.errors import UserError
from lhy_rl.envs.pointer.copy_summary import FIRST_NAME, VOCABULARY, CopySummary, names_recalled
from lhy_rl.nn.decoding import sample
from lhy_rl.nn.policies.actor_critic import ActorCritic

SMALL = {"core": "gru", "hidden_size": 16, "embedding_size": 8, "critic": "none", "unknown_words": 48}


def evaluated(copy, numbers):
    """The log-probabilities of all actions of a small policy that reads a word and names, with these numbers."""
    torch.manual_seed(0)
    env = gymnasium.make("lhy_rl/CopySummary-v0", events=1, reports=5)
    policy = ActorCritic(env.observation_space, env.action_space, **SMALL, copy=copy).eval()
    length = env.observation_space["source"].shape[0]
    source = torch.zeros(1, 1, length, dtype=torch.int64)
    source[..., :3] = torch.tensor([5, *numbers])
    obs = {"token": source[..., 1], "source": source, "source_mask": (torch.arange(length) < 3)[None, None]}
    start = torch.ones(1, 1, dtype=torch.bool)
    return policy.evaluate(obs, source[..., 0], policy.initial_state(1), start, all_actions=True).log_probs[0, 0]


def test_all_names_are_read_alike():
    first, second = FIRST_NAME + 3, FIRST_NAME + 30
    assert_close(evaluated(False, (first, second)), evaluated(False, (second, first)))


def test_copying_tells_names_apart():
    first, second, other = FIRST_NAME + 3, FIRST_NAME + 30, FIRST_NAME + 9
    one, two = evaluated(True, (first, second)).exp(), evaluated(True, (other, second)).exp()
    assert one[first] > 2 * one[other] and two[other] > 2 * two[first]
    assert_close(one[:FIRST_NAME], two[:FIRST_NAME])
    assert_close(one[first] - two[first], two[other] - one[other])  # what is copied, whatever its number


def test_names_are_copied_after_a_few_steps():
    task, found = CopySummary(4, events=1, reports=1000), {}
    test = task.sequences("test")
    for copy in (True, False):
        agent = MLE(
            task, learning_rate=0.01, gradient_steps=60, batch_size=32, seed=0, copy=copy,
            **{**SMALL, "hidden_size": 48, "embedding_size": 24},
        ).learn(1)  # fmt: skip
        written = sample(agent.policy.eval(), task, len(test), temperature=0.0, answered=test)
        found[copy] = names_recalled(written.tokens, test.tokens).mean()
    assert found[True] > 0.6
    assert found[False] < 0.1


def test_bad_input_is_one_line():
    env = gymnasium.make("lhy_rl/CopySummary-v0", events=1, reports=5)
    spaces = env.observation_space, env.action_space
    with pytest.raises(UserError, match=f"unknown_words is {VOCABULARY}; must be below the number of actions"):
        ActorCritic(*spaces, unknown_words=VOCABULARY)
    with pytest.raises(UserError, match="unknown_words is only for a source, but source_encoder is None"):
        ActorCritic(*spaces, unknown_words=4, source_encoder=None)
