"""Experts of Stable-Baselines3: the same predictions, and nothing that a file brings is executed."""

from __future__ import annotations

import base64
import json
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete

from lhy_rl.core.errors import UserError

pytest.importorskip("stable_baselines3", reason="the extra sb3 is not installed")

from stable_baselines3 import A2C, DQN, PPO, SAC, TD3
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from lhy_rl.interop.sb3 import load_expert, save_statistics


class Seen(gymnasium.Env[Any, Any]):
    """Episodes of five steps with any observation."""

    action_space = Discrete(3)

    def __init__(self, space: gymnasium.Space[Any]) -> None:
        self.observation_space = space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        self.t += 1
        return self.observation_space.sample(), 1.0, self.t == 5, False, {}


IMAGE, VECTOR = Box(0, 255, (36, 36, 3), np.uint8), Box(-1, 1, (4,))
SHORT: dict[str, Any] = {"n_steps": 16, "batch_size": 16, "n_epochs": 1}
BUFFER: dict[str, Any] = {"buffer_size": 100, "learning_starts": 5}


def own(space: gymnasium.Space[Any]) -> Any:
    return lambda: Seen(space)


def id_of(name: str) -> Any:
    return lambda: gymnasium.make(name)


CASES: dict[str, tuple[Any, str, Any, dict[str, Any]]] = {
    "ppo": (PPO, "MlpPolicy", id_of("CartPole-v1"), SHORT),
    "ppo, layers": (
        PPO, "MlpPolicy", id_of("CartPole-v1"), SHORT | {"policy_kwargs": {"net_arch": {"pi": [8], "vf": [4]}}}
    ),
    "ppo, relu": (
        PPO, "MlpPolicy", id_of("CartPole-v1"),
        SHORT | {"policy_kwargs": {"net_arch": [9], "activation_fn": torch.nn.ReLU}},
    ),
    "ppo, box": (PPO, "MlpPolicy", id_of("Pendulum-v1"), SHORT),
    "ppo, sde": (PPO, "MlpPolicy", id_of("Pendulum-v1"), SHORT | {"use_sde": True}),
    "ppo, tokens": (PPO, "MlpPolicy", own(Discrete(5)), SHORT),
    "ppo, images": (PPO, "CnnPolicy", own(IMAGE), SHORT),
    "ppo, dict": (PPO, "MultiInputPolicy", own(Dict({"image": IMAGE, "vector": VECTOR})), SHORT),
    "a2c": (A2C, "MlpPolicy", id_of("CartPole-v1"), {}),
    "dqn": (DQN, "MlpPolicy", id_of("CartPole-v1"), BUFFER),
    "sac": (SAC, "MlpPolicy", id_of("Pendulum-v1"), BUFFER | {"policy_kwargs": {"net_arch": [16]}}),
    "td3": (TD3, "MlpPolicy", id_of("Pendulum-v1"), BUFFER | {"policy_kwargs": {"net_arch": [16]}}),
}  # fmt: skip


def trained(name: str) -> tuple[Any, Any]:
    """A model and its environment."""
    kind, policy, make, options = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a buffer smaller than an episode, and so on
        return kind(policy, make(), seed=0, device="cpu", **options).learn(32), make()


def batch(space: gymnasium.Space[Any], n: int = 6) -> Any:
    space.seed(1)
    drawn = [space.sample() for _ in range(n)]
    if isinstance(space, Dict):
        return {key: np.stack([one[key] for one in drawn]) for key in space.spaces}
    return np.stack(drawn)


@pytest.mark.parametrize("name", CASES)
def test_the_predictions_are_the_models(name: str, tmp_path: Path) -> None:
    model, env = trained(name)
    model.save(tmp_path / "model")
    obs = batch(env.observation_space)
    expected, _ = model.policy.predict(obs, deterministic=True)
    for expert in (load_expert(tmp_path / "model", env, device="cpu"), load_expert(model), load_expert(model, env)):
        actions, state = expert.predict(obs, deterministic=True)
        np.testing.assert_array_equal(actions, expected)
        assert state is None
        assert expert.action_space == env.action_space
        one, _ = expert.predict(env.observation_space.sample())
        assert one in env.action_space


def test_the_draws_have_an_owner(tmp_path: Path) -> None:
    model, env = trained("ppo, box")
    model.save(tmp_path / "model.zip")
    obs = batch(env.observation_space)
    before = torch.get_rng_state()
    first, second = (load_expert(tmp_path / "model.zip", env, seed=3) for _ in range(2))
    for _ in range(3):
        np.testing.assert_array_equal(first.predict(obs)[0], second.predict(obs)[0])
    assert not np.array_equal(first.predict(obs)[0], load_expert(model, seed=4).predict(obs)[0])
    assert torch.equal(before, torch.get_rng_state())


