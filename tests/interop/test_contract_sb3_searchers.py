"""Stable-Baselines3's policies write the episodes of HPOToken, and learn from them by their own losses."""

import random

import gymnasium
import numpy as np
import pytest
import torch

from lhy_rl.core.errors import UserError
from lhy_rl.search.space import Choice, Space
from lhy_rl.search.table import load_table
from lhy_rl.search.trial import Trial

pytest.importorskip("stable_baselines3")
from lhy_rl.interop.sb3_searchers import SB3DQN, SB3PPO

SPACE = Space([Choice("a", (1, 2, 3)), Choice("b", (1, 2)), Choice("c", (1, 2), condition=("b", (2,)))])


def answered(searcher, n):
    """Ask and tell n times; a configuration with the first value of a scores 1, others 0."""
    found = []
    for _ in range(n):
        tokens = searcher.ask()
        found.append(tokens)
        searcher.tell(Trial(tuple(tokens.tolist()), float(tokens[0] == 0)))
    return np.array(found)


def test_observations_are_those_of_the_environment():
    space = load_table("nb201-cifar10").space
    searcher = SB3PPO(space, batch_size=2)
    episode = searcher.draw()[0]
    env = gymnasium.make("lhy_rl/HPOToken-v0")
    observed = [env.reset(seed=0)[0]["observation"]]
    observed += [env.step(token)[0]["observation"] for token in episode.tokens]
    np.testing.assert_array_equal(episode.obs, observed)


def test_the_probabilities_and_values_are_the_policys():
    searcher = SB3PPO(SPACE, batch_size=4)
    for episode in searcher.draw():
        obs, actions = torch.from_numpy(episode.obs[:-1]), torch.from_numpy(episode.actions)
        values, log_probs, _ = searcher.model.policy.evaluate_actions(obs, actions)
        np.testing.assert_allclose(episode.values, values.detach().numpy()[:, 0], atol=1e-6)
        np.testing.assert_allclose(episode.log_probs, log_probs.detach().numpy(), atol=1e-6)


def test_the_return_of_an_episode_is_its_rank():
    searcher = SB3PPO(SPACE, unique=False, batch_size=4, gae_lambda=1.0)
    kept = []
    train = searcher.model.train
    searcher.model.train = lambda: (kept.append(searcher.model.rollout_buffer.returns.copy()), train())
    answered(searcher, 4)
    scores = [score for _, score in zip(range(4), searcher._scores, strict=True)]
    ranks = [np.mean(np.array(scores) < score) + np.mean(np.array(scores) == score) / 2 for score in scores]
    np.testing.assert_allclose(kept[0], np.tile(ranks, (3, 1)), atol=1e-6)


@pytest.mark.parametrize("make", [SB3PPO, SB3DQN])
def test_it_learns_what_is_good(make):
    options = {"exploration_trials": 60} if make is SB3DQN else {}
    found = answered(make(SPACE, unique=False, **options), 120)
    assert (found[-30:, 0] == 0).mean() > 0.8 > 0.6 > (found[:30, 0] == 0).mean()


def test_the_users_random_numbers_are_left_alone():
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    answered(SB3PPO(SPACE, unique=False), 12)
    assert torch.equal(states[0], torch.get_rng_state())
    np.testing.assert_array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002
    assert states[2] == random.getstate()


@pytest.mark.parametrize(
    ("options", "line"), [({"batch_size": 0}, "batch_size is 0"), ({"learning_rate": 0}, "learning_rate is 0")]
)
def test_bad_options_get_one_line(options, line):
    with pytest.raises(UserError, match=line):
        SB3PPO(SPACE, **options)
