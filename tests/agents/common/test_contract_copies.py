"""An agent that was copied, or whose weights were exchanged, goes on learning with the weights that it acts with."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch

from lhy_rl.agents import A2C, BC, GAIL, IRL, PPO, DAgger, Distill, Reinforce
from lhy_rl.core.errors import UserError

SMALL = {"num_envs": 2, "embedding_size": 6, "hidden_size": 5}
CLONE = {"demonstrations": "cartpole-expert", "trajectories": 2, "gradient_steps": 4, **SMALL}
PLAYED = {"n_steps": 8, **SMALL}
CASES: dict[str, tuple[Any, dict[str, Any], int]] = {
    "ppo": (PPO, {**PLAYED, "n_epochs": 2}, 32),
    "ppo relu": (PPO, {**PLAYED, "activation": "relu"}, 32),
    "ppo gru": (PPO, {**PLAYED, "core": "gru"}, 32),
    "a2c": (A2C, PLAYED, 32),
    "gail": (GAIL, {**PLAYED, "demonstrations": "cartpole-expert"}, 32),
    "bc": (BC, CLONE, 512),
    "bc lstm": (BC, {**CLONE, "core": "lstm"}, 512),
    "dagger": (DAgger, {**CLONE, "n_steps": 8, "first_gradient_steps": 4}, 32),
    "distill": (Distill, {**PLAYED, "gradient_steps": 4, "teacher": PPO("CartPole-v1", **PLAYED)}, 32),
    "reinforce": (Reinforce, {**SMALL, "core": None}, 32),
    "irl": (IRL, {**SMALL, "demonstrations": "cartpole-expert", "ppo": {"n_steps": 8}}, 32),
}


@pytest.fixture(params=CASES)
def case(request: Any) -> Any:
    return CASES[request.param]


def begun(case: Any) -> Any:
    kind, options, steps = case
    return kind("CartPole-v1", seed=3, **options).learn(steps)


def further(agent: Any, case: Any) -> torch.Tensor:
    agent.learn(case[2], reset_num_timesteps=False)
    return weights(agent)


def weights(agent: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in agent.policy.parameters()])


def cloudpickled(agent: Any) -> Any:
    cloudpickle = pytest.importorskip("cloudpickle")
    return pickle.loads(cloudpickle.dumps(agent))


@pytest.mark.parametrize("way", [copy.deepcopy, cloudpickled])
def test_a_copy_learns_what_the_original_learns(way: Any, case: Any) -> None:
    agent = begun(case)
    before, copied = weights(agent), way(agent)
    alone = further(copied, case)
    assert torch.equal(weights(agent), before), "the original moved with its copy"
    assert not torch.equal(alone, before), "the copy did not move"
    assert torch.equal(alone, further(agent, case)), "the copy went another way"


def repoint(policy: torch.nn.Module) -> None:
    for parameter in policy.parameters():
        parameter.data = parameter.data.clone()


def assign(policy: torch.nn.Module) -> None:
    policy.load_state_dict({k: v.clone() for k, v in policy.state_dict().items()}, assign=True)


def there_and_back(policy: torch.nn.Module) -> None:
    policy.double().float()


def without_grad(policy: torch.nn.Module) -> None:
    policy.zero_grad(set_to_none=True)


@pytest.mark.parametrize("exchange", [repoint, assign, there_and_back, without_grad])
@pytest.mark.parametrize("name", ["ppo", "ppo gru", "a2c", "bc", "bc lstm", "reinforce", "irl"])
def test_exchanged_weights_are_the_ones_that_learn(exchange: Any, name: str) -> None:
    case = CASES[name]
    left_alone, exchanged = begun(case), begun(case)
    exchange(exchanged.policy)
    assert torch.equal(further(exchanged, case), further(left_alone, case))


def test_weights_of_another_precision_learn() -> None:
    agent = PPO("CartPole-v1", **PLAYED)
    agent.policy.double()
    before = weights(agent)
    after = weights(agent.learn(32))
    assert after.dtype == torch.float64 and not torch.equal(before, after)


@pytest.mark.parametrize("options", [{}, {"activation": "relu"}])
def test_a_frozen_layer_stays_and_thaws(options: dict[str, Any]) -> None:
    agent = PPO("CartPole-v1", **PLAYED, **options).learn(32)
    encoder = agent.policy.trunk.encoder
    encoder.requires_grad_(False)
    before, frozen = weights(agent), [p.clone() for p in encoder.parameters()]
    agent.learn(32)
    assert all(torch.equal(a, b) for a, b in zip(frozen, encoder.parameters(), strict=True))
    assert not torch.equal(before, weights(agent))
    encoder.requires_grad_(True)
    agent.learn(32)
    assert not any(torch.equal(a, b) for a, b in zip(frozen, encoder.parameters(), strict=True))
    agent.policy.requires_grad_(False)
    with pytest.raises(UserError, match="every parameter of the network is frozen"):
        agent.learn(16)


def test_an_exchanged_layer_learns() -> None:
    agent = PPO("CartPole-v1", **PLAYED).learn(32)
    new = agent.policy.actor.output = torch.nn.Linear(6, 2)
    before = new.weight.detach().clone()
    agent.learn(32)
    assert not torch.equal(before, new.weight)


def test_what_acts_is_kept_until_a_part_of_the_policy_is_exchanged() -> None:
    agent = A2C("CartPole-v1", **PLAYED).learn(32)
    fast = agent.collector.fast
    agent.learn(32)
    assert fast is not None and agent.collector.fast is fast
    assert copy.deepcopy(agent).collector.fast is None
    for exchange in (repoint, assign, there_and_back):
        exchange(agent.policy)
        agent.collector.collect(1)
        assert agent.collector.fast is not fast
        fast = agent.collector.fast
    agent.policy.trunk.encoder.layers.append(torch.nn.Hardtanh())
    agent.collector.collect(1)
    assert agent.collector.fast is None


def test_an_added_layer_acts_and_learns() -> None:
    agent = PPO("CartPole-v1", **PLAYED).learn(32)
    new = torch.nn.Linear(6, 6)
    before = new.weight.detach().clone()
    agent.policy.trunk.encoder.layers.append(new)
    agent.learn(32)
    assert agent.manual is None and not torch.equal(before, new.weight)
