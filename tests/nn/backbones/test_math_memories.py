"""Attention, the neural Turing machine and the grid LSTM by hand; options and lengths that cannot be."""

import math
from contextlib import nullcontext

import pytest
import torch
from torch.testing import assert_close

from lhy_rl.core.errors import UserError
from lhy_rl.functional.fused.plain import plain_operations
from lhy_rl.nn.backbones.attention import Attention
from lhy_rl.nn.backbones.base import make_core
from lhy_rl.nn.backbones.grid_lstm import GridLSTM
from lhy_rl.nn.backbones.ntm import NTM


def starts(steps, batch=1):
    return torch.zeros(steps, batch, dtype=torch.bool)


@pytest.mark.parametrize("score", ["dot", "additive"])
def test_attention_is_that_of_the_formula(score):
    """The scores of step t and of what a step s gives, from q, k and v turned by t - s, are softmaxed over s <= t."""
    torch.manual_seed(0)
    core = Attention(3, 2, score=score).double()
    layer = core.layers[0]
    x = torch.randn(4, 1, 3, dtype=torch.double)
    u, (q, k, v) = layer.input(x)[:, 0], layer.query_key_value(x)[:, 0].chunk(3, -1)

    def turned_back(vector, distance):
        """One pair of numbers: the fastest angle is 1 a step."""
        angle = torch.tensor(-float(distance), dtype=torch.double)
        turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
        return turn @ vector

    for t in range(4):
        keys = [turned_back(k[s], t - s) for s in range(t + 1)]
        if score == "dot":
            scores = torch.stack([q[t] @ key for key in keys]) / 2**0.5
        else:
            scores = torch.stack([(q[t] + key).tanh() @ layer.weight[0, 0, 0] for key in keys])
        a = scores.softmax(0)
        read = sum(a[s] * turned_back(v[s], t - s) for s in range(t + 1))
        y, _ = core(x, core.initial_state(1), starts(4))
        assert_close(y[t, 0], torch.tanh(u[t] + layer.output(read)))


def test_attention_refuses_an_episode_that_it_would_forget():
    core, x = Attention(3, 4, slots=5), torch.randn(12, 2, 3)
    core(x[:6], core.initial_state(2), starts(6, 2))  # five steps and the present one
    with pytest.raises(UserError) as error:
        core(x[:7], core.initial_state(2), starts(7, 2))
    assert str(error.value).startswith("attention has 5 slots, fewer than this episode has steps; core_options")
    begun = starts(12, 2)
    begun[6] = True
    _, state = core(x, core.initial_state(2), begun)
    with pytest.raises(UserError, match="attention has 5 slots, fewer than"):
        core(x[:1], state, starts(1, 2))
    forgetful = Attention(3, 4, slots=5, overflow="forget")
    forgetful.load_state_dict(core.state_dict())
    y, _ = forgetful(x, core.initial_state(2), starts(12, 2))
    last, _ = core(x[6:], core.initial_state(2), starts(6, 2))
    assert_close(y[-1], last[-1])  # what is further back is forgotten


def test_a_turing_machine_by_hand():
    """A head that stays and writes 0.5 without erasing adds to location 0; one that shifts on spreads by degrees."""
    core = NTM(1, 2, locations=3, location_size=1).double()
    cell = core.layers[0]
    for parameter in cell.parameters():
        parameter.data.zero_()
    numbers = cell.addressing.bias.data.view(2, -1)  # of the writing and the reading head
    numbers[:, 2] = -40.0  # where it was
    numbers[:, 3:6] = torch.tensor([-40.0, 40.0, -40.0], dtype=torch.double)  # stays
    cell.writing.bias.data[:] = torch.tensor([-40.0, 0.5], dtype=torch.double)
    memory = core(torch.zeros(2, 1, 1).double(), core.initial_state(1), starts(2))[1][0][0, 0, :, 0]
    added = torch.tensor(0.5, dtype=torch.double).tanh()
    assert_close(memory, torch.stack([1e-6 + 2 * added, *[torch.tensor(1e-6, dtype=torch.double)] * 2]))
    numbers[0, 3:6] = torch.tensor([0.0, 0.0, 40.0], dtype=torch.double)  # the writing head goes on by one
    memory = core(torch.zeros(2, 1, 1).double(), core.initial_state(1), starts(2))[1][0][0, 0, :, 0]
    assert_close(memory, 1e-6 + torch.stack([0 * added, added, added]), atol=1e-9, rtol=0)
    numbers[0, 3:6] = torch.tensor([0.0, 0.5, 0.0], dtype=torch.double).exp().log()
    p = torch.tensor([0.0, 0.5, 0.0], dtype=torch.double).softmax(0)
    sharp = torch.stack([p[1], p[2], p[0]]) ** (1 + torch.nn.functional.softplus(torch.zeros(1).double()))
    memory = core(torch.zeros(1, 1, 1).double(), core.initial_state(1), starts(1))[1][0][0, 0, :, 0]
    assert_close(memory, 1e-6 + added * sharp / sharp.sum(), atol=1e-9, rtol=0)


