"""Every agent on a device that is none but keeps a GPU's rules, and which device ``auto`` is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lhy_rl.agents import A2C, BC, PPO, SeqGAN, agents
from lhy_rl.agents.common import agent as agent_module
from lhy_rl.nn import device as device_module
from lhy_rl.nn.randomness import OwnRandomness
from tests.agents.common.test_contract_randomness import CASES as SMALL
from tests.agents.common.test_contract_randomness import PLAYED, SHOWN, TINY
from tests.agents.fake_device import DEVICE, fake_device
from tests.agents.small_envs import Parrot
from tests.agents.tiny import make_env

CASES = {
    **{name: case for name, case in SMALL.items() if "tables" not in name},
    "bc gru": ("bc", "CartPole-v1", {**SHOWN, **TINY, "core": "gru", "gradient_steps": 1}, 64),
    "bc lstm continuous": ("bc", "Pendulum-v1", {"demonstrations": "pendulum-expert", **TINY, "core": "lstm"}, 400),
    "dagger gru": (
        "dagger",
        "CartPole-v1",
        {**PLAYED, **SHOWN, "trajectories": 1, "core": "gru", "gradient_steps": 1, "first_gradient_steps": 1},
        48,
    ),
    "reinforce multi": ("reinforce", lambda: Parrot("multi"), {"num_envs": 2, **TINY, "core": None}, 32),
    "gan wgan_gp": ("gan", "lhy_rl/Ring-v0", {"objective": "wgan_gp", "batch_size": 8, "gradient_steps": 2}, 32),
    "a2c lstm": ("a2c", "CartPole-v1", {**PLAYED, "core": "lstm"}, 48),
}


def test_the_device_keeps_the_rules() -> None:
    with fake_device() as name:
        there, here = torch.arange(3.0, device=name), torch.ones(3)
        for forbidden in (
            lambda: there + here,
            lambda: torch.where(there > 0, here, there),
            lambda: here[there.long()],
            lambda: (here > 0) & (there > 0),
            lambda: there.index_select(0, here.long()),
            lambda: there.numpy(),
            lambda: torch.rand(2, generator=torch.Generator(), device=name),
        ):
            with pytest.raises((RuntimeError, TypeError)):
                forbidden()
        assert there[here.long()].tolist() == [1.0, 1.0, 1.0]
        assert (2 * there + torch.tensor(1.0)).cpu().numpy().tolist() == [1.0, 3.0, 5.0]
        assert there.copy_(here).device == there.new_zeros(2).device == here.to(there).device == DEVICE


@pytest.mark.parametrize("name", CASES)
def test_every_agent_learns_predicts_saves_and_loads_on_a_device(name: str, tmp_path: Any) -> None:
    kind, env, given, steps = CASES[name]
    with fake_device() as device:
        agent = agents.get(kind)(env() if callable(env) else env, device=device, seed=3, **given)
        agent.learn(min(steps, 32))
        assert {p.device for p in agent.policy.parameters()} == {DEVICE}
        obs = agent.env.observation_space.sample()
        agent.predict(obs)
        action, _ = agent.predict(obs, deterministic=True)
        assert isinstance(action, np.ndarray)
        agent.save(tmp_path / "agent.zip")
        loaded = type(agent).load(tmp_path / "agent.zip", agent.env, device=device)
        np.testing.assert_array_equal(loaded.predict(obs, deterministic=True)[0], action)
        if kind not in ("bc", "distill"):  # whose files have no demonstrations and no teacher
            loaded.learn(16)
        there = type(agent).load(tmp_path / "agent.zip", agent.env, device="cpu")
        np.testing.assert_allclose(there.predict(obs, deterministic=True)[0], action, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda **o: PPO("CartPole-v1", **o), "cpu"),
        (lambda **o: PPO("CartPole-v1", core="lstm", hidden_size=64, **o), "cpu"),
        (lambda **o: BC("Pendulum-v1", **o), "cpu"),
        (lambda **o: PPO("CartPole-v1", hidden_sizes=[64, 512], **o), "hpu"),
        (lambda **o: A2C("CartPole-v1", core="gru", hidden_size=512, **o), "hpu"),
        (lambda **o: PPO(lambda: Parrot("image"), **o), "hpu"),
        (lambda **o: SeqGAN(make_env(2, train_size=16, validation_size=8), rollouts=1, **o), "hpu"),
    ],
)
def test_auto_is_a_gpu_where_the_networks_are_large(make: Any, expected: str, monkeypatch: Any) -> None:
    usual = device_module.choose_device
    for module in (device_module, agent_module):
        monkeypatch.setattr(module, "choose_device", lambda name, large=True: _with_a_gpu(usual, name, large))
    with fake_device():
        agent = make()
        assert agent.device.type == agent.policy.device.type == expected
        assert make(device="cpu").device.type == "cpu"


def _with_a_gpu(usual: Any, name: str, large: bool) -> torch.device:
    """What is chosen where there is a GPU, which is ours that is none."""
    if name != "auto":
        return usual(name, large)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        found = usual(name, large)
    return DEVICE if found.type == "cuda" else found


def test_the_generator_of_the_device_is_borrowed_and_no_other(monkeypatch: Any) -> None:
    """``cuda:1`` is seeded and given back; GPU 0, the current one, is not touched."""
    states, current = {0: torch.zeros(1), 1: torch.zeros(1)}, [0]

    class On:
        def __init__(self, device: torch.device) -> None:
            self.device = device

        def __enter__(self) -> None:
            self.before, current[0] = current[0], self.device.index

        def __exit__(self, *_: Any) -> None:
            current[0] = self.before

    monkeypatch.setattr(torch.cuda, "device", On)
    monkeypatch.setattr(torch.cuda, "manual_seed", lambda seed: states.__setitem__(current[0], torch.full((1,), 7.0)))
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: states[device.index].clone())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: states.__setitem__(device.index, state))
    with OwnRandomness(7, torch.device("cuda", 1)):
        assert states[1].item() == 7 and states[0].item() == 0
    assert states[1].item() == 0 and states[0].item() == 0
