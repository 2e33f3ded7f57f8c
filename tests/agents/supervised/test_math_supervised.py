"""Formulas of imitation by hand, gradients against autograd, and what batches hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from lhy_rl.agents import BC
from lhy_rl.agents.supervised.labelled_steps import LabelledSteps, PreparedDataset, pack, packed_rows
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.functional.censored_gaussian import censored_residual, gaussian_nll, likeliest_log_std
from lhy_rl.functional.schedules import expert_share
from tests.agents.small_envs import Parrot


def test_a_mean_beyond_the_bound_that_was_chosen_is_right() -> None:
    mean = torch.tensor([2.5, 2.5, 1.0, -3.0, -3.0])
    action = torch.tensor([2.0, 1.0, 2.0, -2.0, 0.0])
    residual = censored_residual(mean, action, torch.tensor(-2.0), torch.tensor(2.0))
    assert residual.tolist() == [0.0, -1.5, 1.0, 0.0, 3.0]


def test_the_likeliest_deviation_is_no_worse_than_its_neighbours() -> None:
    errors = torch.tensor([[0.5], [-1.0], [2.0]])
    mean_square = errors.square().mean(0)
    best = likeliest_log_std(mean_square)
    assert math.isclose(float(best.exp()), math.sqrt(5.25 / 3), rel_tol=1e-6)
    own = -torch.distributions.Normal(0.0, best.exp()).log_prob(errors).mean()
    assert math.isclose(float(gaussian_nll(mean_square, best)), float(own), rel_tol=1e-6)
    for other in (best - 0.1, best + 0.1):
        assert gaussian_nll(mean_square, other) > gaussian_nll(mean_square, best)


def test_entropy_widens_the_likeliest_deviation() -> None:
    """d/d log s of E[log N] + c H is 0:  r^2 / s^2 - 1 + c = 0."""
    log_std = likeliest_log_std(torch.tensor([4.0]), 0.5)
    assert math.isclose(float(torch.exp(-2 * log_std) * 4.0 - 1 + 0.5), 0.0, abs_tol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("first", [1, 0, 0, 0]), ("linear", [1, 0.5, 0, 0]), ("exponential", [1, 0.3, 0.09, 0.027])],
)
def test_the_experts_share_falls(schedule: str, expected: list[float]) -> None:
    assert [expert_share(schedule, i, 2, 0.3) for i in range(4)] == pytest.approx(expected)


@pytest.mark.parametrize("action", ["discrete", "box"])
@pytest.mark.parametrize("entropy_coef", [0.0, 0.1])
def test_the_hand_made_gradient_is_autograds(action: str, entropy_coef: float) -> None:
    agent = BC(lambda: Parrot("box", action), entropy_coef=entropy_coef, embedding_size=6, seed=0)
    space, obs = agent.env.single_action_space, torch.randn(20, 4)
    space.seed(0)
    actions = torch.as_tensor(np.stack([space.sample() for _ in range(20)]))
    start = torch.arange(20) == 0
    agent.learn_from(PreparedDataset(LabelledSteps(obs, actions, start, torch.ones(20, dtype=torch.bool)), obs))
    rows = torch.arange(3, 11)
    assert agent.manual is not None
    outputs = torch.from_numpy(agent.manual.forward(obs[rows].numpy()))
    stats, grad = agent.likelihood.manual_gradient(outputs, actions[rows], entropy_coef)
    agent.manual.backward(grad.numpy())
    log_prob, entropy, again = agent.likelihood.evaluate(agent.features(agent.dataset, rows))
    loss = agent.loss(log_prob, entropy)
    expected = torch.autograd.grad(loss, agent.parameters.parameters, materialize_grads=True)
    torch.testing.assert_close(stats, again)
    torch.testing.assert_close(agent.parameters.grads, list(expected), atol=1e-6, rtol=1e-4)


def test_episodes_are_packed_end_to_end() -> None:
    assert pack([5, 2, 2, 1, 4], 5) == [[0], [1, 2, 3], [4]]
    index = packed_rows([(0, 2), (2, 7), (7, 9)])
    assert index.T.tolist() == [[2, 3, 4, 5, 6], [0, 1, 7, 8, -1]]


def test_a_memory_learns_packed_episodes_as_it_would_single_ones() -> None:
    agent = BC(lambda: Parrot("tokens"), core="gru", hidden_size=5, embedding_size=4, seed=0)
    policy = agent.policy
    obs, actions = torch.randint(4, (9,)), torch.randint(3, 7, (9,))
    start = torch.zeros(9, dtype=torch.bool)
    start[[0, 2, 7]] = True
    labelled = torch.tensor([1, 1, 1, 0, 1, 0, 1, 1, 1], dtype=torch.bool)
    agent.learn_from(PreparedDataset(LabelledSteps(obs, actions, start, labelled), obs))
    packed, _, stats = agent.likelihood.evaluate(agent.features(agent.dataset, packed_rows(agent.dataset.episodes)))
    total = 0.0
    for first, end in [(0, 2), (2, 7), (7, 9)]:
        begin = torch.zeros(end - first, 1, dtype=torch.bool)
        log_prob = policy.evaluate(
            obs[first:end, None], actions[first:end, None], policy.initial_state(1), begin
        ).log_prob[:, 0]
        total -= float(log_prob[labelled[first:end]].detach().sum())
    assert len(packed) == 7
    assert math.isclose(float(stats[0]), total / 7, rel_tol=1e-5)


def test_what_is_labelled_is_what_subsampling_takes() -> None:
    rng = np.random.default_rng(0)
    episodes = [
        Episode(rng.normal(size=(n + 1, 2)).astype(np.float32), rng.integers(3, size=n), np.zeros(n), True, False)
        for n in (7, 3, 25)
    ]
    demonstrations = Demonstrations(episodes, Box(-9, 9, (2,), np.float32), Discrete(3), {})
    steps = LabelledSteps.of_demonstrations(demonstrations, subsample=4, seed=3)
    np.testing.assert_array_equal(steps.obs[steps.labelled], demonstrations.subsampled(4, 3).obs)
    assert steps.episodes == [(0, 7), (7, 10), (10, 35)]


def test_rounds_become_one_stream_of_each_instance() -> None:
    def piece(first: int, starts: list[list[bool]]) -> LabelledSteps:
        numbers = first + torch.arange(4).view(2, 2)  # (T, B)
        return LabelledSteps(numbers, numbers, torch.tensor(starts), torch.ones(2, 2, dtype=torch.bool))

    joined = LabelledSteps.of_rounds(
        [piece(0, [[True, True], [False, False]]), piece(4, [[False, True], [False, False]])]
    )
    assert joined.obs.tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    assert joined.episodes == [(0, 4), (4, 6), (6, 8)]
