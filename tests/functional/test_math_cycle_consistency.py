"""Cycle-consistency by hand: there and back, and lost."""

from __future__ import annotations

import math

import torch

from lhy_rl.functional.cycle_consistency import cycle_consistency


def test_videos_that_are_aligned_cost_nothing_and_blind_embeddings_cost_the_logarithm() -> None:
    aligned = torch.arange(4.0)[None, :, None].expand(2, 4, 3)
    assert cycle_consistency(aligned, aligned[:, [0, 1, 1, 2, 3]]) < 1e-3
    blind = torch.zeros(1, 4, 3)
    torch.testing.assert_close(cycle_consistency(blind, blind), torch.tensor(math.log(4)))


def test_two_frames_by_hand() -> None:
    """u = (0, 1), v = (0, 0), temperature 1: both nearest neighbours are 0, and back: log(1 + e^-1), and 1 more."""
    u, v = torch.tensor([[[0.0], [1.0]]]), torch.zeros(1, 2, 1)
    expected = (2 * math.log(1 + math.exp(-1)) + 1) / 2
    torch.testing.assert_close(cycle_consistency(u, v, 1.0), torch.tensor(expected))
