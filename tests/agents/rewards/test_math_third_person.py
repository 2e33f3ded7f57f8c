"""Pairs of frames of a rollout, the gradient of both heads, and a reward that follows the expert."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box

from lhy_rl.agents.rewards.frame_pairs import rollout_pairs
from lhy_rl.agents.rewards.third_person import ThirdPersonReward
from lhy_rl.agents.rewards.third_person_options import ThirdPersonOptions
from lhy_rl.data.videos import Videos
from lhy_rl.nn.discriminators.third_person import random_colours, standardized

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
        discriminator_steps=60, discriminator_warmup=0, discriminator_feature_size=16, discriminator_learning_rate=3e-3,
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


def films() -> list[Videos]:
    return [Videos.of([squares(np.arange(0, 12, 2), colour)]) for colour in (250, 200, 20)]


def made(**options: Any) -> ThirdPersonReward:
    torch.manual_seed(0)
    given = ThirdPersonOptions(**{"ahead": 1, "discriminator_batch_size": 8, "discriminator_warmup": 0, **options})
    return ThirdPersonReward(SPACE, *films(), given, torch.Generator().manual_seed(0), torch.device("cpu"))


def test_random_colours_are_rotations_or_reflections() -> None:
    colours = random_colours(6, 0.5, torch.Generator().manual_seed(0), torch.device("cpu"))
    identity = torch.eye(3).expand(6, 3, 3)
    torch.testing.assert_close(colours @ colours.mT, identity)
    assert torch.equal(colours[3:], identity[3:]) and not torch.isclose(colours[:3], identity[:3]).all((1, 2)).any()


def test_a_frame_is_read_without_its_ground_and_its_contrast() -> None:
    frames = torch.randint(0, 100, (2, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    read = standardized(frames)
    torch.testing.assert_close(read.mean((1, 2)), torch.zeros(2, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(standardized(2 * frames + 40), read, atol=0.05, rtol=0)
    assert not standardized(torch.full((1, 16, 16, 3), 7, dtype=torch.uint8)).any()


def test_the_class_head_sees_the_learner_as_often_as_it_is_asked() -> None:
    played = rollout(np.arange(5)[:, None], [[False]] * 4)
    for share, count in ((0.0, 0), (0.5, 4), (1.0, 8)):
        kinds, counts = made(learner_share=share)._drawn_from(played)
        assert counts.get("learner", 0) == count and next(iter(kinds)) == "expert"
    for missing in ("failures", "random"):
        without = made(learner_share=0.0)
        del without.kinds[missing]
        assert without._drawn_from(played)[1]["learner"] == 8


def test_the_domain_head_sees_true_colours_of_random_behaviour_in_both_views() -> None:
    model = made(recolour=0.75)
    counts = dict.fromkeys(model.kinds, 8)
    of = {name: model._mask(counts, name) for name in counts}
    true = model._true_colours(of)
    assert true.tolist() == ([False] * 6 + [True] * 2) * 2 + [True] * 8
    compared, theirs = model._views(of, true)
    assert compared.tolist() == [14, 15, *range(16, 24)]
    assert theirs.tolist() == ([1.0] * 2 + [0.0] * 8) * 2


def test_its_own_steps_move_nothing_but_the_domain_head() -> None:
    model = made(domain_steps=2)
    before = {name: p.detach().clone() for name, p in model.network.named_parameters()}
    model._train_domain_head(torch.randn(6, 8), torch.tensor([1.0, 1, 1, 0, 0, 0]))
    for name, p in model.network.named_parameters():
        assert torch.equal(p, before[name]) != name.startswith("domain_head")
