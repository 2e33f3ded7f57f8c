"""Whoever listens to a network is told: every hook fires, and training gives the same numbers."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lhy_rl.agents import A2C, BC, PPO
from lhy_rl.nn.acceleration.numpy_actor import fast_actor
from lhy_rl.nn.policies.actor_critic import ActorCritic
from tests.agents.small_envs import Parrot

SMALL = {"embedding_size": 6, "hidden_size": 5}
PLAYED = {"n_steps": 16, "num_envs": 2, "batch_size": 16, "n_epochs": 2, **SMALL}
CLONE = {"demonstrations": "cartpole-expert", "trajectories": 2, "gradient_steps": 4, **SMALL}
CASES: dict[str, tuple[Any, Any, dict[str, Any], int]] = {
    "ppo": (PPO, "CartPole-v1", PLAYED, 64),
    "ppo continuous": (PPO, "Pendulum-v1", PLAYED, 64),
    "ppo tokens": (PPO, lambda: Parrot("multi"), PLAYED, 64),
    "ppo images": (PPO, lambda: Parrot("image"), PLAYED, 64),
    "ppo dict": (PPO, lambda: Parrot("dict"), PLAYED, 64),
    "ppo rnn": (PPO, "CartPole-v1", {**PLAYED, "core": "rnn"}, 96),
    "ppo gru": (PPO, "CartPole-v1", {**PLAYED, "core": "gru", "num_layers": 2}, 96),
    "ppo lstm": (PPO, "CartPole-v1", {**PLAYED, "core": "lstm", "num_layers": 2}, 96),
    "a2c": (A2C, "CartPole-v1", {"n_steps": 5, "num_envs": 2, **SMALL}, 60),
    "bc": (BC, "CartPole-v1", CLONE, 512),
    "bc lstm": (BC, "CartPole-v1", {**CLONE, "core": "lstm"}, 512),
}


@pytest.fixture(params=CASES)
def case(request: Any) -> Any:
    return CASES[request.param]


def make(case: Any) -> Any:
    kind, env, options, _ = case
    return kind(env, seed=1, **options)


def weights(agent: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in agent.policy.parameters()])


def called(policy: ActorCritic) -> dict[str, nn.Module]:
    """The modules that do something themselves: those with parameters of their own, and the policy."""
    modules = {name: m for name, m in policy.named_modules() if next(m.parameters(recurse=False), None) is not None}
    return {"": policy, **{name: m for name, m in modules.items() if m is not policy.actor}}


def test_every_hook_fires_and_nothing_else_changes(case: Any) -> None:
    plain, heard = make(case), make(case)
    forward: Counter[str] = Counter()
    grads: dict[str, torch.Tensor] = {}
    backward: Counter[str] = Counter()
    for name, module in called(heard.policy).items():
        module.register_forward_hook(lambda *_, name=name: forward.update([name]))
        if name and not isinstance(module, nn.Embedding | nn.RNNBase):
            module.register_full_backward_hook(lambda *_, name=name: backward.update([name]))
    for name, parameter in heard.policy.named_parameters():
        parameter.register_hook(lambda grad, name=name: grads.__setitem__(name, grad.clone()))
    plain.learn(case[3]), heard.learn(case[3])
    torch.testing.assert_close(weights(heard), weights(plain), atol=2e-4, rtol=2e-3)
    unheard = {""} if isinstance(heard, BC) else set()  # which asks the policy's parts, not the policy
    assert set(called(heard.policy)) - unheard <= set(forward), forward
    assert backward and all(n > 0 for n in backward.values())
    trained = {name for name, _ in heard.policy.named_parameters()}
    assert set(grads) == trained - ({"actor.log_std"} if isinstance(heard, BC) else set())


def test_a_gradient_that_is_heard_is_the_one_that_moved_the_weights() -> None:
    agent = A2C("CartPole-v1", n_steps=5, num_envs=2, max_grad_norm=1e9, **SMALL)
    heard = {}
    for name, parameter in agent.policy.named_parameters():
        parameter.register_post_accumulate_grad_hook(lambda p, name=name: heard.__setitem__(name, p.grad.clone()))
    agent.learn(10)
    for name, parameter in agent.policy.named_parameters():
        torch.testing.assert_close(heard[name], parameter.grad)
    assert any(grad.abs().sum() > 0 for grad in heard.values())


def test_the_gradient_of_a_step_stands_at_the_parameters_also_by_hand() -> None:
    agent = A2C("CartPole-v1", n_steps=5, num_envs=2, max_grad_norm=0.5, **SMALL).learn(10)
    assert agent.manual is not None
    norm = torch.cat([p.grad.flatten() for p in agent.policy.parameters()]).norm()
    assert 0 < float(norm) < 0.5001


def test_who_listens_later_is_heard_and_who_leaves_is_forgotten() -> None:
    agent = PPO("CartPole-v1", **PLAYED).learn(32)
    fired: list[int] = []
    assert agent.manual is not None and fast_actor(agent.policy) is not None
    handle = agent.policy.trunk.encoder.layers[0].register_forward_hook(lambda *_: fired.append(1))
    assert fast_actor(agent.policy) is None
    agent.learn(32)
    assert len(fired) > 16 and agent.manual is None
    handle.remove()
    count = len(fired)
    agent.learn(32)
    assert len(fired) == count and agent.manual is not None and fast_actor(agent.policy) is not None


def test_a_hook_that_changes_what_a_layer_says_is_obeyed() -> None:
    agent = PPO("CartPole-v1", **PLAYED)
    agent.policy.actor.output.register_forward_hook(lambda module, args, said: said + torch.tensor([0.0, 1e4]))
    agent.learn(32)
    actions = [agent.predict(np.ones((8, 4), np.float32))[0] for _ in range(4)]
    assert np.all(actions)
    assert agent.collector.collect(8).actions.min() == 1


def test_wandb_watches(tmp_path: Any, monkeypatch: Any) -> None:
    wandb = pytest.importorskip("wandb")
    from wandb.integration.sb3 import WandbCallback

    monkeypatch.setenv("WANDB_SILENT", "true")
    run = wandb.init(project="test", dir=str(tmp_path), mode="offline")
    logged: set[str] = set()
    try:
        log = run._log

        def listen(data: Any, *args: Any, **options: Any) -> Any:
            logged.update(data)
            return log(data, *args, **options)

        monkeypatch.setattr(run, "_log", listen)
        agent = PPO("CartPole-v1", **PLAYED)
        agent.learn(64, callback=WandbCallback(gradient_save_freq=1, log="all"))
        run.log({"end": 1})
    finally:
        run.unwatch()
        run.finish()
    for name, _ in agent.policy.named_parameters():
        assert f"gradients/{name}" in logged and f"parameters/{name}" in logged
