"""What the intervals of the tables hold."""

from __future__ import annotations

import numpy as np
import pytest

from lhy_rl.benchmark.results import interval


@pytest.mark.parametrize(("seeds", "share"), [(4, 0.88), (5, 0.91), (20, 0.95)])
def test_intervals_of_few_seeds_hold_the_mean_as_often_as_the_documents_say(seeds: int, share: float) -> None:
    rng, draws = np.random.default_rng(1), 250
    held = [low <= 0 <= high for _, low, high in (interval(rng.normal(size=seeds).tolist()) for _ in range(draws))]
    assert np.mean(held) == pytest.approx(share, abs=2.5 * (share * (1 - share) / draws) ** 0.5)