def test_a_grid_of_one_layer_by_its_two_cells():
    torch.manual_seed(0)
    core = GridLSTM(3, 4)
    x, (h, m) = torch.randn(2, 5, 3), (torch.zeros(5, 4),) * 2
    time, depth = core.layers[0].along_time[0], core.layers[0].along_depth[0]

    def cell(weights, both, memory):
        """The equations, over H = [input, hidden state]."""
        gates = both @ torch.cat([weights.weight_ih, weights.weight_hh], 1).T + weights.bias_ih + weights.bias_hh
        i, f, g, o = gates.chunk(4, 1)
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        return o.sigmoid() * memory.tanh(), memory

    for t in range(2):
        h_in, m_in = core.layers[0].input(x[t]).chunk(2, -1)
        y, _ = cell(depth, torch.cat([h, h_in], 1), m_in)
        h, m = cell(time, torch.cat([h_in, h], 1), m)
    assert_close(core(x, core.initial_state(5), starts(2, 5))[0][-1], y)


def test_tied_layers_are_one():
    count = {
        tied: sum(p.numel() for p in GridLSTM(3, 4, 6, tied=tied).layers[0].along_depth.parameters())
        for tied in (True, False)
    }
    assert count[False] == 6 * count[True]


def test_tied_layers_as_one_sequence_are_the_loop_over_them():
    torch.manual_seed(0)
    core, x = GridLSTM(3, 4, 6, tied=True), torch.randn(5, 2, 3)
    state = tuple(torch.randn(2, 1, 6, 4) for _ in range(2))
    start, found = starts(5, 2), []
    start[3, 1] = True
    for operations in (nullcontext, plain_operations):
        with operations():
            y, after = core(x, state, start)
            loss = (y * x.sum(-1, keepdim=True)).sum() + sum(s.square().sum() for s in after)
            found.append((y, after, torch.autograd.grad(loss, list(core.parameters()))))
    assert_close(found[0], found[1])


@pytest.mark.parametrize("along", ["along_depth", "along_time"])
def test_a_hook_on_a_cell_of_tied_layers_is_called_for_every_layer(along):
    torch.manual_seed(0)
    core, x, calls = GridLSTM(3, 4, 6, tied=True), torch.randn(2, 1, 3), []
    state, start = core.initial_state(1), starts(2)
    fast = core(x, state, start)
    hook = getattr(core.layers[0], along)[0].register_forward_hook(lambda *given: calls.append(given[-1]))
    assert_close(core(x, state, start), fast)
    assert len(calls) == 2 * 6
    hook.remove()
    core(x, state, start)
    assert len(calls) == 2 * 6


def test_a_grid_hands_up_what_enters_it_however_deep_it_is():
    """The forget gates along depth begin at about n / (n + 1), so that 1/e of a memory is left after n layers."""
    for depth in (8, 100):
        for cell in GridLSTM(3, 4, depth).layers[0].along_depth:
            assert_close(
                cell.bias_ih.view(4, 4)[1].sigmoid() ** depth, torch.full((4,), math.exp(-1)), atol=0.03, rtol=0
            )


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("attention", {"slots": 0}, "slots=0 is not allowed; must be a whole number of at least 1"),
        ("attention", {"score": "product"}, "unknown score 'product'"),
        ("ntm", {"locations": 2}, "locations=2 is not allowed; must be a whole number of at least 3"),
        ("ntm", {"controller": "gru"}, "unknown controller 'gru'"),
        ("grid_lstm", {"tied": 1}, "tied=1 is not allowed; must be true or false"),
        ("lstm", {"highway": "yes"}, "highway='yes' is not allowed; must be true or false"),
    ],
)
def test_options_that_cannot_be_used_are_refused_in_one_line(name, options, line):
    with pytest.raises(UserError) as error:
        make_core(name, 3, 4, 1, options)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)
