"""Highway layers by hand: a shut gate hands the input on, an open one is a plain layer; depth costs no signal."""

import math

import pytest
import torch
from gymnasium.spaces import Box, Discrete
from torch import nn
from torch.testing import assert_close

from lhy_rl.nn.backbones.recurrent import GRU
from lhy_rl.nn.layers.dense import dense
from lhy_rl.nn.layers.highway import Highway, closed_by
from lhy_rl.nn.policies.actor_critic import ActorCritic

FAR = 1e3  # a gate's bias at which it is shut or open


def with_gate(layer, bias):
    size = layer.linear.in_features
    layer.linear.weight.data[size:] = 0.0
    layer.linear.bias.data[size:] = bias
    return layer


@pytest.mark.parametrize("activation", [None, nn.Tanh()])
def test_a_shut_gate_hands_on_and_an_open_one_is_a_plain_layer(activation):
    torch.manual_seed(0)
    layer, x = Highway(4, activation), torch.randn(3, 4)
    assert torch.equal(with_gate(layer, -FAR)(x), x)
    plain = (activation or nn.ReLU())(x @ layer.linear.weight[:4].T + layer.linear.bias[:4])
    assert_close(with_gate(layer, FAR)(x), plain)


def test_a_gate_in_between_mixes():
    layer = with_gate(Highway(1), 2.0 + math.log(3.0))  # t = 3/4, after the constant of 2
    layer.linear.weight.data[0] = 2.0
    layer.linear.bias.data[0] = 1.0
    y = layer(torch.tensor([[4.0], [-4.0]]))
    assert_close(y, torch.tensor([[0.75 * 9 + 0.25 * 4.0], [0.25 * -4.0]]))


def test_without_gradient_in_place_it_is_the_same():
    torch.manual_seed(0)
    layer, x = Highway(4, layers=50), torch.randn(3, 4)
    expected = layer(x)
    assert_close(layer.forward_into(x.clone(), torch.empty(5, 8)), expected.detach())


@pytest.mark.parametrize("layers", [8, 50, 1000])
def test_a_share_of_1_over_e_passes_all_layers(layers):
    share = (1 - torch.sigmoid(torch.tensor(-closed_by(layers)))) ** layers
    assert share.item() == pytest.approx(math.exp(-1), abs=0.03)
    assert closed_by(1) == closed_by(7) == 2.0


def test_highway_layers_where_the_width_stays():
    layers = dense(5, (8, 8, 8, 6), "relu", kind="highway")
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU, Highway, Highway, nn.Linear, nn.ReLU]
    deep = dense(8, (8,) * 51, "relu", kind="highway")
    assert {layer.closed_by for layer in deep if isinstance(layer, Highway)} == {closed_by(50)}


def test_between_recurrent_layers():
    """Shut, a layer above the first one hands on what the first one says; open, it speaks itself."""
    torch.manual_seed(0)
    core, x, start = GRU(3, 4, 2, highway=True), torch.randn(5, 2, 3), torch.zeros(5, 2, dtype=torch.bool)
    first, _ = core.layers[0](x)
    second, _ = core.layers[1](first)
    core.gates[0].weight.data.zero_()
    for bias, expected in ((-FAR, first), (FAR, second)):
        core.gates[0].bias.data.fill_(bias)
        assert_close(core(x, core.initial_state(2), start)[0], expected)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_a_policy_of_fifty_layers_hears_its_observation(orthogonal):
    """As many plain layers with torch's initialisation let next to nothing of the gradient through."""
    reach = {}
    for kind in ("plain", "highway"):
        torch.manual_seed(0)
        policy = ActorCritic(
            Box(-1.0, 1.0, (6,)), Discrete(2), core=None, encoder_layers=50, embedding_size=16, activation="relu",
            dense_layers=kind, orthogonal=orthogonal,
        )  # fmt: skip
        obs = torch.rand(1, 8, 6, requires_grad=True)
        features, _ = policy.trunk(obs, (), None)
        (gradient,) = torch.autograd.grad(features.mean(), obs)
        reach[kind] = gradient.norm().item()
    assert reach["highway"] > 1e-3 and (orthogonal or reach["plain"] < 1e-6)
