"""Held-out videos, which test whether a discriminator generalises to other videos of the same kinds.

A discriminator that has overfitted its videos, or learned nothing, still gives scores, and a policy finds where they
are highest: advantages are standardized, so that no difference is too small to follow. Whether the scores mean anything
is tested by ranks (Mann and Whitney 1947): how often does a held-out video of the expert get a higher mean reward than
one of failures?
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lhy_rl.data.videos import Videos

FEWEST = 16  # least number of held-out videos of a kind for a meaningful test
PAIRS = 10  # pairs of frames that are scored in a video
SURE = 3.0  # standard deviations above chance: by chance once in 740 tests


class HeldOutVideos:
    """Videos of an expert and of failures.

    Args:
        expert, failures: The held-out videos of each kind.
        ahead: Steps between the frames of a pair.
        device: Device of the frames.
    """

    def __init__(self, expert: Videos, failures: Videos, ahead: int, device: torch.device) -> None:
        self.counts = (len(expert), len(failures))
        now, later = zip(*(_some_pairs(videos, ahead) for videos in (expert, failures)), strict=True)
        self.now, self.later = (torch.as_tensor(np.concatenate(frames), device=device) for frames in (now, later))

    def ranked(self, reward: Callable[[Tensor, Tensor], Tensor]) -> float:
        """How often a video of the expert ranks above one of failures, by the mean reward of its pairs of frames; 0.5
        is chance."""
        means = reward(self.now, self.later).view(sum(self.counts), PAIRS).mean(1)
        return float(rank_share(*means.split(self.counts)))  # type: ignore[no-untyped-call]

    def is_sure(self, share: float) -> bool:
        """Whether a share of right ranks is significant: chance alone would hardly ever reach it."""
        return (share - 0.5) / rank_deviation(*self.counts) > SURE


def rank_share(first: Tensor, second: Tensor) -> Tensor:
    """P(a > b) + P(a = b) / 2 of numbers (N,) and (M,), the area under the ROC curve."""
    difference = first[:, None] - second
    return ((difference > 0).float() + 0.5 * (difference == 0).float()).mean()


def rank_deviation(n: int, m: int) -> float:
    """The standard deviation of :func:`rank_share` if both come from one distribution (Mann and Whitney 1947)."""
    return math.sqrt((n + m + 1) / (12 * n * m))


def held_out(videos: Videos, share: float) -> tuple[Videos, Videos | None]:
    """Split off the last share of the videos; None is held out where they are too few for a test."""
    count = int(len(videos) * share)
    if count < FEWEST:
        return videos, None
    end = videos.ends[-count - 1]
    return (
        Videos(videos.frames[:end], videos.ends[:-count]),
        Videos(videos.frames[end:], videos.ends[-count:] - end),
    )


def _some_pairs(videos: Videos, ahead: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames now and later (E * PAIRS, H, W, 3), equally many of each episode."""
    last = videos.ends - 1
    begins = videos.ends - videos.lengths
    places = begins[:, None] + np.linspace(0, 1, PAIRS) * (last - 1 - begins)[:, None]
    now = places.round().astype(int)
    later = np.minimum(now + ahead, last[:, None])
    return videos.frames[now.ravel()], videos.frames[later.ravel()]
