"""Writing and scoring sentences, against enumeration."""

import numpy as np
import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import TokenSequences
from lhy_rl.nn.decoding import beam_search, nll_per_token, sample, token_log_probs
from lhy_rl.nn.policies.actor_critic import ActorCritic
from tests.agents.tiny import V, all_sentences, make_env, make_policy, probabilities


@pytest.fixture(scope="module")
def task():
    return make_env().unwrapped


class Ending:
    """A text task with an end: tokens 0 (end), 1, 2; start 3, pad 4."""

    vocabulary_size, observation_size, max_length = 3, 5, 3
    start_token, end_token, pad_token = 3, 0, 4


def ending_policy():
    import gymnasium

    torch.manual_seed(0)
    spaces = gymnasium.spaces.Discrete(5), gymnasium.spaces.Discrete(3)
    return ActorCritic(*spaces, hidden_size=4, embedding_size=3, init_std=1.0).eval()


def ending_sentences():
    rows = [[0], [1, 0], [2, 0]] + [[a, b, c] for a in (1, 2) for b in (1, 2) for c in (0, 1, 2)]
    tokens = np.array([row + [4] * (3 - len(row)) for row in rows])
    return TokenSequences(tokens, np.array([len(row) for row in rows]))


def test_probabilities_of_all_sentences_sum_to_one(task):
    assert probabilities(make_policy(task), task, all_sentences()).sum() == pytest.approx(1, abs=1e-5)
    assert probabilities(ending_policy(), Ending, ending_sentences()).sum() == pytest.approx(1, abs=1e-5)


def test_sampled_frequencies_are_the_probabilities(task):
    policy, n = make_policy(task, std=0.5), 40_000
    p = probabilities(policy, task, all_sentences())
    drawn = sample(policy, task, n, torch.Generator().manual_seed(0))
    counts = np.bincount(drawn.tokens @ V ** np.arange(3, -1, -1), minlength=len(p))
    assert (((counts - n * p) ** 2) / (n * p)).sum() / len(p) == pytest.approx(1, abs=0.35)  # chi-square


def test_sentences_end_and_are_padded():
    policy, n = ending_policy(), 30_000
    drawn, everything = sample(policy, Ending, n, torch.Generator().manual_seed(0)), ending_sentences()
    assert ((drawn.tokens == 4) == ~drawn.mask).all()
    ended = drawn.tokens[np.arange(n), drawn.lengths - 1] == 0
    assert (ended | (drawn.lengths == 3)).all() and not (drawn.tokens[:, :-1] == 0)[~ended].any()
    p = probabilities(policy, Ending, everything)
    place = {tuple(row): i for i, row in enumerate(everything.tokens.tolist())}
    counts = np.bincount([place[tuple(row)] for row in drawn.tokens.tolist()], minlength=len(p))
    assert (((counts - n * p) ** 2) / (n * p)).sum() < 40  # chi-square with 14 degrees of freedom: 99.97 %


def test_temperature_of_sampling_is_that_of_scoring(task):
    policy = make_policy(task, std=0.7)
    for temperature in (0.5, 2.0):
        drawn = sample(policy, task, 20_000, torch.Generator().manual_seed(1), temperature)
        p = np.exp(token_log_probs(policy, all_sentences(), task, temperature).sum(1, dtype=np.float64))
        entropy = -(p * np.log(p)).sum() / 4
        assert nll_per_token(policy, drawn, task, temperature) == pytest.approx(entropy, abs=0.02)


def test_greedy_and_top_1_are_the_most_probable_tokens(task):
    policy = make_policy(task)
    greedy = sample(policy, task, 2, temperature=0.0)
    np.testing.assert_array_equal(greedy.tokens, sample(policy, task, 2, top_k=1).tokens)
    np.testing.assert_array_equal(greedy.tokens[0], beam_search(policy, task, 1)[0].tokens[0])


@pytest.mark.parametrize("ending", [False, True])
def test_a_wide_beam_finds_the_best_sentences_in_order(task, ending):
    task = Ending if ending else task
    policy = ending_policy() if ending else make_policy(task)
    sentences = ending_sentences() if ending else all_sentences()
    exact = np.log(probabilities(policy, task, sentences))
    found, scores = beam_search(policy, task, 300)
    order = np.argsort(-exact)
    np.testing.assert_allclose(scores, exact[order], atol=1e-4)
    np.testing.assert_array_equal(found.tokens[0], sentences.tokens[order[0]])
    np.testing.assert_array_equal(found.lengths[0], sentences.lengths[order[0]])


def test_no_sentences_are_one_line(task):
    with pytest.raises(UserError, match="n=0 is not allowed"):
        sample(make_policy(task), task, 0)
