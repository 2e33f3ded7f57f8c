"""Pairs of frames, some steps apart, of videos and of rollouts."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from lhy_rl.data.videos import Videos
from lhy_rl.rollouts.rollout import Rollout

IMAGE = "image"


class PairSource(Protocol):
    """A source from which pairs of frames are drawn."""

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """n pairs with replacement: frames now and later, (n, H, W, 3)."""
        ...


class FramePairs:
    """Frames on the device, and the pairs of them.

    Args:
        frames: (F, H, W, 3) uint8.
        pairs: (N, 2) indices of frames.
    """

    def __init__(self, frames: np.ndarray | Tensor, pairs: np.ndarray, device: torch.device) -> None:
        self.frames = torch.as_tensor(frames).to(device)
        self.pairs = torch.as_tensor(pairs, device=device)

    @classmethod
    def of(cls, videos: Videos, ahead: int, device: torch.device) -> FramePairs:
        """All pairs of videos."""
        return cls(videos.frames, videos.pairs(ahead), device)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """n pairs with replacement: frames now and later, (n, H, W, 3)."""
        chosen = self.pairs[torch.randint(len(self.pairs), (n,), generator=generator)]
        return self.frames[chosen[:, 0]], self.frames[chosen[:, 1]]


class ReplayedPairs:
    """The pairs of several rounds, as one source.

    Args:
        rounds: (N, 2, H, W, 3) uint8 pairs of each round.
        device: Device of the pairs that are drawn.
    """

    def __init__(self, rounds: list[Tensor], device: torch.device) -> None:
        self.rounds, self.device = rounds, device
        self.ends = torch.tensor([len(pairs) for pairs in rounds]).cumsum(0)

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """n pairs with replacement: frames now and later, (n, H, W, 3)."""
        chosen = torch.randint(int(self.ends[-1]), (n,), generator=generator)
        of = torch.searchsorted(self.ends, chosen, right=True).tolist()
        begins = [0, *self.ends.tolist()]
        rows = [self.rounds[r][place - begins[r]] for r, place in zip(of, chosen.tolist(), strict=True)]
        now, later = torch.stack(rows, 1).to(self.device)
        return now, later


def rollout_pairs(rollout: Rollout, ahead: int) -> tuple[np.ndarray, np.ndarray]:
    """The frames of a rollout, and for each of its valid steps, in the order of ``rollout.valid``, a pair of frames.

    Returns:
        Frames (F, H, W, 3) and pairs (N, 2) of indices: a step's frame, and the one ``ahead`` steps later, or the last
        one of the episode or rollout.
    """
    images = rollout.raw_obs[IMAGE]  # (T + 1, B, H, W, 3)
    steps, count = images.shape[0] - 1, images.shape[1]
    places = np.arange(steps + 1)[:, None] * count + np.arange(count)  # (T + 1, B) of each frame
    frames = [images.reshape(-1, *images.shape[2:])]
    valid = rollout.valid.cpu().numpy()
    done = (rollout.terminated | rollout.truncated).cpu().numpy() & valid
    final = {(t, i): places.size + k for k, (t, i, _) in enumerate(rollout.final_obs)}
    frames += [np.asarray(obs[IMAGE])[None] for _, _, obs in rollout.final_obs]
    after = places[1:].copy()  # the frame after each step
    for (t, i), place in final.items():
        after[t, i] = place
    later = np.empty((steps, count), np.int64)
    stop = np.full(count, steps - 1)  # the last step of the episode or of the rollout
    for t in range(steps - 1, -1, -1):
        stop = np.where(done[t], t, stop)
        reached = np.minimum(t + ahead - 1, stop)
        later[t] = after[reached, np.arange(count)] if ahead else places[t]
    pairs = np.stack([places[:-1], later], -1)
    return np.concatenate(frames), pairs[valid]
