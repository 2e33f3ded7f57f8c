"""MuJoCo environments seen in several ways: one state, other pictures; horizons; experts; what is refused."""

from __future__ import annotations

import copy
import gc
import pickle
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import lhy_rl  # noqa: F401
from lhy_rl.agents.adversarial.filmed_videos import filmed_videos, policy_videos
from lhy_rl.agents.adversarial.third_person import ThirdPerson
from lhy_rl.core.errors import UserError
from lhy_rl.envs.third_person import mujoco_camera
from lhy_rl.envs.third_person.mujoco_domains import DOMAINS, MujocoDomain, mujoco_domain
from lhy_rl.envs.wrappers import fixed_horizon
from lhy_rl.rollouts.vector_envs import make_vec
from tests.graphics import needs_mujoco

pytest.importorskip("mujoco")
ENV = "lhy_rl/MujocoViews-v0"
IDS = ("InvertedPendulum-v5", "Reacher-v5")


def views(env_id: str = "InvertedPendulum-v5", num_envs: int = 2, **options: Any) -> Any:
    """A few small ones; the test is left out where nothing can be drawn."""
    needs_mujoco()
    return make_vec(ENV, num_envs, env_id=env_id, **{"size": 32, "horizon": 8, **options})


@pytest.mark.parametrize("env_id", [*IDS, "Hopper-v5"])
def test_domains_share_the_dynamics_and_not_the_pictures(env_id: str) -> None:
    played = {}
    for name in DOMAINS:
        env = views(env_id, domain=name)
        obs, _ = env.reset(seed=3)
        env.action_space.seed(0)
        for _ in range(4):
            obs, reward, *_ = env.step(env.action_space.sample())
        played[name] = obs["state"], reward, obs["image"]
        env.close()
    for name, (state, reward, image) in played.items():
        np.testing.assert_array_equal(state, played["own"][0])
        np.testing.assert_array_equal(reward, played["own"][1])
        assert image.shape == (2, 32, 32, 3) and image.std() > 5
        assert name == "own" or np.abs(image.astype(float) - played["own"][2]).mean() > 0.5, name


def test_the_papers_pole_is_red_for_one_and_cyan_for_the_other() -> None:
    means = {}
    for name in ("own", "expert"):
        image = views(domain=name).reset(seed=0)[0]["image"][0].astype(float)
        means[name] = image[8:16, 14:18].mean((0, 1))  # the upper half of the pole
    assert means["own"][0] < 10 < 30 < means["own"][1] and abs(means["own"][1] - means["own"][2]) < 5
    assert means["expert"][0] > 30 > 10 > means["expert"][1:].max()


def test_instances_share_a_camera_and_have_their_own_pictures() -> None:
    env = views(num_envs=3)
    obs, _ = env.reset(seed=[1, 2, 1])
    for _ in range(4):
        obs, *_ = env.step(np.array([[3.0], [-3.0], [3.0]], np.float32))
    assert np.array_equal(obs["image"][0], obs["image"][2]) and not np.array_equal(obs["image"][0], obs["image"][1])
    single = gymnasium.make(ENV, size=32, horizon=8)
    alone, _ = single.reset(seed=1)
    for _ in range(4):
        alone, *_ = single.step(np.array([3.0], np.float32))
    np.testing.assert_array_equal(alone["image"], obs["image"][0])
    assert len(env.envs[0].unwrapped.cameras.made) == 1
    env.close(), single.close()


def test_gymnasiums_renderers_beside_it_change_nothing() -> None:
    """They free what they own in whichever graphics context is current."""
    env = views("Reacher-v5", num_envs=1)
    first = env.reset(seed=0)[0]["image"]
    for _ in range(2):
        other: Any = gymnasium.make("Reacher-v5", render_mode="rgb_array", width=32, height=32)
        other.reset(seed=0)
        theirs = other.render()
        np.testing.assert_array_equal(env.reset(seed=0)[0]["image"], first)
        assert theirs.std() > 5 and np.array_equal(other.render(), theirs)
        other.close()
        del other
        gc.collect()
        np.testing.assert_array_equal(env.reset(seed=0)[0]["image"], first)
    env.close()


def test_an_episode_has_the_horizon_and_pays_until_the_pole_falls() -> None:
    env = gymnasium.make(ENV, observation="state", horizon=30)
    env.reset(seed=0)
    rewards, truncated, info = [], False, {}
    while not truncated:
        _, reward, terminated, truncated, info = env.step(np.array([3.0], np.float32))
        assert not terminated
        rewards.append(float(reward))
    stood = int(sum(rewards))
    assert len(rewards) == 30 and 0 < stood < 20 and rewards == [1.0] * stood + [0.0] * (30 - stood) and info["over"]


@pytest.mark.parametrize(("env_id", "low", "high"), [("InvertedPendulum-v5", 50, 50), ("Reacher-v5", -5.5, -1.5)])
def test_its_own_expert(env_id: str, low: float, high: float) -> None:
    env = gymnasium.make(ENV, env_id=env_id, observation="state")
    returns = []
    for seed in range(5):
        env.reset(seed=seed)
        total, truncated = 0.0, False
        while not truncated:
            _, reward, _, truncated, _ = env.step(env.unwrapped.expert_action()[0])  # type: ignore[attr-defined]
            total += float(reward)
        returns.append(total)
    assert low <= np.mean(returns) <= high


