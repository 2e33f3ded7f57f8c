"""Hand-made gradients through time: against finite differences, and the layers against torch's own."""

import pytest
import torch
from torch import nn
from torch.nn.functional import linear
from torch.nn.utils.rnn import PackedSequence

from lhy_rl.functional.fused.packed_rnn import run_gru, run_rnn

SIZES, S, H, E = [4, 3, 3, 1], 4, 3, 2
RUN = {"rnn": run_rnn, "gru": run_gru}
GATES = {"rnn": 1, "gru": 3}
TORCH = {"rnn": nn.RNN, "gru": nn.GRU}


def draw(*shape, seed):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double, requires_grad=True)


@pytest.mark.parametrize("name", RUN)
def test_gradients_are_those_of_finite_differences(name):
    width = GATES[name] * H
    inputs = [draw(sum(SIZES), width, seed=0), draw(S, H, seed=1)]
    inputs += [draw(width, H, seed=3)]
    inputs += [draw(width, seed=4)] if name == "gru" else []
    assert torch.autograd.gradcheck(lambda *given: RUN[name](*given, SIZES), inputs)


@pytest.mark.parametrize("name", RUN)
def test_the_layers_are_torchs(name):
    torch.manual_seed(0)
    layer = TORCH[name](E, H).double()
    x, h0 = draw(sum(SIZES), E, seed=0), draw(S, H, seed=1)
    if name == "gru":
        y = run_gru(linear(x, layer.weight_ih_l0, layer.bias_ih_l0), h0, layer.weight_hh_l0, layer.bias_hh_l0, SIZES)
        expected, _ = layer(PackedSequence(x, torch.tensor(SIZES)), h0[None])
    else:
        gates = linear(x, layer.weight_ih_l0, layer.bias_ih_l0 + layer.bias_hh_l0)
        y = run_rnn(gates, h0, layer.weight_hh_l0, SIZES)
        expected, _ = layer(PackedSequence(x, torch.tensor(SIZES)), h0[None])
    torch.testing.assert_close(y, expected.data)
