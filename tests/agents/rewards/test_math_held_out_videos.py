"""What holds for videos that were not learned from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from lhy_rl.agents.rewards.held_out_videos import HeldOutVideos, held_out, rank_deviation, rank_share
from lhy_rl.data.videos import Videos


def videos(values: list[int], length: int = 12) -> Videos:
    """Episodes whose frames are of one colour each, which grows by 1."""
    films = [np.full((length, 8, 8, 3), value, np.uint8) + np.arange(length, dtype=np.uint8)[:, None, None, None]
             for value in values]  # fmt: skip
    return Videos.of(films)


def brightness(now: torch.Tensor, later: torch.Tensor) -> torch.Tensor:
    return now.float().mean((1, 2, 3))


def test_shares_of_ranks() -> None:
    assert float(rank_share(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 3.0]))) == 0.375  # 0, 0, 1 and a tie
    a, b = torch.randn(9, generator=torch.Generator().manual_seed(0)), torch.linspace(-1, 1, 11)
    assert float(rank_share(a, b)) == pytest.approx(mannwhitneyu(a.numpy(), b.numpy()).statistic / 99, abs=1e-6)


def test_the_deviation_by_chance() -> None:
    generator = torch.Generator().manual_seed(0)
    shares = [float(rank_share(*torch.randn(20, generator=generator).split((8, 12)))) for _ in range(3000)]
    assert np.std(shares) == pytest.approx(rank_deviation(8, 12), rel=0.05)


def test_the_last_videos_are_held_out() -> None:
    learned, kept = held_out(videos(list(range(40))), 0.4)
    assert kept is not None and (len(learned), len(kept)) == (24, 16)
    assert learned.frames[0, 0, 0, 0] == 0 and kept.frames[0, 0, 0, 0] == 24 and kept.ends[-1] == 16 * 12
    assert held_out(videos(list(range(40))), 0.3)[1] is None  # twelve are too few


def test_it_is_sure_of_what_tells_them_apart_and_of_nothing_else() -> None:
    bright, dark = videos(list(range(100, 108))), videos(list(range(8)))
    apart = HeldOutVideos(bright, dark, 4, torch.device("cpu"))
    assert apart.ranked(brightness) == 1 and apart.is_sure(1.0)
    alike = HeldOutVideos(dark, dark, 4, torch.device("cpu"))
    assert alike.ranked(brightness) == 0.5 and not alike.is_sure(0.5) and not alike.is_sure(0.0)


def test_a_pair_is_of_one_episode() -> None:
    test = HeldOutVideos(videos([0, 100], 3), videos([50], 12), 4, torch.device("cpu"))
    now, later = test.now[:, 0, 0, 0].int(), test.later[:, 0, 0, 0].int()
    assert now.tolist()[:10] == [0] * 5 + [1] * 5 and later.tolist()[:10] == [2] * 10
    assert (later - now).max() == 4 and now.tolist()[20:] == [50 + round(x) for x in np.linspace(0, 10, 10)]