def test_any_other_environment_has_no_expert_and_takes_its_own_options() -> None:
    env: Any = gymnasium.make(ENV, env_id="Hopper-v5", observation="state", frame_skip=2)
    assert not hasattr(env.unwrapped, "expert_action") and env.unwrapped.env.unwrapped.frame_skip == 2


def test_a_model_that_is_simulated_keeps_its_colours() -> None:
    env = views(domain={"hue": 90, "colours": {"cart": [255, 0, 0]}})
    before = env.envs[0].unwrapped.env.unwrapped.model.geom_rgba.copy()
    other = views()
    np.testing.assert_array_equal(other.envs[0].unwrapped.env.unwrapped.model.geom_rgba, before)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"])
@pytest.mark.parametrize("env_id", IDS)
def test_a_copy_goes_on_alike_and_draws(env_id: str, copied: Any) -> None:
    """Gymnasium's pendulum records its arguments in another order than it takes them."""
    options = {"reset_noise_scale": 0.2} if env_id == IDS[0] else {}
    env = views(env_id, 1, size=16, **options).envs[0]
    env.reset(seed=0)
    action = np.full(env.action_space.shape, 0.1, np.float32)
    env.step(action)
    twin = copied(copied(env))
    for _ in range(3):
        pairs = [(one.step(action)[0], one.reset()[0]) for one in (env, twin)]
        for first, second in zip(*pairs, strict=True):
            assert all(np.array_equal(first[key], second[key]) for key in ("state", "image"))


def test_third_person_runs_on_it_unchanged(tmp_path: Path) -> None:
    env = views(size=16)
    own, red = (filmed_videos("scripted", env, {"domain": name}, 2, 5) for name in ("own", "expert"))
    assert own.frames.shape == red.frames.shape == (18, 16, 16, 3) and (own.frames != red.frames).any()
    small = {"n_steps": 8, "videos": 2, "discriminator_steps": 1, "discriminator_batch_size": 4, "core": None}
    agent = ThirdPerson(env, expert_videos="scripted:expert", failure_videos="random:expert", **small).learn(32)
    assert agent.report_figures()[0].title == "Frames as the discriminator gets them"


def test_a_saved_policy_of_the_state_is_filmed(tmp_path: Path) -> None:
    import stable_baselines3

    from lhy_rl.agents import PPO

    env = views(size=16)
    stable_baselines3.PPO("MlpPolicy", gymnasium.make("InvertedPendulum-v5"), n_steps=64, seed=0).save(tmp_path / "sb3")
    PPO(make_vec(ENV, 2, observation="state", horizon=8), core=None, n_steps=8, batch_size=16).save(
        tmp_path / "ours.zip"
    )
    for name in ("sb3.zip", "ours.zip"):
        videos = policy_videos(str(tmp_path / name), env, {"domain": "expert"}, 2, 0)
        assert videos.frames.shape == (18, 16, 16, 3)
    small = {"n_steps": 8, "videos": 2, "discriminator_steps": 1, "discriminator_batch_size": 4, "core": None}
    agent = ThirdPerson(env, expert_videos=f"{tmp_path / 'ours.zip'}:expert", **small)
    assert len(agent.discriminator.kinds["expert"].frames) == 18


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domain": "nowhere"}, "unknown domain 'nowhere'"),
        ({"domain": {"turm": 3}}, "did you mean 'turn'"),
        ({"domain": {"turn": 400}}, "domain's turn is 400; allowed: -180 to 180"),
        ({"domain": {"zoom": 0}}, "domain's zoom is 0"),
        ({"domain": {"colours": {"cart": [1, 2]}}}, "colour of cart"),
        ({"domain": {"colours": {"kart": [1, 2, 3]}}}, "did you mean 'cart'"),
        ({"domain": {"background": "red"}}, "colour of background"),
        ({"size": 8}, "size=8"),
        ({"observation": "pixels"}, "observation"),
        ({"env_id": "CartPole-v1"}, "CartPole-v1 is not a MuJoCo environment"),
        ({"horizon": 0}, "horizon=0"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    needs_mujoco()
    with pytest.raises(UserError, match=message) as caught:
        gymnasium.make(ENV, **options).reset(seed=0)
    assert "\n" not in str(caught.value)


def test_where_nothing_can_be_drawn_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(size: int) -> Any:
        raise ImportError("Cannot initialize a EGL device display.\nThis likely means ...")

    monkeypatch.setattr(mujoco_camera, "_context", nothing)
    env = gymnasium.make(ENV)
    with pytest.raises(UserError, match="install libegl1, or set MUJOCO_GL to egl, osmesa or glfw") as caught:
        env.reset(seed=0)
    assert "\n" not in str(caught.value)


def test_where_mujoco_is_missing_its_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: Any, **options: Any) -> Any:
        raise gymnasium.error.DependencyNotInstalled(
            "MuJoCo is not installed, run `pip install gymnasium[mujoco]`; mujoco"
        )

    monkeypatch.setattr(fixed_horizon, "make_single", missing)
    with pytest.raises(UserError, match=r"InvertedPendulum-v5 needs MuJoCo; .*pip install"):
        gymnasium.make(ENV)


def test_domains_of_others_begin_from_any() -> None:
    assert mujoco_domain({"name": "expert", "turn": 5.0}, "Reacher-v5") == MujocoDomain(
        turn=5.0, lift=24.4, colours={"target": (51, 230, 51), "ground": (77, 77, 77)}
    )
    assert mujoco_domain("expert", "Hopper-v5") == DOMAINS["expert"]
