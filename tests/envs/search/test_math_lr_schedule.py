"""A training under a schedule: its steps are gradient descent's, its return what the validation loss came down by."""

import itertools

import gymnasium
import numpy as np
import pytest

from lhy_rl.core.errors import UserError
from lhy_rl.envs.search.lr_schedule import CEILING, RATES, LRSchedule
from lhy_rl.envs.search.sgd_training import COUNT, LEVELS, Instances, SGDTraining

SMALL = {"decisions": 3, "batch_size": 100, "hidden_size": 8, "autoreset_mode": "Disabled"}


def played(env, actions, seed=0):
    """The rewards (T, B), the state at first and the last info."""
    env.reset(seed=seed)
    first, rewards = env.snapshot()["state"], []
    for action in actions:
        *_, info = result = env.step(np.full(env.num_envs, action))
        rewards.append(result[1])
    return np.array(rewards), first, info


def test_the_return_is_the_decrease_of_the_validation_loss():
    env = LRSchedule(5, **SMALL)
    rewards, first, info = played(env, (4, 4, 3))
    loss = env.training.validation_loss
    last = env.snapshot()["state"]["parameters"]
    np.testing.assert_allclose(rewards.sum(0), loss(first["parameters"]) - loss(last), rtol=1e-6)
    np.testing.assert_allclose(info["validation_nll"], loss(last), rtol=1e-6)
    assert (rewards.sum(0) > 0.15).all()


def test_an_epoch_is_gradient_descent_over_all_images_once():
    training = SGDTraining(hidden_size=4, batch_size=200, epochs=1)
    images, labels, _ = Instances("train", 0.0).data(np.array([3, 4]))
    theta = training.mlp.initial([3, 4])
    rates = np.array([0.1, 0.5])
    epoch = training.train(theta, images, labels, rates, np.random.default_rng(0))
    order = np.random.default_rng(0).permuted(np.tile(np.arange(600, dtype=np.int16), (2, 1)), axis=1)
    assert np.array_equal(np.sort(order[1]), np.arange(600))
    for child in range(2):
        p, losses, norms, gradients = theta[child : child + 1].copy(), [], [], []
        for batch in order[child].reshape(3, 200):
            x = training.pictures[images[child, batch]]
            loss, gradient = training.mlp.gradient(p, x, labels[child, batch])
            p = p - np.float32(rates[child]) * gradient
            losses.append(loss[0])
            norms.append(np.linalg.norm(gradient))
            gradients.append(gradient[0] > 0)
        np.testing.assert_allclose(epoch.parameters[child], p[0], atol=1e-6)
        assert epoch.loss[child] == pytest.approx(np.mean(losses), rel=1e-5)
        assert epoch.norm[child] == pytest.approx(np.mean(norms), rel=1e-5)
        flips = np.mean([(a != b).mean() for a, b in itertools.pairwise(gradients)])
        assert epoch.flips[child] == pytest.approx(flips) and flips > 0


def test_instances_are_what_their_number_says():
    for split, first in (("train", 0), ("test", COUNT)):
        instances = Instances(split, None)
        numbers = instances.draw(COUNT, np.random.default_rng(0))
        assert np.array_equal(np.sort(numbers), np.arange(first, first + COUNT))
        images, labels, noise = instances.data(numbers[:40])
        again = instances.data(numbers[39:40])
        assert np.array_equal(images[39:], again[0]) and np.array_equal(labels[39:], again[1])
        wrong = (labels != instances.true_labels[images]).mean(1)
        np.testing.assert_allclose(wrong, noise)
        assert np.array_equal(noise, LEVELS[numbers[:40] % 4])
        assert all(len(set(row)) == 600 for row in images.tolist())
        assert labels.min() >= 0 and labels.max() <= 9
    assert (Instances("train", 0.3).data(np.arange(4))[2] == 0.3).all()


def test_a_diverged_training_ends_at_the_ceiling():
    env = LRSchedule(4, **SMALL)
    env.reset(seed=0)
    state = env.snapshot()
    first = env.validation_nll(state["state"])
    state["state"]["parameters"][:2] *= np.float32(1e4)  # their gradients throw them far away
    state["state"]["parameters"][1] *= np.float32(1e25)
    env.restore(state)
    _, rewards, terminated, _, info = env.step(np.full(4, 4))
    assert terminated.tolist() == [True, True, False, False]
    np.testing.assert_allclose(rewards[:2], first[:2] - CEILING)
    assert info["test_accuracy"][:2].tolist() == [0.1, 0.1]
    assert info["test_nll"][:2].tolist() == info["validation_nll"][:2].tolist() == [CEILING] * 2
    assert all(np.isfinite(array).all() for array in env.snapshot()["state"].values())
    assert np.isfinite(env.observe()).all()


def test_factors_multiply_the_last_rate_and_stay_in_range():
    env = LRSchedule(1, **SMALL | {"action": "factor", "decisions": 6})
    played(env, (2, 2, 2, 2, 1, 0))
    assert env.snapshot()["state"]["rates"][0] == pytest.approx([0.3, 0.9, 2.7, 3, 3, 1])
    assert env.single_action_space.n == 3


def test_observation_by_hand():
    env = LRSchedule(2, **SMALL)
    obs, _ = env.reset(seed=0)
    assert obs[:, [0, 3, 6]].tolist() == [[0, 0.5, 0]] * 2
    np.testing.assert_allclose(obs[:, 1], np.log10(0.1 / 0.003) / 3, rtol=1e-6)
    loss = env.snapshot()["state"]["loss"]
    obs, *_ = env.step(np.array([2, 4]))
    after = env.snapshot()["state"]
    np.testing.assert_allclose(obs[:, 0], 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(obs[:, 1], [1 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(obs[:, 2], after["loss"] / CEILING, rtol=1e-6)
    np.testing.assert_allclose(obs[:, 3], 0.5 + after["loss"] - loss, rtol=1e-5)
    np.testing.assert_allclose(obs[:, 4], after["nll"][:, 1] / CEILING, rtol=1e-6)
    np.testing.assert_allclose(10 ** (4 * obs[:, 5] - 2), after["norm"], rtol=1e-4)
    assert np.array_equal(obs[:, 6], after["flips"].astype(np.float32))


def test_no_test_score_is_in_what_an_agent_gets():
    env = LRSchedule(2, **SMALL)
    _, _, info = played(env, (4,))
    assert info == {}
    plain, test = played(env, (4, 4, 4)), LRSchedule(2, **SMALL)
    pictures, labels = test.training.held_out["test"]
    test.training.held_out["test"] = pictures, (labels + 1) % 10
    other = played(test, (4, 4, 4))
    assert np.array_equal(plain[0], other[0]) and np.array_equal(env.observe(), test.observe())
    assert (other[2]["test_nll"] > plain[2]["test_nll"]).all()


def test_rates():
    assert RATES[[0, 2, 4, 6]] == pytest.approx([0.003, 0.03, 0.3, 3])


def test_arguments_out_of_range():
    for given, message in (
        ({"split": "validation"}, "unknown split"),
        ({"action": "momentum"}, "unknown action"),
        ({"noise": 1.5}, "noise=1.5 is not allowed"),
        ({"batch_size": 601}, "from 1 to 600"),
        ({"decisions": 0}, "decisions=0"),
    ):
        with pytest.raises(UserError, match=message):
            gymnasium.make("lhy_rl/LRSchedule-v0", **given)
