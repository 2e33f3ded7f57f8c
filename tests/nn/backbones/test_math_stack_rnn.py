"""Stacks by hand: what is pushed comes back in the opposite order, by degrees what the equations say."""

import pytest
import torch
from gymnasium.spaces import Discrete
from torch.testing import assert_close

from lhy_rl.core.errors import UserError
from lhy_rl.nn.acceleration.numpy_actor import fast_actor
from lhy_rl.nn.backbones.base import make_core
from lhy_rl.nn.backbones.stack_rnn import StackRNN
from lhy_rl.nn.policies.actor_critic import ActorCritic

LARGE = 30.0  # a degree's input at which the softmax is 0 or 1


def reversing(depth):
    """One input is the symbol, another pops where it is 1 (and else it is pushed); the output has the top."""
    core = StackRNN(2, 3, num_stacks=1, stack_size=1, depth=depth).double()
    cell = core.layers[0]
    for parameter in cell.parameters():
        parameter.data.zero_()
    cell.controller.weight_ih.data[0, 0] = 1.0  # h[0] = tanh(symbol)
    cell.controller.weight_ih.data[1, 1] = LARGE  # h[1] = 1 to pop
    cell.controller.weight_ih.data[2, 2] = 1.0  # h[2] = tanh(top)
    cell.degrees.bias.data[0] = LARGE  # push, unless
    cell.degrees.weight.data[1, 1] = 2 * LARGE  # pop
    cell.new_top.weight.data[0, 0] = 1.0
    return core


def test_what_was_pushed_is_popped_in_the_opposite_order():
    symbols = torch.tensor([0.3, -0.7, 0.9], dtype=torch.double)
    x = torch.zeros(7, 1, 2, dtype=torch.double)
    x[:3, 0, 0] = symbols
    x[3:, 0, 1] = 1.0
    core = reversing(depth=3)
    y, (_, stacks) = core(x, core.initial_state(1), torch.zeros(7, 1, dtype=torch.bool))
    expected = symbols.tanh().tanh().flip(0).tanh()  # pushed as tanh(tanh(symbol)), read with another tanh
    assert_close(y[3:6, 0, 2], expected)
    assert_close(y[6, 0, 2], torch.tensor(0.0, dtype=torch.double))  # nothing is left
    assert_close(stacks, torch.zeros_like(stacks))


def test_what_is_pushed_below_the_depth_is_lost():
    x = torch.zeros(6, 1, 2, dtype=torch.double)
    x[:3, 0, 0] = 1.0
    x[3:, 0, 1] = 1.0
    core = reversing(depth=2)
    y, _ = core(x, core.initial_state(1), torch.zeros(6, 1, dtype=torch.bool))
    assert (y[3:5, 0, 2] > 0.1).all() and abs(y[5, 0, 2].item()) < 1e-9


def test_degrees_mix_what_the_three_would_do():
    core = StackRNN(2, 3, num_stacks=1, stack_size=1, depth=3).double()
    cell = core.layers[0]
    for parameter in cell.parameters():
        parameter.data.zero_()
    cell.degrees.bias.data = torch.tensor([0.5, 0.3, 0.2], dtype=torch.double).log()  # push, pop, leave
    cell.new_top.bias.data.fill_(0.8)
    top = float(cell.new_top.bias.data.tanh())
    stacks = torch.tensor([1.0, 2.0, 3.0], dtype=torch.double).view(1, 1, 1, 3, 1)
    _, (_, after) = core(
        torch.zeros(1, 1, 2).double(), (core.initial_state(1)[0], stacks), torch.zeros(1, 1, dtype=torch.bool)
    )
    expected = [0.5 * top + 0.3 * 2 + 0.2 * 1, 0.5 * 1 + 0.3 * 3 + 0.2 * 2, 0.5 * 2 + 0.2 * 3]
    assert_close(after.flatten(), torch.tensor(expected, dtype=torch.double))


def test_a_policy_with_a_gru_controller_acts_in_numpy():
    policy = ActorCritic(Discrete(5), Discrete(3), core="stack_rnn", core_options={"controller": "gru", "depth": 4})
    act, state = fast_actor(policy), policy.initial_state(6)
    act.begin(state)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        obs = torch.randint(5, (6,), generator=generator)
        noise = policy.actor.noise((6,), generator, policy.device)
        expected, state = policy.act(obs, state, None, noise=noise)
        assert (act(obs.numpy(), noise.numpy(), torch.zeros(6, dtype=torch.bool).numpy()) == expected.numpy()).all()
    assert_close(act.state, state, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"depth": 0}, "depth=0 is not allowed; must be a whole number of at least 1"),
        ({"num_stacks": "two"}, "num_stacks='two' is not allowed"),
        ({"controller": "lstn"}, "unknown controller 'lstn'"),
        ({"stacks": 2}, "unknown option of core StackRNN 'stacks'; did you mean"),
    ],
)
def test_options_that_cannot_be_used_are_refused_in_one_line(options, line):
    with pytest.raises(UserError) as error:
        make_core("stack_rnn", 3, 4, 1, options)
    assert str(error.value).startswith(line) and "\n" not in str(error.value)


def test_options_need_a_core():
    with pytest.raises(UserError, match="core_options"):
        ActorCritic(Discrete(5), Discrete(3), core=None, core_options={"depth": 4})
