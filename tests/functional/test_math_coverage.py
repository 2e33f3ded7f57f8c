"""Penalties on attention: by hand, and 0 for an attention that looks at each place once."""

import torch
from torch.testing import assert_close

from lhy_rl.functional.coverage import coverage_loss, doubly_stochastic_loss

# two steps of one source of three places; the third step does not count
WEIGHTS = torch.tensor([[[0.5, 0.5, 0.0]], [[0.2, 0.0, 0.8]], [[1.0, 0.0, 0.0]]])
MASK = torch.tensor([[True], [True], [False]])


def test_by_hand():
    # step 1: nothing is covered; step 2: min(.2, .5) + min(0, .5) + min(.8, 0) = .2; their mean is .1
    assert_close(coverage_loss(WEIGHTS, MASK), torch.tensor(0.1))
    # sums .7, .5, .8: (.09 + .25 + .04) / 2 steps; with two places only (.09 + .25) / 2
    assert_close(doubly_stochastic_loss(WEIGHTS, MASK, torch.ones(1, 3).bool()), torch.tensor(0.19))
    assert_close(doubly_stochastic_loss(WEIGHTS, MASK, torch.tensor([[True, True, False]])), torch.tensor(0.17))


def test_each_place_once_costs_nothing():
    once = torch.eye(4)[torch.randperm(4, generator=torch.Generator().manual_seed(0))][:, None]
    mask = torch.ones(4, 1, dtype=torch.bool)
    assert coverage_loss(once, mask) == 0
    assert doubly_stochastic_loss(once, mask, torch.ones(1, 4).bool()) == 0
    again = once[[0, 0, 1, 2]]
    assert coverage_loss(again, mask) == 0.25 and doubly_stochastic_loss(again, mask, torch.ones(1, 4).bool()) == 0.5
