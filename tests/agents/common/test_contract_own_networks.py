"""A network of one's own: as a class, as its place, with layers of different widths; saved, and loaded by whom it is
told to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from torch import nn

from lhy_rl.agents import BC, PPO
from lhy_rl.core import archive
from lhy_rl.core.errors import UserError
from lhy_rl.nn.backbones.base import cores
from lhy_rl.nn.policies.actor_critic import ActorCritic
from tests.nn import own_networks
from tests.nn.own_networks import Doubling, Leaky, Zeroed

PLACE = "tests.nn.own_networks"
SMALL = {"num_envs": 2, "n_steps": 8, "batch_size": 8, "n_epochs": 1, "embedding_size": 6, "hidden_size": 5}


def weights(agent):
    return torch.cat([p.detach().flatten() for p in agent.policy.parameters()])


@pytest.mark.parametrize("core", [None, "Leaky"])
def test_a_class_and_its_place_are_the_same_network(core):
    cls = None if core is None else Leaky
    by_class = PPO("CartPole-v1", encoder=Doubling, core=cls, **SMALL).learn(32)
    by_place = PPO(
        "CartPole-v1", encoder=f"{PLACE}:Doubling", core=None if core is None else f"{PLACE}:{core}", **SMALL
    ).learn(32)
    assert type(by_class.policy.trunk.encoder) is Doubling
    assert by_class.policy.recurrent is (core is not None)
    assert torch.equal(weights(by_class), weights(by_place))


def test_a_subclass_of_ours_is_not_taken_for_ours():
    agent = PPO("CartPole-v1", encoder=Zeroed, orthogonal=False, **SMALL).learn(64)
    a, b = (agent.policy.trunk.encoder(torch.randn(3, 4)) for _ in range(2))
    assert torch.equal(a, b) and agent.manual is None
    space = agent.env.single_observation_space, agent.env.single_action_space
    from lhy_rl.nn.acceleration.flat_parameters import FlatParameters
    from lhy_rl.nn.acceleration.manual_gradients import ManualNetwork
    from lhy_rl.nn.acceleration.numpy_actor import fast_actor

    policy = ActorCritic(*space, encoder=Zeroed, core=None)
    assert fast_actor(policy) is None
    assert ManualNetwork.of(policy.trunk, policy.actor.output, FlatParameters(policy)) is None


def test_a_file_imports_nothing_but_the_class_that_is_passed(tmp_path, monkeypatch):
    agent = PPO("CartPole-v1", encoder=Doubling, core=Leaky, **SMALL).learn(16)
    agent.save(tmp_path / "own.zip")
    assert archive.read(tmp_path / "own.zip")["options"]["encoder"] == f"{PLACE}:Doubling"
    with pytest.raises(
        UserError, match=r"a file may not choose what is imported; pass the class: load\(..., encoder=Doubling"
    ):
        PPO.load(tmp_path / "own.zip", "CartPole-v1", core=Leaky)
    again = PPO.load(tmp_path / "own.zip", "CartPole-v1", encoder=Doubling, core=Leaky)
    obs = np.ones((2, 4), np.float32)
    assert np.array_equal(agent.predict(obs, deterministic=True)[0], again.predict(obs, deterministic=True)[0])
    assert torch.equal(weights(agent), weights(again))
    monkeypatch.setitem(cores._places, "leaky", f"{PLACE}:Leaky")  # a registered name is known to the one who loads
    named = PPO("CartPole-v1", core="leaky", **SMALL).learn(16)
    named.save(tmp_path / "named.zip")
    assert torch.equal(weights(PPO.load(tmp_path / "named.zip", "CartPole-v1")), weights(named))


def test_a_class_inside_the_options_of_an_inner_ppo_is_not_imported_either(tmp_path):
    from lhy_rl.agents import IRL

    agent = IRL("CartPole-v1", demonstrations="cartpole-expert", num_envs=1, ppo={"encoder": Doubling, "n_steps": 8})
    agent.save(tmp_path / "irl.zip")
    with pytest.raises(UserError, match="a file may not choose what is imported"):
        IRL.load(tmp_path / "irl.zip", "CartPole-v1")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cnnn", "unknown encoder 'cnnn'; did you mean 'cnn'"),
        (f"{PLACE}:Douling", "unknown name in 'tests.nn.own_networks', 'Douling'; did you mean 'Doubling'"),
        ("no_such_module:Doubling", "there is no module 'no_such_module'.*working directory or in PYTHONPATH"),
        (":Doubling", "':Doubling' cannot be imported; write module:Class"),
        (f"{PLACE}:no_class", "is not a lhy_rl.nn.encoders.base.Encoder"),
        (Leaky, "encoder tests.nn.own_networks:Leaky is not a lhy_rl.nn.encoders.base.Encoder"),
        (own_networks.Unfinished, "does not define forward"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(given, message):
    with pytest.raises(UserError, match=message) as error:
        PPO("CartPole-v1", encoder=given, **SMALL)
    assert "\n" not in str(error.value)


def layers(policy):
    return [m.out_features for m in policy.trunk.encoder.modules() if isinstance(m, nn.Linear)]


@pytest.mark.parametrize(
    ("space", "sizes", "expected"),
    [
        (Box(-1, 1, (3,)), [7, 5], [7, 5]),
        (Box(-1, 1, (3,)), [], []),
        (Discrete(4), (7, 5), [5]),  # the table is the first layer
        (MultiDiscrete([3, 2]), [7, 5], [5]),
        (Box(0, 255, (8, 8, 3), np.uint8), [7, 5], [7, 5]),
    ],
)
def test_hidden_sizes_are_the_widths_of_the_dense_layers(space, sizes, expected):
    policy = ActorCritic(space, Discrete(2), core=None, hidden_sizes=sizes)
    assert layers(policy) == expected
    obs = torch.as_tensor(np.stack([space.sample() for _ in range(4)]))
    actions, _ = policy.act(obs, ())
    assert actions.shape == (4,)


def test_equal_widths_are_the_same_network_as_embedding_size_and_encoder_layers():
    same = [
        PPO("CartPole-v1", **{**SMALL, **options}).learn(64)
        for options in ({"hidden_sizes": [6, 6]}, {"embedding_size": 6, "encoder_layers": 2})
    ]
    assert torch.equal(weights(same[0]), weights(same[1]))


def test_different_widths_learn_by_hand_as_with_a_graph():
    fast, slow = (PPO("CartPole-v1", hidden_sizes=[8, 3], **SMALL) for _ in range(2))
    assert fast.manual is not None
    slow.manual = None
    fast.learn(32), slow.learn(32)
    torch.testing.assert_close(weights(fast), weights(slow), atol=1e-5, rtol=1e-4)
    assert layers(BC("CartPole-v1", hidden_sizes=[8, 3]).policy) == [8, 3]


@pytest.mark.parametrize("sizes", [[0], [3, -1], [2.5], "64", ["a"]])
def test_wrong_widths_are_refused(sizes):
    with pytest.raises(UserError, match=r"hidden_sizes is .*; allowed: whole numbers"):
        PPO("CartPole-v1", hidden_sizes=sizes)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"encoder": own_networks.WithoutSize}, "WithoutSize must set output_size"),
        ({"encoder": own_networks.Wider}, r"Wider gives \(2, 3, 6\) for observations .*must be \(2, 3, 7\)"),
        ({"encoder": own_networks.Flattening}, r"Flattening gives \(6, 6\)"),
        ({"encoder": own_networks.Lonely}, "Lonely cannot be made with 2 arguments"),
        ({"core": own_networks.Forgetful}, "Forgetful must return outputs and the memory"),
        ({"core": own_networks.TimeFirst}, "the memory of .*TimeFirst .*must be the same, with instances as the first"),
    ],
)
def test_what_breaks_the_contract_is_one_line_before_anything_is_learned(network, message):
    with pytest.raises(UserError, match=message):
        PPO("CartPole-v1", **SMALL, **network)


def test_a_memory_may_be_of_numpy_as_sb3_gives_it():
    agent = PPO("CartPole-v1", core="gru", **SMALL)
    _, memory = agent.predict(np.zeros(4), deterministic=True)
    again, after = agent.predict(np.ones(4), memory, deterministic=True)
    other, same = agent.predict(np.ones(4), tuple(part.numpy() for part in memory), deterministic=True)
    assert again == other and all(map(torch.equal, after, same))
