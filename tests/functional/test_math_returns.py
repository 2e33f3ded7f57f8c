"""Returns and advantages: hand-computed numbers, termination against truncation, identities."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from lhy_rl.functional import discounted_returns, generalized_advantages
from lhy_rl.functional.returns import leave_one_out_mean


def column(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)[:, None]


def flags(*numbers):
    return torch.tensor(numbers, dtype=torch.bool)[:, None]


def test_returns_by_hand():
    # G_2 = 3 + 0.5 * 8 = 7,  G_1 = 2 + 0.5 * 7 = 5.5,  G_0 = 1 + 0.5 * 5.5 = 3.75
    returns = discounted_returns(column(1, 2, 3), column(0.5, 0.5, 0.5), torch.tensor([8.0], dtype=torch.float64))
    assert_close(returns, column(3.75, 5.5, 7.0))


def test_returns_stop_where_the_discount_is_zero():
    # The second step ends the episode: 2 alone; what follows is another episode.
    returns = discounted_returns(column(1, 2, 3), column(0.5, 0.0, 0.5), torch.tensor([8.0], dtype=torch.float64))
    assert_close(returns, column(2.0, 2.0, 7.0))


def test_columns_do_not_mix():
    rewards = torch.tensor([[1.0, 10.0], [2.0, 20.0]])
    returns = discounted_returns(rewards, torch.full((2, 2), 0.5), torch.tensor([4.0, 0.0]))
    assert_close(returns, torch.tensor([[3.0, 20.0], [4.0, 20.0]]))


def test_advantages_by_hand():
    # gamma = lambda = 0.5. delta = r + 0.5 V' - V: 1 + 0.5*4 - 2 = 1,  0 + 0.5*6 - 4 = -1,  2 + 0.5*8 - 6 = 0.
    # A_2 = 0,  A_1 = -1 + 0.25*0 = -1,  A_0 = 1 + 0.25*(-1) = 0.75
    advantages = generalized_advantages(
        column(1, 0, 2), column(2, 4, 6), column(4, 6, 8), flags(0, 0, 0), flags(0, 0, 0), 0.5, 0.5
    )
    assert_close(advantages, column(0.75, -1.0, 0.0))


def test_termination_drops_the_future_and_truncation_keeps_its_value():
    # Same numbers, the second step ends the episode. Terminated: delta_1 = 0 - 4 = -4, A_0 = 1 + 0.25*(-4) = 0.
    # Truncated: delta_1 = 0 + 0.5*6 - 4 = -1, and nothing of A_2 follows; A_2 itself is not touched by either.
    arguments = column(1, 0, 2), column(2, 4, 6), column(4, 6, 10)
    terminated = generalized_advantages(*arguments, flags(0, 1, 0), flags(0, 0, 0), 0.5, 0.5)
    truncated = generalized_advantages(*arguments, flags(0, 0, 0), flags(0, 1, 0), 0.5, 0.5)
    neither = generalized_advantages(*arguments, flags(0, 0, 0), flags(0, 0, 0), 0.5, 0.5)
    assert_close(terminated, column(0.0, -4.0, 1.0))
    assert_close(truncated, column(0.75, -1.0, 1.0))
    assert_close(neither, column(0.8125, -0.75, 1.0))


def test_both_flags_count_as_termination():
    arguments = column(1, 1), column(0, 0), column(5, 5)
    both = generalized_advantages(*arguments, flags(0, 1), flags(0, 1), 0.9, 0.8)
    terminated = generalized_advantages(*arguments, flags(0, 1), flags(0, 0), 0.9, 0.8)
    assert_close(both, terminated)


def test_eternal_reward_is_worth_one_over_one_minus_gamma():
    # With the true value as critic every advantage is 0 exactly because truncation bootstraps.
    value = torch.full((50, 1), 1 / (1 - 0.9), dtype=torch.float64)
    cut = torch.arange(50)[:, None] % 10 == 9
    zero = generalized_advantages(torch.ones_like(value), value, value, torch.zeros_like(cut), cut, 0.9, 0.95)
    assert_close(zero, torch.zeros_like(value))
    ended = generalized_advantages(torch.ones_like(value), value, value, cut, torch.zeros_like(cut), 0.9, 0.95)
    assert (ended < -0.5).all()


def random_rollout(seed, steps, batch):
    generator = torch.Generator().manual_seed(seed)
    rewards, values, next_values = torch.randn(3, steps, batch, generator=generator, dtype=torch.float64)
    ended = torch.rand(2, steps, batch, generator=generator) < 0.2
    # Where no episode ends, the value after a step is the value before the next one.
    follows = ~(ended[0] | ended[1])[:-1]
    next_values[:-1] = torch.where(follows, values[1:], next_values[:-1])
    return rewards, values, next_values, ended[0], ended[1]


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 3), st.floats(0.0, 1.0))
def test_lambda_one_is_the_return_minus_the_value(seed, steps, batch, gamma):
    rewards, values, next_values, terminated, truncated = random_rollout(seed, steps, batch)
    advantages = generalized_advantages(rewards, values, next_values, terminated, truncated, gamma, 1.0)
    # A truncated episode's return: its last reward and the discounted value of what it did not see.
    seen = rewards + gamma * next_values * (truncated & ~terminated)
    discounts = gamma * (~(terminated | truncated)).double()
    assert_close(advantages, discounted_returns(seen, discounts, next_values[-1]) - values)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 3), st.floats(0.0, 1.0))
def test_lambda_zero_is_the_one_step_error(seed, steps, batch, gamma):
    rewards, values, next_values, terminated, truncated = random_rollout(seed, steps, batch)
    advantages = generalized_advantages(rewards, values, next_values, terminated, truncated, gamma, 0.0)
    assert_close(advantages, rewards + gamma * next_values * ~terminated - values)


def test_no_gradient_flows_into_the_critic():
    values = column(1, 2).requires_grad_()
    advantages = generalized_advantages(column(1, 1), values, values, flags(0, 0), flags(0, 0), 0.9, 0.9)
    assert not advantages.requires_grad


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"rewards \(3, 2\), discounts \(3, 1\)"):
        discounted_returns(torch.zeros(3, 2), torch.zeros(3, 1), torch.zeros(2))
    with pytest.raises(ValueError, match="bootstrap"):
        discounted_returns(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(1))
    column3, none = torch.zeros(3, 2), torch.zeros(3, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="next_values"):
        generalized_advantages(column3, column3, torch.zeros(2), none, none, 0.9, 0.9)


def test_no_episode_is_part_of_its_own_baseline():
    """Three episodes of 1, 2 and 3 steps; only the last reaches step 2: the others' steps are 3, 6 and 2 there."""
    returns = torch.tensor([[3.0, 6.0, 9.0], [0.0, 2.0, 4.0], [0.0, 0.0, 1.0]])
    mask = torch.tensor([[1, 1, 1], [0, 1, 1], [0, 0, 1]], dtype=torch.bool)
    baseline = leave_one_out_mean(returns, mask)
    expected = torch.tensor([[7.5, 6.0, 4.5], [3.0, 4.0, 2.0], [0.0, 0.0, 11 / 3]])
    torch.testing.assert_close(baseline[mask], expected[mask])


def test_the_baseline_of_a_group_knows_nothing_of_other_groups():
    returns = torch.tensor([[1.0, 3.0, 10.0, 30.0]])
    baseline = leave_one_out_mean(returns, torch.ones(1, 4, dtype=torch.bool), group_size=2)
    torch.testing.assert_close(baseline, torch.tensor([[3.0, 1.0, 30.0, 10.0]]))
