"""Domain transfer: resume and files bit for bit, what a report gets, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

import lhy_rl
from lhy_rl.agents import DomainTransfer
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.core.report_figures import PictureRows
from lhy_rl.rollouts.vector_envs import make_vec

SMALL: dict[str, Any] = {
    "feature_steps": 6, "gradient_steps": 2, "batch_size": 8, "generator_width": 4, "encoder_width": 4,
    "feature_size": 8, "seed": 3,
}  # fmt: skip


def small(task: str = "Glyph", **options: Any) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
    return make_vec(f"lhy_rl/{task}Transfer-v0", 2, photographs=80, **options)


def tensors(tree: Any, path: str = "") -> dict[str, torch.Tensor]:
    if isinstance(tree, torch.Tensor):
        return {path: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list | tuple) else ()
    return {k: v for key, value in items for k, v in tensors(value, f"{path}/{key}").items()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"features": "autoencoder", "spatial_transformer": True},
        {"adversarial": 0.0, "variation": 0.5},
        {"constancy": 0.0, "identity": 0.0},
    ],
)
def test_resuming_at_any_update_is_bit_for_bit(options: dict[str, Any], tmp_path: Path) -> None:
    """Also in the middle of the features."""
    whole, rows = DomainTransfer(small(), **{**SMALL, **options}), []
    whole.learn(64, callback=lambda agent, metrics: rows.append(metrics))
    for stop in (1, 5):
        half = DomainTransfer(small(), **{**SMALL, **options})
        half.learn(64, callback=lambda agent, metrics, stop=stop: agent.num_updates < stop)
        archive.write(tmp_path / "half.zip", half.state_dict())
        resumed = DomainTransfer(small(), **{**SMALL, **options, "seed": 8})
        resumed.load_state_dict(archive.read(tmp_path / "half.zip"))
        resumed.learn(64 - resumed.num_timesteps, reset_num_timesteps=False)
        ours, theirs = tensors(whole.state_dict()), tensors(resumed.state_dict())
        assert ours.keys() == theirs.keys()
        for place in ours:
            assert torch.equal(ours[place], theirs[place]), place
    assert len(rows) == 7 and "train/feature_loss" in rows[2] and "train/constancy" in rows[3]
    assert ("train/generator_loss" in rows[-1]) == bool(whole.weights[0])
    assert all(np.isfinite(value) for row in rows for value in row.values())


def test_a_file_translates_without_its_environment(tmp_path: Path) -> None:
    agent = DomainTransfer(small(), **SMALL).learn(32)
    agent.save(tmp_path / "agent.zip")
    before = torch.get_rng_state()
    alone = lhy_rl.load(tmp_path / "agent.zip")
    assert torch.equal(torch.get_rng_state(), before)
    obs = agent.env.reset(seed=0)[0]
    drawn, state = alone.predict(obs)
    assert drawn.shape == obs.shape and drawn.dtype == np.float32 and state == () and np.abs(drawn).max() <= 1
    assert np.array_equal(drawn, agent.predict(obs, deterministic=True)[0])
    assert np.array_equal(alone.predict(obs[0])[0], agent.predict(obs[0])[0])
    with pytest.raises(UserError, match="give one"):
        alone.update()
    alone.set_env(small())
    assert alone.learn(16).num_timesteps == 16


def test_features_stay_as_they_are_while_it_learns_to_draw() -> None:
    agent = DomainTransfer(small(), **SMALL)
    agent.learn(64, callback=lambda agent, metrics: agent.feature_learner.unfinished)
    before = {name: x.clone() for name, x in agent.policy.trunk.state_dict().items()}
    drawer = agent.policy.actor.output.weight.clone()
    agent.learn(64)
    assert all(torch.equal(x, agent.policy.trunk.state_dict()[name]) for name, x in before.items())
    assert not torch.equal(drawer, agent.policy.actor.output.weight)


def test_the_report_shows_what_is_drawn() -> None:
    agent = DomainTransfer(small(), **SMALL)
    (figure,) = agent.report_figures()
    assert isinstance(figure, PictureRows) and list(figure.rows) == ["photograph", "drawing", "nearest real"]
    assert all(x.dtype == np.uint8 and x.shape == (10, 16, 16, 3) for x in figure.rows.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "clasification"}, "did you mean 'classification'"),
        ({"constancy": -1.0}, "constancy is -1"),
        ({"adversarial": float("nan")}, "adversarial"),
        ({"learning_rate": 0.0}, "learning_rate is 0"),
        ({"generator_width": 1}, "width is 1"),
        ({"feature_size": 0}, "feature_size is 0"),
        ({"batch_size": 1}, "batch_size is 1"),
        ({"hidden_size": 8}, "unknown option"),
    ],
)
def test_bad_options_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        DomainTransfer(small(), **{**SMALL, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("env", ["CartPole-v1", "lhy_rl/PointMassPixels-v0"])
def test_other_environments_are_refused(env: str) -> None:
    with pytest.raises(UserError, match=r"observations are .*allowed: Box") as caught:
        DomainTransfer(env, **SMALL)
    assert "\n" not in str(caught.value)