def test_recurrent_experts_remember(tmp_path: Path) -> None:
    contrib = pytest.importorskip("sb3_contrib")
    model = contrib.RecurrentPPO("MlpLstmPolicy", "CartPole-v1", seed=0, device="cpu", n_steps=16, batch_size=16)
    model.learn(32).save(tmp_path / "model")
    expert = load_expert(tmp_path / "model", "CartPole-v1", device="cpu")
    states, start = [None, None], np.ones(6, bool)
    for t in range(5):
        obs = batch(model.observation_space) * t
        a, states[0] = model.predict(obs, states[0], start, deterministic=True)
        b, states[1] = expert.predict(obs, states[1], start, deterministic=True)
        np.testing.assert_array_equal(a, b)
        start = np.arange(6) == t
    np.testing.assert_allclose(states[0], states[1])
    assert np.abs(states[1][0]).max() > 0


def test_it_plays_where_it_was_trained(tmp_path: Path) -> None:
    """SB3's own evaluation takes it, in Gymnasium's vector environments it is batched."""
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=256, seed=0, device="cpu").learn(512)
    model.save(tmp_path / "model")
    expert = load_expert(tmp_path / "model", "CartPole-v1")
    scores = []
    for judged in (expert, model):
        env = gymnasium.make("CartPole-v1")
        env.reset(seed=0)
        scores.append(evaluate_policy(judged, env, n_eval_episodes=5, warn=False))  # type: ignore[arg-type]
    assert scores[0] == scores[1]
    envs = gymnasium.make_vec("CartPole-v1", num_envs=3)
    obs, _ = envs.reset(seed=0)
    actions, _ = load_expert(tmp_path / "model", envs).predict(obs)
    assert actions in envs.action_space


def test_statistics_normalise_what_the_expert_sees(tmp_path: Path) -> None:
    venv = VecNormalize(DummyVecEnv([lambda: gymnasium.make("Pendulum-v1")]))
    model = PPO("MlpPolicy", venv, seed=0, device="cpu", **SHORT).learn(64)
    model.save(tmp_path / "model")
    obs = batch(venv.observation_space)
    expected, _ = model.predict(venv.normalize_obs(obs), deterministic=True)
    bare, _ = model.predict(obs, deterministic=True)
    assert not np.array_equal(expected, bare)
    save_statistics(venv, tmp_path / "statistics.zip")
    for expert in (
        load_expert(model),
        load_expert(tmp_path / "model", "Pendulum-v1", statistics=venv),
        load_expert(tmp_path / "model", "Pendulum-v1", statistics=tmp_path / "statistics.zip"),
    ):
        np.testing.assert_allclose(expert.predict(obs, deterministic=True)[0], expected, rtol=1e-6)
    venv.save(str(tmp_path / "statistics.pkl"))
    with pytest.raises(UserError, match=r"is a pickle, which could run any code.*save_statistics"):
        load_expert(tmp_path / "model", "Pendulum-v1", statistics=tmp_path / "statistics.pkl")
    with pytest.raises(UserError, match="is a model of Stable-Baselines3"):
        load_expert(tmp_path / "model", "Pendulum-v1", statistics=tmp_path / "model.zip")


class Trap:
    """What a malicious file holds: unpickling it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.write_text, (self.path, "executed")


def rewritten(source: Path, target: Path, **members: bytes) -> Path:
    """A copy of a zip with other members."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, members.get(name.replace(".", "_"), old.read(name)))
    return target


def test_what_a_file_brings_is_never_executed(tmp_path: Path) -> None:
    model, env = trained("ppo, relu")
    model.save(tmp_path / "good.zip")
    mark = tmp_path / "mark"
    with zipfile.ZipFile(tmp_path / "good.zip") as file:
        data = json.loads(file.read("data"))
    payload = base64.b64encode(pickle.dumps(Trap(mark))).decode()
    for value in data.values():
        if isinstance(value, dict) and ":serialized:" in value:
            value[":serialized:"] = payload
    bad = rewritten(tmp_path / "good.zip", tmp_path / "bad.zip", data=json.dumps(data).encode())
    obs = batch(env.observation_space)
    expert = load_expert(bad, env)
    np.testing.assert_array_equal(expert.predict(obs, deterministic=True)[0], model.predict(obs, deterministic=True)[0])
    assert not mark.exists()
    with pytest.raises(Exception):  # noqa: B017  (the trap is a trap: SB3 falls into it)
        PPO.load(bad)
    assert mark.exists()

    mark.unlink()
    torch.save(Trap(mark), tmp_path / "weights")
    worse = rewritten(tmp_path / "good.zip", tmp_path / "worse.zip", policy_pth=(tmp_path / "weights").read_bytes())
    with pytest.raises(UserError, match="is damaged, or not a model of Stable-Baselines3"):
        load_expert(worse, env)
    assert not mark.exists()


