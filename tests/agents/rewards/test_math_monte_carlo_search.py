"""Credit against enumeration, and the places of rewards."""

import numpy as np
import pytest
import torch

from lhy_rl.agents.rewards.monte_carlo_search import monte_carlo_credit
from lhy_rl.nn.decoding import starts
from lhy_rl.rollouts.full_episodes import collect_episodes
from tests.agents.tiny import T, V, all_sentences, hashed_reward, make_env, make_policy, probabilities, replay


@pytest.fixture(scope="module")
def env():
    return make_env()


def exact_credit(policy, task, sentences):
    """(T, N) Q of each prefix of each sentence, and the variance of a rollout's reward there."""
    p = probabilities(policy, task, sentences)
    r = hashed_reward(torch.as_tensor(sentences.tokens), None).double().numpy()
    q, variance = np.empty((T, len(p))), np.empty((T, len(p)))
    for t in range(T):
        _, group = np.unique(sentences.tokens[:, : t + 1], axis=0, return_inverse=True)
        mass, mean, square = (np.bincount(group, weights=p * x) for x in (np.ones_like(r), r, r * r))
        q[t], variance[t] = (mean / mass)[group], (square / mass - (mean / mass) ** 2)[group]
    return q, variance


def test_monte_carlo_credit_is_the_enumerated_value_for_every_prefix(env):
    policy, sentences, rollouts = make_policy(env), all_sentences(), 400
    episodes = replay(policy, env.unwrapped, sentences)
    generator = torch.Generator().manual_seed(0)
    credit = monte_carlo_credit(policy, env.unwrapped, episodes, hashed_reward, rollouts, generator).numpy()
    exact, variance = exact_credit(policy, env.unwrapped, sentences)
    np.testing.assert_allclose(credit[-1], exact[-1], rtol=1e-6)  # the last token's reward is that of the sentence
    z = (credit[:-1] - exact[:-1]) / np.sqrt(np.maximum(variance[:-1], 1e-12) / rollouts)
    # every sentence has rollouts of its own: 3 x 256 independent errors, normal if unbiased
    assert abs(z.mean()) < 0.15 and 0.8 < (z**2).mean() < 1.2 and (np.abs(z) > 3).mean() < 0.01
    for t in range(T - 1):  # all rollouts of a prefix together
        for prefix in np.unique(sentences.tokens[:, : t + 1], axis=0):
            same = (sentences.tokens[:, : t + 1] == prefix).all(1)
            error = credit[t, same].mean() - exact[t, same][0]
            assert abs(error) < 3 * np.sqrt(variance[t, same][0] / (rollouts * same.sum())), (t, prefix)


def test_policy_gradient_points_along_the_exact_one():
    env = make_env(num_envs=8192)
    policy, task = make_policy(env, std=0.5), env.unwrapped
    sentences = all_sentences()

    def log_probs(obs, actions):
        return policy.evaluate(obs, actions, policy.initial_state(obs.shape[1]), starts(actions)).log_prob

    def gradient(scalar):
        parts = torch.autograd.grad(scalar, list(policy.parameters()), allow_unused=True, materialize_grads=True)
        return torch.cat([part.flatten() for part in parts])

    every = replay(policy, task, sentences)
    p = log_probs(every.obs, every.actions).sum(0).exp()
    exact = gradient((p * hashed_reward(torch.as_tensor(sentences.tokens), None)).sum())

    generator = torch.Generator().manual_seed(1)
    episodes = collect_episodes(env, policy, 0, generator, keep_states=True)
    credit = monte_carlo_credit(policy, task, episodes, hashed_reward, 16, generator)
    advantage = credit - credit.mean(1, keepdim=True)
    estimate = gradient((log_probs(episodes.obs, episodes.actions) * advantage).sum() / env.num_envs)
    assert torch.cosine_similarity(estimate, exact, dim=0) >= 0.99
    assert estimate.norm() / exact.norm() == pytest.approx(1, abs=0.1)


def test_rewards_keep_their_sentence_and_token(env):
    """A reward that only the prefix decides must come back exactly, whatever the order of the sentences."""
    policy = make_policy(env)

    def first_token(tokens, lengths):
        return tokens[:, 0].float()

    for order in (np.arange(V**T), np.random.default_rng(0).permutation(V**T)):
        sentences = all_sentences()[order]
        credit = monte_carlo_credit(policy, env.unwrapped, replay(policy, env.unwrapped, sentences), first_token, 3)
        expected = np.repeat(sentences.tokens[None, :, 0], T, 0)
        np.testing.assert_array_equal(credit.numpy(), expected)


def test_rollouts_keep_the_prefix_and_the_token_that_follows_varies(env):
    policy, seen = make_policy(env), []
    sentences = all_sentences()[:5]

    def watch(tokens, lengths):
        seen.append(tokens.clone())
        return tokens[:, 0].float()

    monte_carlo_credit(policy, env.unwrapped, replay(policy, env.unwrapped, sentences), watch, 50)
    for position, tokens in enumerate(seen[1:], start=1):
        given = np.repeat(sentences.tokens, 50, 0)
        np.testing.assert_array_equal(tokens[:, :position], given[:, :position])
        assert (tokens[:, position] != torch.as_tensor(given)[:, position]).any()
