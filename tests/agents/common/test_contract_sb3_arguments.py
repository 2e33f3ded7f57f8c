"""What one writes to Stable-Baselines3 means the same here, or is refused in a line that says what to write."""

from __future__ import annotations

import inspect
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

import lhy_rl  # noqa: F401  (registers)
from lhy_rl.agents import A2C, BC, GAIL, MLE, PPO, MaxEntIRL, Reinforce, agents
from lhy_rl.core.errors import UserError

SMALL: dict[str, Any] = {"n_steps": 16, "num_envs": 2}


def options_equal(one: Any, other: Any) -> None:
    assert str(one.policy) == str(other.policy)
    for a, b in zip(one.policy.parameters(), other.policy.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"ent_coef": 0.01, "vf_coef": 0.25}, {"entropy_coef": 0.01, "value_coef": 0.25}),
        ({"policy_kwargs": {"net_arch": [32, 32]}}, {"hidden_sizes": [32, 32]}),
        ({"policy_kwargs": {"net_arch": [48, 16]}}, {"hidden_sizes": [48, 16]}),
        ({"policy_kwargs": {"net_arch": {"pi": [16], "vf": [16]}}}, {"hidden_sizes": [16]}),
        ({"policy_kwargs": {"net_arch": []}}, {"encoder_layers": 0}),
        ({"policy_kwargs": {"activation_fn": torch.nn.ReLU}}, {"activation": "relu"}),
        ({"policy_kwargs": {"log_std_init": -1.0, "ortho_init": False}}, {"log_std_init": -1.0, "orthogonal": False}),
        ({"policy_kwargs": {"optimizer_kwargs": {"eps": 1e-7}}}, {"adam_epsilon": 1e-7}),
        ({"policy_kwargs": None, "verbose": 0, "tensorboard_log": None, "use_sde": False, "sde_sample_freq": -1}, {}),
        ({"clip_range_vf": None, "rollout_buffer_class": None, "stats_window_size": 100, "device": "cpu"}, {}),
    ],
    ids=str,
)
def test_words_are_translated(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    one, other = PPO("MlpPolicy", "Pendulum-v1", **theirs, **SMALL), PPO("Pendulum-v1", **ours, **SMALL)
    options_equal(one, other)
    assert one.hyperparameters | {"device": "auto"} == other.hyperparameters | {"device": "auto"}
    options_equal(one.learn(64), other.learn(64))


def test_policies_and_places() -> None:
    options_equal(PPO("MlpLstmPolicy", "CartPole-v1", **SMALL), PPO("CartPole-v1", core="lstm", **SMALL))
    lstm = PPO("MlpLstmPolicy", "CartPole-v1", policy_kwargs={"lstm_hidden_size": 8, "n_lstm_layers": 2}, **SMALL)
    options_equal(lstm, PPO("CartPole-v1", core="lstm", hidden_size=8, num_layers=2, **SMALL))
    for made in (
        PPO(policy="MlpPolicy", env="CartPole-v1", **SMALL),
        PPO("MlpPolicy", env="CartPole-v1", **SMALL),
        PPO(env="CartPole-v1", **SMALL),
    ):
        options_equal(made, PPO("CartPole-v1", **SMALL))
    images = gymnasium.make_vec("lhy_rl/Catch-v0", num_envs=2)
    options_equal(A2C("MlpPolicy", images, encoder="mlp"), A2C(images, encoder="mlp"))
    with pytest.raises(UserError, match="are images; write 'CnnPolicy', or encoder='mlp' to flatten"):
        A2C("MlpPolicy", images)
    assert type(BC("MlpPolicy", "CartPole-v1", verbose=0)) is BC


def test_a_seed_of_none_is_drawn() -> None:
    first, second = (PPO("MlpPolicy", "CartPole-v1", seed=None, **SMALL) for _ in range(2))
    assert first.seed != second.seed and first.hyperparameters["seed"] == first.seed
    options_equal(first, PPO("CartPole-v1", seed=first.seed, **SMALL))


@pytest.mark.parametrize(
    ("kind", "options", "line"),
    [
        (PPO, {"use_sde": True}, "use_sde is True: .*leave it out"),
        (PPO, {"clip_range_vf": 0.2}, "clip_range_vf is 0.2: the critic's loss is never clipped"),
        (PPO, {"policy_kwargs": {"net_arch": {"pi": [8], "vf": [16]}}}, "pi and vf must be equal"),
        (PPO, {"policy_kwargs": {"net_arch": "big"}}, "must be a list of widths"),
        (PPO, {"policy_kwargs": {"features_extractor_class": torch.nn.Flatten}}, "give the agent encoder= instead"),
        (PPO, {"policy_kwargs": {"activation_fn": torch.nn.Linear}}, "unknown activation_fn 'Linear'"),
        (PPO, {"policy_kwargs": {"optimizer_class": torch.optim.SGD}}, "a2c always uses RMSprop, and ppo Adam"),
        (PPO, {"policy_kwargs": {"nett_arch": [8]}}, "did you mean 'net_arch'"),
        (PPO, {"policy_kwargs": [8]}, "must be a dict"),
        (PPO, {"ent_coef": 0.1, "entropy_coef": 0.2}, "entropy_coef is given twice"),
        (PPO, {"policy_kwargs": {"net_arch": [8]}, "hidden_sizes": [4]}, "hidden_sizes is given twice"),
        (PPO, {"gama": 0.9}, "did you mean 'gamma'"),
        (PPO, {"verbose": "yes"}, "verbose is 'yes'; it must be 0, or 1"),
        (Reinforce, {"learning_rate": lambda left: left}, "learning_rate is a function; Reinforce takes a number"),
        (A2C, {"use_rms_prop": False}, "a2c always uses RMSprop"),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value),  # a function's address differs from run to run
)
def test_what_is_not_here_is_said(kind: Any, options: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=line) as caught:
        kind("MlpPolicy", "CartPole-v1", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("MlpPolicy",), "give the environment, too"),
        (("CartPole-v1", "MlpPolicy"), "unknown policy 'CartPole-v1'"),
        (("MplPolicy", "CartPole-v1"), "did you mean 'MlpPolicy'"),
        ((torch.nn.Linear, "CartPole-v1"), "write its name, or encoder= and core="),
        (("CnnPolicy", "CartPole-v1"), "encoder 'cnn' reads Box spaces of three dimensions"),
        (("MultiInputPolicy", "CartPole-v1"), "encoder 'dict' reads Dict"),
    ],
    ids=str,
)
def test_policies_that_do_not_fit(given: tuple[Any, ...], line: str) -> None:
    with pytest.raises(UserError, match=line):
        PPO(*given)


