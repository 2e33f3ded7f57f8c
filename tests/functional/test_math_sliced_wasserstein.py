"""The sliced Wasserstein distance against what is known by hand and by scipy."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import wasserstein_distance

from lhy_rl.functional.sliced_wasserstein import random_directions, sliced_wasserstein

ALONG_X = torch.tensor([[2.0], [0.0]])


def test_by_hand() -> None:
    """Along x the sorted places are -1, 0, 3 and 0, 1, 5: squares 1, 1 and 4."""
    first = torch.tensor([[3.0, 7.0], [-1.0, 0.0], [0.0, 0.0]])
    second = torch.tensor([[0.0, -9.0], [5.0, 0.0], [1.0, 4.0]])
    assert float(sliced_wasserstein(first, second, ALONG_X)) == pytest.approx(2.0)


def test_order_does_not_count_and_a_shift_counts_by_its_square() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn((200, 2), generator=generator)
    directions = random_directions(2, 20_000, generator, torch.device("cpu"))
    assert float(sliced_wasserstein(points, points.flip(0), directions)) == pytest.approx(0, abs=1e-9)
    shifted = points + torch.tensor([3.0, 4.0])
    assert float(sliced_wasserstein(points, shifted, directions[:, :2000])) == pytest.approx(25 / 2, rel=0.05)


def test_along_one_line_it_is_scipys_where_one_lies_behind_the_other() -> None:
    """Where all distances are equal, the mean of the squares is the square of the mean."""
    a = torch.rand(50, 1, generator=torch.Generator().manual_seed(1))
    found = sliced_wasserstein(a, a + 0.7, torch.ones(1, 1))
    assert float(found) == pytest.approx(wasserstein_distance(a[:, 0].numpy(), a[:, 0].numpy() + 0.7) ** 2, rel=1e-5)


def test_its_gradient() -> None:
    generator = torch.Generator().manual_seed(2)
    a, b = (torch.randn((6, 3), generator=generator, dtype=torch.float64) for _ in range(2))
    directions = torch.randn((3, 4), generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: sliced_wasserstein(x, b, directions), (a.requires_grad_(),))
