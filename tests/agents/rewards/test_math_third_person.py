"""Pairs of frames of a rollout, the gradient of both heads, and a reward that follows the expert."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from lhy_rl.agents.rewards.third_person import ThirdPersonOptions, ThirdPersonReward, rollout_pairs
from lhy_rl.data.videos import Videos

SPACE = Box(0, 255, (16, 16, 3), np.uint8)


def rollout(frames: np.ndarray, done: list[list[bool]], final: list[tuple[int, int, int]] = []) -> Any:  # noqa: B006
    """Frames are (T + 1, B) numbers, each the colour of its picture."""
    images = np.broadcast_to(frames[..., None, None, None], (*frames.shape, 16, 16, 3)).astype(np.uint8)
    ends = torch.tensor(done)
    return SimpleNamespace(
        raw_obs={"image": images},
        final_obs=[(t, i, {"image": np.full((16, 16, 3), colour, np.uint8)}) for t, i, colour in final],
        valid=torch.ones_like(ends),
        terminated=torch.zeros_like(ends),
        truncated=ends,
        rewards=torch.zeros(ends.shape),
    )


def colours(played: Any, ahead: int) -> list[list[int]]:
    frames, pairs = rollout_pairs(played, ahead)
    found: list[list[int]] = frames[pairs][:, :, 0, 0, 0].tolist()
    return found


def test_pairs_of_one_episode() -> None:
    played = rollout(np.arange(5)[:, None], [[False]] * 4)
    assert colours(played, 1) == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert colours(played, 2) == [[0, 2], [1, 3], [2, 4], [3, 4]]
    assert colours(played, 0) == [[0, 0], [1, 1], [2, 2], [3, 3]]


def test_pairs_do_not_reach_into_the_next_episode() -> None:
    """The second step ends an episode whose last frame is 99; frame 2 is the next one's first."""
    played = rollout(np.arange(5)[:, None], [[False], [True], [False], [False]], final=[(1, 0, 99)])
    assert colours(played, 3) == [[0, 99], [1, 99], [2, 4], [3, 4]]


def test_pairs_of_several_instances_stand_as_the_steps_do() -> None:
    played = rollout(np.array([[0, 10], [1, 11], [2, 12]]), [[False, False]] * 2)
    played.valid[0, 1] = False
    assert colours(played, 1) == [[0, 1], [1, 2], [11, 12]]


def squares(places: np.ndarray, colour: int) -> np.ndarray:
    """A film of a square at these columns, on a ground of the other colour."""
    film = np.full((len(places), 16, 16, 3), 255 - colour, np.uint8)
    for t, place in enumerate(places):
        film[t, 6:10, place : place + 4] = colour
    return film


@pytest.mark.parametrize("objective", ["gan", "gan_saturating", "lsgan", "wgan", "wgan_gp", "ebgan", "began"])
def test_the_expert_is_rewarded_by_every_objective(objective: str) -> None:
    """The expert goes to the right and who fails goes to the left, both seen as the learner sees itself."""
    right, left = np.arange(0, 12, 2), np.arange(0, 12, 2)[::-1].copy()
    options = ThirdPersonOptions(
        ahead=1, objective=objective, reversal=0.0, spectral_norm=False, discriminator_batch_size=16,
        discriminator_steps=60, discriminator_feature_size=16, discriminator_learning_rate=3e-3,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    expert, failure = Videos.of([squares(right, 250)]), Videos.of([squares(left, 250)])
    model = ThirdPersonReward(SPACE, expert, failure, None, options, generator, torch.device("cpu"))
    played = rollout(np.zeros((6, 2)), [[False, False]] * 5)
    played.raw_obs["image"] = np.stack([squares(right, 250), squares(left, 250)], 1)
    worse = rollout(np.zeros((6, 1)), [[False]] * 5)
    worse.raw_obs["image"] = squares(left, 250)[:, None]
    model.train(worse)
    model.relabel(played)
    rewards = played.rewards.mean(0)
    assert rewards[0] > rewards[1]


def test_reversal_keeps_the_class_gradient_and_turns_the_domains() -> None:
    films = [Videos.of([squares(np.arange(0, 12, 2), colour)]) for colour in (250, 200, 20)]
    gradients = {}
    for strength in (0.0, 1.0, 2.0):
        torch.manual_seed(0)
        options = ThirdPersonOptions(ahead=1, reversal=strength, spectral_norm=False, discriminator_batch_size=8)
        model = ThirdPersonReward(SPACE, *films, options, torch.Generator().manual_seed(0), torch.device("cpu"))
        f = model.network.features(torch.as_tensor(films[0].frames))
        theirs = torch.tensor([1.0, 1, 1, 0, 0, 0])
        loss, _ = model._domain_loss(f, theirs, strength)
        head, features = model.network.domain_head[0].weight, model.network.encoder.convolutions[0].weight  # type: ignore[union-attr, index]
        gradients[strength] = torch.autograd.grad(loss, [head, features])
    assert torch.equal(gradients[0.0][0], gradients[2.0][0])
    assert not gradients[0.0][1].any()
    torch.testing.assert_close(2 * gradients[1.0][1], gradients[2.0][1])