def test_functions_of_the_time_that_is_left(tmp_path: Path) -> None:
    rates, clips = [], []

    def after(agent: Any, metrics: dict[str, float]) -> None:
        rates.append(metrics["train/learning_rate"])
        clips.append(metrics["train/clip_range"])

    schedules: dict[str, Any] = {"learning_rate": lambda left: 1e-3 * left**2, "clip_range": lambda left: 0.4 * left}
    agent = PPO("MlpPolicy", "CartPole-v1", **schedules)
    agent.learn(4 * 128 * 8, after)
    np.testing.assert_allclose(rates, [1e-3, 1e-3 * 0.75**2, 1e-3 * 0.25, 1e-3 / 16])
    np.testing.assert_allclose(clips, [0.4, 0.3, 0.2, 0.1])
    agent.save(tmp_path / "ppo")
    with pytest.warns(UserWarning, match="learning_rate was a function"):
        assert PPO.load(tmp_path / "ppo").learning_rate == pytest.approx(1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = PPO.load(tmp_path / "ppo", learning_rate=lambda left: 2e-3 * left, clip_range=lambda left: 0.1)
    again.learn(128 * 8, after)
    assert rates[-1] == 2e-3 and clips[-1] == 0.1
    with pytest.raises(UserError, match="must be finite, 0 or more"):
        PPO("CartPole-v1", learning_rate=lambda left: left - 0.5).learn(4096)


OF_PICTURES = {
    "domain_transfer": {"feature_size", "generator_width"},
    **{name: {"code_size", "hidden_size", "width"} for name in ("autoencoder", "gan", "vae")},
}


@pytest.mark.parametrize("name", agents.names())
def test_signatures_list_every_option(name: str) -> None:
    parameters = inspect.signature(agents.get(name)).parameters
    assert next(iter(parameters)) == "env"
    assert not any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters.values())
    of_the_policy = OF_PICTURES.get(name, {"core", "hidden_size"})
    assert {"seed", "device", "num_envs"} | of_the_policy <= set(parameters)


