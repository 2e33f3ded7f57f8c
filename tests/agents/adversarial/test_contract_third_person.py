"""Third-person imitation: videos of every kind, what the policy sees, resume, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from PIL import Image

import lhy_rl  # noqa: F401
from lhy_rl.agents.adversarial.filmed_videos import filmed_videos
from lhy_rl.agents.adversarial.third_person import ThirdPerson
from lhy_rl.agents.generative import view_translation
from lhy_rl.core.errors import UserError
from lhy_rl.core.report_figures import PictureRows
from lhy_rl.data.videos import Videos
from lhy_rl.rollouts.vector_envs import make_vec

ENV = "lhy_rl/PointMassPixels-v0"
SMALL: dict[str, Any] = {
    "num_envs": 2, "n_steps": 8, "videos": 2, "embedding_size": 8, "hidden_size": 8, "discriminator_steps": 1,
    "discriminator_warmup": 2,
    "discriminator_batch_size": 4, "discriminator_feature_size": 8, "expert_videos": "scripted:expert",
    "failure_videos": "random:expert",
}  # fmt: skip


@pytest.fixture(autouse=True)
def hasty_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_translation, "STARTS", 1)
    monkeypatch.setattr(view_translation, "START_STEPS", 2)


def small(**options: Any) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
    return make_vec(ENV, 2, size=16, horizon=8, **options)


def test_films_are_of_the_same_task_in_another_domain() -> None:
    env = small()
    own, other = (filmed_videos("scripted", env, {"domain": name}, 3, 5) for name in ("own", "expert"))
    assert own.frames.shape == other.frames.shape == (3 * 9, 16, 16, 3)
    assert (own.frames != other.frames).any()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"encoder": "image"},
        {"generator": "a2c"},
        {"confusion": "reversal", "domain_pairs": "all"},
        {"learner_share": 0.5},
        {"translation_steps": 2},
    ],
)
def test_it_learns_and_goes_on_where_it_stopped(options: dict[str, Any], tmp_path: Path) -> None:
    def made() -> ThirdPerson:
        return ThirdPerson(small(), seed=3, **{**SMALL, **options})

    whole = made().learn(48)
    half = made().learn(32)
    half.save(tmp_path / "half.zip")
    resumed = made()
    resumed.load_state_dict(half.state_dict())
    films = SMALL["expert_videos"], SMALL["failure_videos"]
    assert films == ("scripted:expert", "random:expert")
    resumed.learn(16, reset_num_timesteps=False)
    for a, b in zip(whole.policy.parameters(), resumed.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_is_translated_is_what_the_discriminator_gets() -> None:
    agent = ThirdPerson(small(), **{**SMALL, "translation_steps": 2})
    figure = agent.report_figures()[0]
    assert isinstance(figure, PictureRows)
    assert list(figure.rows) == ["expert, its view", "translation", "nearest of the learner's"]
    assert len({rows.shape for rows in figure.rows.values()}) == 1
    kinds, plain = (made.discriminator.kinds for made in (agent, ThirdPerson(small(), **SMALL)))
    assert torch.equal(kinds["random"].frames, plain["random"].frames)
    for name in ("expert", "failures"):
        assert agent.translator is not None
        assert torch.equal(kinds[name].frames, agent.translator(plain[name].frames))


def test_a_policy_learns_nothing_while_held_out_videos_are_not_told_apart() -> None:
    """Of 32 videos of each 16 are held out; the expert acts at random, too."""
    options = {**SMALL, "videos": 32, "held_out": 0.5}
    agent = ThirdPerson(small(), **{**options, "expert_videos": "random:expert"})
    before = [p.clone() for p in agent.policy.parameters()]
    found: list[dict[str, float]] = []
    agent.learn(64, callback=lambda agent, metrics: found.append(metrics))
    assert not agent.discriminator.knows and agent._n_updates == 0
    assert all(torch.equal(a, b) for a, b in zip(before, agent.policy.parameters(), strict=True))
    assert "rollout/ep_rew_mean" in found[-1] and 0 <= found[-1]["train/discriminator_accuracy_held_out"] < 0.9


def test_the_policy_does_not_see_the_image() -> None:
    agent = ThirdPerson(small(), **SMALL)
    obs, _ = agent.env.reset(seed=0)
    black = {**obs, "image": np.zeros_like(obs["image"])}
    assert np.array_equal(agent.predict(obs, deterministic=True)[0], agent.predict(black, deterministic=True)[0])


def test_a_video_of_ones_own(tmp_path: Path) -> None:
    for t in range(4):
        picture = np.zeros((40, 40, 3), np.uint8)
        picture[10:20, 5 * t : 5 * t + 10] = 255
        Image.fromarray(picture).save(tmp_path / f"{t}.png")
    agent = ThirdPerson(small(), **{**SMALL, "expert_videos": str(tmp_path), "failure_videos": None}).learn(16)
    expert = agent.discriminator.kinds["expert"]
    assert expert.frames.shape == (4, 16, 16, 3) and "failures" not in agent.discriminator.kinds
    assert expert.pairs.tolist() == [[0, 3], [1, 3], [2, 3]]  # four frames ahead, or the last


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expert_videos": "scripted:exprt"}, "'expert'"),
        ({"expert_videos": "nowhere.gif"}, "no videos 'nowhere.gif'"),
        ({"reversal": -1}, "reversal"),
        ({"ahead": -1}, "ahead"),
        ({"confusion": "both"}, "confusion"),
        ({"domain_pairs": "some"}, "domain_pairs"),
        ({"reward": "praise"}, "reward"),
        ({"objective": "gann"}, "'gan'"),
        ({"recolour": 1}, "recolour"),
        ({"learner_share": 2}, "learner_share"),
        ({"videos": 0}, "videos"),
        ({"held_out": 0.6}, "held_out"),
        ({"translation_steps": -1}, "translation_steps"),
        ({"translation_steps": 2, "failure_videos": None}, "translation_steps needs failure_videos"),
        ({"translation_steps": 2, "random_behaviour": False}, "translation_steps needs failure_videos"),
        ({"generator": "dqn"}, "generator"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        ThirdPerson(small(), **{**SMALL, **options})
    assert "\n" not in str(caught.value)


def test_an_environment_without_images_is_refused() -> None:
    with pytest.raises(UserError, match="third_person needs observations"):
        ThirdPerson("CartPole-v1", core=None, encoder="mlp")


def test_without_an_expert_nothing_is_learned() -> None:
    agent = ThirdPerson(small(), **{**SMALL, "expert_videos": None, "failure_videos": None})
    with pytest.raises(UserError, match="needs expert_videos"):
        agent.learn(16)


def test_videos_of_several_lengths() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (7, 16, 16, 3)).astype(np.uint8)
    agent = ThirdPerson(small(), **{**SMALL, "expert_videos": Videos.of([frames[:2], frames[2:]])}).learn(16)
    assert agent.discriminator.kinds["expert"].pairs.tolist() == [[0, 1], [2, 6], [3, 6], [4, 6], [5, 6]]
    assert agent.num_timesteps == 16 and agent._n_updates > 0
