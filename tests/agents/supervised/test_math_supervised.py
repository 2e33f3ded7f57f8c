"""Formulas of imitation by hand, gradients against autograd, and what batches hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from lhy_rl.agents.supervised.cloning_trainer import Cloning, Material, rows_of
from lhy_rl.agents.supervised.labelled_steps import LabelledSteps, demonstrated, packed, streams
from lhy_rl.data.demonstrations import Demonstrations, Episode
from lhy_rl.functional.censored_gaussian import cut_residual, expert_share, gaussian_nll, likeliest_log_std
from lhy_rl.nn.policies.actor_critic import ActorCritic

CLONING = {"batch_size": 8, "entropy_coef": 0.0, "weight_decay": 0.0, "max_grad_norm": 1e9}


def test_a_mean_beyond_the_bound_that_was_chosen_is_right() -> None:
    mean = torch.tensor([2.5, 2.5, 1.0, -3.0, -3.0])
    action = torch.tensor([2.0, 1.0, 2.0, -2.0, 0.0])
    residual = cut_residual(mean, action, torch.tensor(-2.0), torch.tensor(2.0))
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


@pytest.mark.parametrize("space", [Discrete(3, start=5), Box(-1, 1, (2,), np.float32)])
@pytest.mark.parametrize("entropy_coef", [0.0, 0.1])
def test_the_hand_made_gradient_is_autograds(space: Discrete | Box, entropy_coef: float) -> None:
    torch.manual_seed(0)
    policy = ActorCritic(Box(-1, 1, (4,), np.float32), space, core=None, embedding_size=6, critic="none")
    obs = torch.randn(20, 4)
    actions = torch.randint(5, 8, (20,)) if isinstance(space, Discrete) else torch.randn(20, 2).clamp(-1, 1)
    start = torch.zeros(20, dtype=torch.bool)
    start[0] = True
    cloning = Cloning(policy, torch.Generator(), **{**CLONING, "entropy_coef": entropy_coef})
    cloning.study(Material(LabelledSteps(obs, actions, start, torch.ones(20, dtype=torch.bool)), obs))
    rows = torch.arange(3, 11)
    assert cloning.manual is not None
    said, grad = cloning._slope(torch.from_numpy(cloning.manual.forward(obs[rows].numpy())), actions[rows])
    cloning.manual.backward(grad.numpy())
    loss, again, _ = cloning._loss(rows)
    expected = torch.autograd.grad(loss, cloning.parameters.parameters, materialize_grads=True)
    torch.testing.assert_close(said, again)
    torch.testing.assert_close(cloning.parameters.grads, list(expected), atol=1e-6, rtol=1e-4)


def test_episodes_are_packed_end_to_end() -> None:
    assert packed([5, 2, 2, 1, 4], 5) == [[0], [1, 2, 3], [4]]
    index = rows_of([(0, 2), (2, 7), (7, 9)])
    assert index.T.tolist() == [[2, 3, 4, 5, 6], [0, 1, 7, 8, -1]]


def test_a_memory_learns_packed_episodes_as_it_would_single_ones() -> None:
    torch.manual_seed(0)
    policy = ActorCritic(Discrete(4), Discrete(3), core="gru", hidden_size=5, embedding_size=4, critic="none")
    obs, actions = torch.randint(4, (9,)), torch.randint(3, (9,))
    start = torch.zeros(9, dtype=torch.bool)
    start[[0, 2, 7]] = True
    labelled = torch.tensor([1, 1, 1, 0, 1, 0, 1, 1, 1], dtype=torch.bool)
    cloning = Cloning(policy, torch.Generator(), **CLONING)
    cloning.study(Material(LabelledSteps(obs, actions, start, labelled), obs))
    _, said, count = cloning._loss(rows_of(cloning.material.spans))
    total = 0.0
    for first, end in [(0, 2), (2, 7), (7, 9)]:
        begin = torch.zeros(end - first, 1, dtype=torch.bool)
        log_prob = policy.evaluate(
            obs[first:end, None], actions[first:end, None], policy.initial_state(1), begin
        ).log_prob[:, 0]
        total -= float(log_prob[labelled[first:end]].detach().sum())
    assert count == 7
    assert math.isclose(float(said[0]), total / 7, rel_tol=1e-5)


def test_what_is_labelled_is_what_subsampling_takes() -> None:
    rng = np.random.default_rng(0)
    episodes = [
        Episode(rng.normal(size=(n + 1, 2)).astype(np.float32), rng.integers(3, size=n), np.zeros(n), True, False)
        for n in (7, 3, 25)
    ]
    demonstrations = Demonstrations(episodes, Box(-9, 9, (2,), np.float32), Discrete(3), {})
    examples = demonstrated(demonstrations, every=4, seed=3)
    np.testing.assert_array_equal(examples.obs[examples.labelled], demonstrations.subsampled(4, 3).obs)
    assert examples.episodes == [(0, 7), (7, 10), (10, 35)]


def test_rounds_become_one_stream_of_each_instance() -> None:
    def piece(first: int, starts: list[list[bool]]) -> LabelledSteps:
        numbers = first + torch.arange(4).view(2, 2)  # (T, B)
        return LabelledSteps(numbers, numbers, torch.tensor(starts), torch.ones(2, 2, dtype=torch.bool))

    joined = streams([piece(0, [[True, True], [False, False]]), piece(4, [[False, True], [False, False]])])
    assert joined.obs.tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    assert joined.episodes == [(0, 4), (4, 6), (6, 8)]