def test_what_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    model, env = trained("ppo, relu")
    good = tmp_path / "good.zip"
    model.save(good)
    content = good.read_bytes()
    with zipfile.ZipFile(good) as file:
        data = json.loads(file.read("data"))
    (tmp_path / "text.zip").write_text("not a zip")
    (tmp_path / "half.zip").write_bytes(content[: len(content) // 2])
    flipped = bytearray(content)
    flipped[content.index(b"policy_class") + 40] ^= 1
    (tmp_path / "flipped.zip").write_bytes(flipped)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("hello", "world")
    rewritten(good, tmp_path / "list.zip", data=b"[]")
    rewritten(good, tmp_path / "json.zip", data=b"{")
    strange = {**data, "policy_class": {**data["policy_class"], "__module__": "their.module"}}
    rewritten(good, tmp_path / "strange.zip", data=json.dumps(strange).encode())
    pickled = {**data, "policy_kwargs": {":type:": "", ":serialized:": "", "features_extractor_class": "<class 'x.Y'>"}}
    rewritten(good, tmp_path / "pickled.zip", data=json.dumps(pickled).encode())
    cases = [
        ((tmp_path / "none.zip", env), "cannot read .*No such file"),
        ((tmp_path, env), "cannot read"),
        ((tmp_path / "text.zip", env), "is not a zip of Stable-Baselines3, or damaged"),
        ((tmp_path / "half.zip", env), "not a model of Stable-Baselines3, or damaged"),
        ((tmp_path / "flipped.zip", env), "damaged"),
        ((tmp_path / "other.zip", env), "lacks data or policy.pth: not a model of Stable-Baselines3"),
        ((tmp_path / "list.zip", env), "its data is not a dict"),
        ((tmp_path / "json.zip", env), "is damaged"),
        ((tmp_path / "strange.zip", env), "is from 'their.module' and cannot be built from plain text; allowed: PPO"),
        ((tmp_path / "pickled.zip", env), "features_extractor_class of .* is pickled .*give the model's policy_kwargs"),
        ((good, None), "needs env"),
        ((good, "CartPoll-v1"), "unknown environment 'CartPoll-v1'"),
        ((good, 3), "3 has no spaces"),
        ((good, "Pendulum-v1"), r"observation_space Box of shape \(4,\), not Box"),
        ((good, (VECTOR, Discrete(3))), r"action_space Discrete\(2\) of shape \(\), not Discrete\(3\)"),
        ((good, (Discrete(4), Discrete(2))), r"observation_space Box of shape \(4,\), not Discrete\(4\)"),
        ((model, "Pendulum-v1"), "the expert's spaces are Box"),
        ((3, env), "int is not an expert"),
    ]
    for (source, where), message in cases:
        with pytest.raises(UserError, match=message) as error:
            load_expert(source, where)
        assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"does not fit .* with policy_kwargs .*net_arch.*size mismatch"):
        load_expert(good, env, policy_kwargs={"net_arch": [10]})
    right = {"net_arch": [9], "activation_fn": torch.nn.ReLU}
    obs = batch(env.observation_space)
    expert = load_expert(tmp_path / "pickled.zip", env, policy_kwargs=right)
    np.testing.assert_array_equal(expert.predict(obs, deterministic=True)[0], model.predict(obs, deterministic=True)[0])


def test_agents_of_our_own_are_told_apart(tmp_path: Path) -> None:
    from lhy_rl import agents

    agents.PPO("CartPole-v1", num_envs=2).save(tmp_path / "ours.zip")
    with pytest.raises(UserError, match=r"is an agent of lhy_rl; lhy_rl\.load reads it"):
        load_expert(tmp_path / "ours.zip", "CartPole-v1")


@pytest.mark.parametrize("key", ["policy_class", "observation_space", "action_space", "policy_kwargs"])
@pytest.mark.parametrize("odd", [None, "x", 3, [], {"__module__": []}, {":type:": 3, "_shape": 3, "n": []}])
def test_contract_a_zip_that_says_odd_things_of_itself(key: str, odd: Any, tmp_path: Path) -> None:
    """It is refused in one line, or needs not what it says there."""
    PPO("MlpPolicy", "CartPole-v1", device="cpu", **SHORT).save(tmp_path / "whole.zip")
    with zipfile.ZipFile(tmp_path / "whole.zip") as file, zipfile.ZipFile(tmp_path / "odd.zip", "w") as other:
        for name in file.namelist():
            content = file.read(name)
            other.writestr(name, json.dumps({**json.loads(content), key: odd}) if name == "data" else content)
    try:
        load_expert(tmp_path / "odd.zip", "CartPole-v1")
    except UserError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said
    assert said or key != "policy_class"
