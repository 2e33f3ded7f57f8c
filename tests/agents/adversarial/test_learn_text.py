"""Agents learn: each beats a stated number and a floor, a control whose key part is switched off.

The languages are small enough to enumerate, so that what is measured is exact.
"""

import numpy as np
import pytest
import torch

from lhy_rl.agents import MLE, Reinforce, SeqGAN
from lhy_rl.nn.decoding import nll_per_token
from tests.agents.tiny import all_sentences, make_env, probabilities

LANGUAGE = {"vocabulary_size": 6, "max_length": 4}


def distance(policy, task):
    """Exact Jensen-Shannon divergence between the policy's sentences and the language, nats."""
    sentences = all_sentences(6, 4)
    q, p = probabilities(policy.eval(), task, sentences), np.exp(task.log_likelihood(sentences.tokens))
    m = (p + q) / 2
    return (p * np.log(p / m) + q * np.log(q / m)).sum() / 2


class Permuted(SeqGAN):
    """Its discriminator's rewards go to the wrong sentences."""

    def credit(self, episodes, values):
        credit, metrics = super().credit(episodes, values)
        return credit[:, torch.randperm(credit.shape[1], generator=self.generator)], metrics


def play(kind, credit, seed):
    env = make_env(128, oracle_seed=seed, **LANGUAGE)
    agent = kind(
        env,
        seed=seed,
        hidden_size=16,
        embedding_size=8,
        pretrain_epochs=0.1,
        credit=credit,
        baseline="critic" if credit == "critic" else "mean",
        rollouts=4,
        objective="gan_saturating",
        discriminator="recurrent" if credit == "prefix" else "cnn_small",
        discriminator_steps=5,
        discriminator_pretrain_steps=50,
        discriminator_learning_rate=2e-3,
        learning_rate=5e-3,
    )
    while agent.preparing:
        with agent.randomness():
            agent.update()
    before = distance(agent.policy, env.unwrapped)

    def goes_on(agent, _):
        """Until it is clearly closer; 50 updates at most."""
        return agent.num_updates % 5 > 0 or distance(agent.policy, env.unwrapped) > 0.45 * before

    agent.learn(128 * 4 * 50, callback=goes_on)
    return before, distance(agent.policy, env.unwrapped)


@pytest.mark.parametrize("credit", ["monte_carlo", "prefix", "critic"])
def test_seqgan_comes_closer_to_the_language(credit):
    before, after = np.array([play(SeqGAN, credit, seed) for seed in range(2)]).T
    assert (after < 0.5 * before).all(), (before, after)


def test_seqgan_with_rewards_dealt_to_the_wrong_sentences_does_not():
    before, after = np.array([play(Permuted, "prefix", seed) for seed in range(2)]).T
    assert (after > 0.9 * before).all(), (before, after)


@pytest.mark.parametrize("baseline", ["mean", "critic", "self_critical"])
def test_reinforce_finds_likely_sentences(baseline):
    env = make_env(64, **LANGUAGE)
    best = env.unwrapped.log_likelihood(all_sentences(6, 4).tokens).max()
    agent = Reinforce(env, baseline=baseline, hidden_size=16, embedding_size=8, learning_rate=0.02)
    returns = []
    agent.learn(64 * 4 * 80, callback=lambda a, m: returns.append(m["rollout/ep_rew_mean"]))
    assert returns[0] < 2.5 * best  # the floor: what it does before learning
    assert np.mean(returns[-5:]) > 1.35 * best, (returns[0], returns[-5:], best)


def test_maximum_likelihood_comes_close_to_the_entropy():
    env = make_env(64, vocabulary_size=20, max_length=5, hidden_size=8, embedding_size=8, train_size=10_000)
    task = env.unwrapped
    entropy, _ = task.oracle.entropy(2000, 5, torch.Generator().manual_seed(0))
    agent = MLE(env, hidden_size=32, embedding_size=16).learn(8 * 50_000)
    nll = nll_per_token(agent.policy.eval(), task.sequences("test"), task)
    train = task.sequences("train").tokens
    unigram = np.bincount(train.ravel(), minlength=20) / train.size
    floor = -np.log(unigram[task.sequences("test").tokens]).mean()
    assert entropy - 0.05 < nll < entropy + 0.1, (nll, entropy)
    assert nll < floor - 0.15, (nll, floor)


def test_maximum_likelihood_learns_under_scheduled_sampling():
    env = make_env(64, vocabulary_size=20, max_length=5, train_size=2_000)
    options = {"scheduled_sampling": "inverse_sigmoid", "scheduled_sampling_half_life": 100}
    agent, rows = MLE(env, gradient_steps=20, **options), []
    agent.learn(64 * 5 * 200, callback=lambda a, m: rows.append(m))
    assert rows[0]["train/true_token_probability"] > 0.8 > 0.3 > rows[-1]["train/true_token_probability"]
    assert nll_per_token(agent.policy.eval(), env.unwrapped.sequences("test"), env.unwrapped) < np.log(20) - 0.3
