"""Minus the distance to the goal: what the expert's videos end with is worth more than what they begin with."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from gymnasium.spaces import Box

from lhy_rl.agents.rewards.goal_distance import GoalDistance
from lhy_rl.data.videos import Videos


def film(offset: int) -> np.ndarray:
    """A square grows until it fills the picture."""
    frames = np.zeros((8, 16, 16, 3), np.uint8)
    for t, frame in enumerate(frames):
        frame[: 2 * t + 2, offset : offset + 2 * t + 1] = 250
    return frames


def test_the_end_of_the_way_is_worth_most() -> None:
    torch.manual_seed(0)
    videos = Videos.of([film(offset) for offset in (0, 1, 2, 3)])
    model = GoalDistance(
        Box(0, 255, (16, 16, 3), np.uint8), videos, torch.Generator().manual_seed(0), torch.device("cpu"),
        steps=60, batch_size=2, frames=6,
    )  # fmt: skip
    assert np.mean(model.losses[-10:]) < np.mean(model.losses[:10])
    steps = torch.zeros((7, 1), dtype=torch.bool)
    played = SimpleNamespace(
        raw_obs={"image": film(1)[:, None]}, final_obs=[], valid=~steps, terminated=steps, truncated=steps,
        rewards=torch.zeros(7, 1),
    )  # fmt: skip
    model.relabel(played)  # type: ignore[arg-type]
    assert played.rewards[-1] > played.rewards[0]
    untrained = GoalDistance(
        Box(0, 255, (16, 16, 3), np.uint8), videos, torch.Generator(), torch.device("cpu"), steps=0
    )  # fmt: skip
    untrained.load_state_dict(model.state_dict())
    again = SimpleNamespace(**{**vars(played), "rewards": torch.zeros(7, 1)})
    untrained.relabel(again)  # type: ignore[arg-type]
    assert torch.equal(again.rewards, played.rewards)
