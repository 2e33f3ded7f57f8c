"""Agents that learn from samples: resume and files bit for bit, what a report gets, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.vector import VectorEnv

import lhy_rl
from lhy_rl.agents import GAN, VAE, Autoencoder, agents
from lhy_rl.agents.generative.sample_learner import SampleLearner
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.core.protocols import Samples, Split
from lhy_rl.core.report_figures import EpisodeFrames, MetricCurves, PictureRows
from lhy_rl.core.trees import map_tree
from lhy_rl.envs.vision.one_step import OneStepTask
from lhy_rl.functional.variational import bernoulli_log_likelihood
from lhy_rl.reporting import agent_figures
from lhy_rl.rollouts.vector_envs import make_vec
from tests.agents.generative.test_contract_domain_transfer import tensors

SMALL: dict[str, Any] = {
    "gradient_steps": 2, "batch_size": 8, "width": 4, "hidden_size": 8, "code_size": 4, "film": 3, "seed": 3,
}  # fmt: skip


def ring() -> VectorEnv[Any, Any, Any]:
    return make_vec("lhy_rl/Ring-v0", 2, points=50)


def digits(conditional: bool = True) -> VectorEnv[Any, Any, Any]:
    return make_vec("lhy_rl/Digits-v0", 2, pictures="optical", conditional=conditional)


CASES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    **{f"gan {name}": ("gan", ring, {"objective": name}) for name in ("gan", "lsgan", "wgan", "ebgan", "began")},
    "gan wgan_gp": ("gan", digits, {"objective": "wgan_gp", "discriminator_steps": 2}),
    "gan one stage": ("gan", digits, {"one_stage": True, "discriminator_steps": 2, "augmentation": 1}),
    "gan pictures": ("gan", digits, {"reconstruction": 1.0, "augmentation": 1}),
    "gan reconstruction": ("gan", digits, {"adversarial": 0.0, "reconstruction": 1.0}),
    "autoencoder": ("autoencoder", lambda: digits(False), {}),
    "autoencoder linear": ("autoencoder", digits, {"network": "linear"}),
    "vae": ("vae", digits, {"beta": 0.5}),
    "vae gaussian": ("vae", ring, {"likelihood": "gaussian"}),
}


def make(name: str, **options: Any) -> SampleLearner:
    kind, env, own = CASES[name]
    agent: SampleLearner = agents.get(kind)(env(), **{**SMALL, **own, **options})
    return agent


@pytest.mark.parametrize("network", ["convolutions", "mlp", "linear"])
def test_every_pixel_of_a_bernoulli_decoder_learns(network: str) -> None:
    """However wrong it is: logits are in the loss, and what is drawn is inside the bounds of a picture."""
    agent = VAE(digits(), network=network, **SMALL)
    with torch.no_grad():
        for parameter in agent.policy.actor.generator.parameters():
            parameter.mul_(30.0)
    x, c = agent.split("train").rows(slice(8))
    code = agent.decoder_input(30 * torch.randn(8, 4, generator=agent.generator), c)
    numbers = agent.policy.actor.generator.before_tanh(code).detach().requires_grad_()
    assert float((numbers.abs() > 10).float().mean()) > 0.3
    bernoulli_log_likelihood((x + 1) / 2, 2 * numbers).sum().backward()
    wrong = ((numbers > 0) != (x > 0)) & (x.abs() == 1)
    assert bool((numbers.grad[wrong].abs() >= 1).all()) and bool(wrong.any())
    drawn = agent.policy.actor.generator(code)
    assert torch.equal(drawn, numbers.tanh())


@pytest.mark.parametrize("name", CASES)
def test_resuming_at_any_update_is_bit_for_bit(name: str, tmp_path: Path) -> None:
    whole, rows = make(name), []
    whole.learn(64, callback=lambda agent, metrics: rows.append(metrics))
    half = make(name)
    half.learn(64, callback=lambda agent, metrics: agent.num_updates < 2)
    archive.write(tmp_path / "half.zip", half.state_dict())
    resumed = make(name, seed=8)
    resumed.load_state_dict(archive.read(tmp_path / "half.zip"))
    resumed.learn(64 - resumed.num_timesteps, reset_num_timesteps=False)
    ours, theirs = tensors(whole.state_dict()), tensors(resumed.state_dict())
    assert ours.keys() == theirs.keys()
    for place in ours:
        assert torch.equal(ours[place], theirs[place]), place
    assert len(whole.film.frames) == 3 and np.array_equal(whole.film.frames, resumed.film.frames), "of one noise"
    assert not np.array_equal(whole.film.frames[0], whole.film.frames[-1])
    assert len(rows) == 4 and all(np.isfinite(value) for row in rows for value in row.values())


@pytest.mark.parametrize("objective", ["gan", "gan_saturating", "lsgan", "wgan_gp"])
def test_one_stage_has_the_gradient_that_a_discriminator_at_rest_gives(objective: str) -> None:
    options = {"objective": objective, "discriminator_learning_rate": 1e-30, "reconstruction": 0.5}
    both = [make("gan pictures", one_stage=one_stage, augmentation=0, **options) for one_stage in (False, True)]
    for agent in both:
        assert agent.data is not None
        agent.train_step(agent.data)
    for ours, theirs in zip(both[0].policy.parameters(), both[1].policy.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["gan pictures", "autoencoder", "vae", "gan ebgan"])
def test_a_file_draws_without_its_environment(name: str, tmp_path: Path) -> None:
    agent = make(name).learn(16)
    agent.save(tmp_path / "agent.zip")
    alone = lhy_rl.load(tmp_path / "agent.zip")
    obs = agent.env.reset(seed=0)[0]
    drawn, state = alone.predict(obs, deterministic=True)
    assert drawn.shape == agent.env.action_space.shape and drawn.dtype == np.float32 and state == ()
    assert np.array_equal(drawn, agent.predict(obs, deterministic=True)[0])
    np.testing.assert_allclose(drawn[0], agent.predict(obs[0], deterministic=True)[0], atol=1e-5)
    assert not np.array_equal(agent.predict(obs)[0], agent.predict(obs)[0]), "drawn anew"
    with pytest.raises(UserError, match="give one"):
        alone.update()
    alone.set_env(CASES[name][1]())
    assert alone.learn(16).num_timesteps == 16


def test_the_report_begins_with_real_and_generated() -> None:
    agent = make("gan pictures").learn(64)
    rows, film, curves = agent.report_figures()
    assert isinstance(rows, PictureRows) and list(rows.rows) == ["real", "generated"]
    assert all(x.dtype == np.uint8 and x.shape == (24, 8, 8, 3) for x in rows.rows.values())
    assert isinstance(film, EpisodeFrames) and film.rows["generated"].shape == (3, 6 * 35, 6 * 53, 3)
    assert rows.first and film.first and not curves.first
    assert isinstance(curves, MetricCurves)
    film = make("gan wgan").learn(64).report_figures()[0]
    assert isinstance(film, EpisodeFrames) and list(film.rows) == ["real", "generated"]
    assert list(make("vae").learn(16).report_figures()[0].rows) == ["real", "drawn again", "generated"]
    assert make("gan gan", film=0).learn(16).film.frames.shape[0] == 0


def test_codes_go_there_and_back() -> None:
    for name in ("vae", "autoencoder linear"):
        agent = make(name)
        assert isinstance(agent, VAE | Autoencoder)
        samples = digits().unwrapped.samples("test")  # type: ignore[attr-defined]
        codes = agent.encode(samples.samples[:5], samples.conditions[:5])
        assert codes.shape == (5, 4)
        again = agent.decode(codes, samples.conditions[:5])
        assert np.array_equal(again, agent.reconstruct(samples.samples[:5], samples.conditions[:5]))
        assert again[0] in agent.env.single_action_space


class Pairs(OneStepTask):
    """Any conditions and samples."""

    def __init__(self, condition: Any, sample: Any, samples: Samples) -> None:
        super().__init__(2, condition, sample)
        self.given = samples

    def samples(self, split: Split) -> Samples:
        return self.given


PLANE, PICTURE = Box(-1.0, 1.0, (2,), np.float32), Box(0, 255, (8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("condition", "sample"),
    [
        (MultiDiscrete([4, 4]), Box(-1.0, 1.0, (8, 8, 3), np.float32)),
        (PICTURE, Box(-1.0, 1.0, (8, 8, 3), np.float32)),
        (Box(0.0, 1.0, (8, 8, 1), np.float32), Box(0.0, 1.0, (8, 8, 3), np.float32)),
        (gymnasium.spaces.Dict({"a": Discrete(3), "b": Box(0.0, 1.0, (2,), np.float32)}), PLANE),
    ],
)
def test_any_condition_is_read(condition: Any, sample: Any) -> None:
    """A caption, a sketch, a sketch of other channels, several things."""
    condition.seed(0), sample.seed(0)
    rows = [condition.sample() for _ in range(10)]
    made = (
        {key: np.stack([row[key] for row in rows]) for key in rows[0]} if isinstance(rows[0], dict) else np.stack(rows)
    )
    env = Pairs(condition, sample, Samples(np.stack([sample.sample() for _ in range(10)]), made, True))
    agent = GAN(env, **SMALL, reconstruction=1.0).learn(16)
    drawn = agent.predict(made, deterministic=True)[0]
    before = drawn.copy()
    assert drawn.shape == (10, *sample.shape)
    first = map_tree(lambda x: x[:1].repeat(10, 0), made)
    assert not np.allclose(before, agent.predict(first, deterministic=True)[0]), "the condition matters"


@pytest.mark.parametrize(
    ("condition", "sample", "samples", "message"),
    [
        (Discrete(1), PLANE, Samples(np.zeros((5, 3), np.float32)), r"shape \(3,\)"),
        (Discrete(1), PLANE, Samples(np.zeros((0, 2), np.float32)), "no samples"),
        (Discrete(1), PLANE, Samples(np.full((5, 2), np.nan, np.float32)), "hold nan"),
        (Discrete(1), PICTURE, Samples(np.zeros((5, 8, 8, 3), np.float32)), "float32 of shape"),
        (Discrete(3), PLANE, Samples(np.zeros((5, 2), np.float32)), "no conditions"),
        (Discrete(3), PLANE, Samples(np.zeros((5, 2), np.float32), np.zeros(4, int), True), "5 samples"),
        (Discrete(3), PLANE, Samples(np.zeros((5, 2), np.float32), np.arange(5), True), r"hold 3 \(number 3\)"),
        (Discrete(3), PLANE, Samples(np.zeros((5, 2), np.float32), np.zeros(5, int)), "are not paired"),
        (Discrete(1), Discrete(2), Samples(np.zeros(5, int)), "must be a Box of points or images"),
    ],
)
def test_odd_samples_are_refused_in_one_line(condition: Any, sample: Any, samples: Samples, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        GAN(Pairs(condition, sample, samples), **SMALL)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("gan gan", {"objective": "wgan-gp"}, "did you mean 'wgan_gp'"),
        ("gan gan", {"objective_options": {"margn": 1}}, "margn"),
        ("gan gan", {"reconstruction": 1.0}, "this task has none"),
        ("gan gan", {"augmentation": 1}, "augmentation shifts images"),
        ("gan gan", {"adversarial": 0.0}, "there is no loss"),
        ("gan ebgan", {"one_stage": True}, "one_stage: true is not for ebgan"),
        ("gan reconstruction", {"one_stage": True}, "adversarial is 0 and must be above 0"),
        ("gan gan", {"network": "convolutions"}, "needs images"),
        ("gan gan", {"network": "mpl"}, "did you mean 'mlp'"),
        ("gan gan", {"code_size": 0}, "code_size is 0"),
        ("gan gan", {"hidden_sise": 8}, "did you mean 'hidden_size'"),
        ("vae gaussian", {"likelihood": "bernoulli"}, "is only for images"),
        ("vae", {"likelihood": "gausian"}, "did you mean 'gaussian'"),
        ("vae", {"beta": -1.0}, "beta is -1"),
        ("autoencoder", {"learning_rate": 0.0}, "learning_rate is 0"),
    ],
)
def test_bad_options_are_one_line(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        make(name, **options)
    assert "\n" not in str(caught.value)


def test_other_environments_and_observations_are_refused() -> None:
    with pytest.raises(UserError, match="must be a Box of points or images"):
        GAN("CartPole-v1", **SMALL)
    with pytest.raises(UserError, match=r"gan needs an environment with samples.*allowed: lhy_rl/Ring-v0"):
        GAN("Pendulum-v1", **SMALL)
    agent = make("vae")
    with pytest.raises(UserError, match=r"array\(\[ 3, 12\]\); wanted: whole numbers from 0 to 9"):
        agent.predict(np.array([3, 12]))
    with pytest.raises(UserError, match="shape"):
        VAE(digits(), **SMALL).encode(np.zeros((2, 5, 5, 1), np.float32), np.zeros(2, int))


def test_the_page_begins_with_the_pictures(tmp_path: Path) -> None:
    agent = make("gan pictures").learn(64)
    (tmp_path / "plots").mkdir()
    agent_figures.draw(agent.report_figures(), tmp_path / "plots", tmp_path / "metrics.csv")
    entries = agent_figures.drawn(tmp_path / "plots")
    assert [entry["first"] for entry in entries][:2] == [True, True]