def test_signatures_have_the_defaults_of_the_class_itself() -> None:
    assert inspect.signature(PPO).parameters["gamma"].default == 0.99
    assert inspect.signature(PPO).parameters["batch_size"].default == 64
    assert inspect.signature(A2C).parameters["n_steps"].default == 5
    assert inspect.signature(GAIL).parameters["n_steps"].default == 32
    assert inspect.signature(MLE).parameters["num_envs"].default == 64
    assert "ppo_updates" in inspect.signature(MaxEntIRL).parameters


def test_parameters_go_from_one_agent_to_another(tmp_path: Path) -> None:
    trained, fresh = PPO("CartPole-v1", **SMALL).learn(64), PPO("CartPole-v1", seed=1, **SMALL)
    given = trained.get_parameters()
    assert set(given) == {"policy", "policy.optimizer"}
    fresh.set_parameters(given)
    options_equal(trained, fresh)
    assert len(fresh.optimizer.state_dict()["state"]) == len(trained.optimizer.state_dict()["state"]) > 0
    assert fresh.learn(64).num_timesteps == 64
    trained.save(tmp_path / "ppo.zip")
    other = PPO("CartPole-v1", seed=2, **SMALL)
    other.set_parameters(tmp_path / "ppo.zip")
    options_equal(trained, other)
    words = {"custom_objects": None, "print_system_info": False, "force_reset": True}
    options_equal(trained, PPO.load(tmp_path / "ppo.zip", **words))
    with pytest.raises(UserError, match=r"custom_objects is .*give options by name"):
        PPO.load(tmp_path / "ppo.zip", custom_objects={"learning_rate": 1.0})
    other.set_parameters({"policy": {}}, exact_match=False)
    options_equal(trained, other)
    for wrong, line in (({"policy": given["policy"]}, "lack policy.optimizer"), ({"critic": {}}, "allowed: policy")):
        with pytest.raises(UserError, match=line):
            fresh.set_parameters(wrong)
    with pytest.raises(UserError, match="do not fit"):
        PPO("Pendulum-v1", **SMALL).set_parameters(given)


def last_row(agent: Any, steps: int) -> dict[str, float]:
    """The metrics of an agent's last update."""
    row: dict[str, float] = {}
    agent.learn(steps, lambda _, metrics: row.update(metrics))
    return row


@pytest.mark.parametrize("name", ["PPO", "A2C"])
def test_metrics_have_the_names_of_stable_baselines3(name: str) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    model = {"PPO": PPO, "A2C": A2C}[name]("MlpPolicy", "Pendulum-v1", num_envs=2, n_steps=256, ent_coef=0.01)
    row = last_row(model, 1024)
    peer = getattr(sb3, name)("MlpPolicy", "Pendulum-v1", n_steps=256, device="cpu")
    peer.learn(512, log_interval=None)
    named: set[str] = set()
    peer.logger.record = lambda name, *_, **__: named.add(name)
    peer.train()
    peer.dump_logs(1)
    assert {"train/n_updates", "train/entropy_loss", "rollout/ep_rew_mean", "time/iterations"} <= named <= set(row)
    assert row["train/entropy_loss"] < 0 < row["train/std"]
    assert row["train/n_updates"] == model._n_updates == (20 if name == "PPO" else 2)


def test_the_loss_is_made_of_its_parts() -> None:
    model = PPO("Pendulum-v1", num_envs=2, n_steps=256, entropy_coef=0.01, value_coef=0.25)
    row = last_row(model, 512)
    loss = row["train/policy_gradient_loss"] + 0.25 * row["train/value_loss"] + 0.01 * row["train/entropy_loss"]
    assert row["train/loss"] == pytest.approx(loss, rel=1e-5)
    entropy = float(model.policy.actor.log_std.detach() + 0.5 * np.log(2 * np.pi * np.e))
    assert row["train/entropy_loss"] == pytest.approx(-entropy, abs=0.05)
    assert row["train/std"] == pytest.approx(float(model.policy.actor.log_std.exp()), abs=0.01)
