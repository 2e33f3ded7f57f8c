"""A recurrent network with differentiable stacks (Joulin and Mikolov 2015).

    h_t = tanh(W x_t + R h_{t-1} + P top_{t-1})
    a_t = softmax(A h_t)                                       push, pop or leave alone, for each stack
    s_t[0] = a_push tanh(D h_t) + a_pop s_{t-1}[1]     + a_leave s_{t-1}[0]
    s_t[i] = a_push s_{t-1}[i-1] + a_pop s_{t-1}[i+1] + a_leave s_{t-1}[i]

Once the weights a_t are near 0 or 1, the memory is exact at any length: the right memory for nested or reversed
strings. It is learned late and suddenly; training on short strings first does not help, because the hidden state
memorises them and the stack is never used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lhy_rl.core import validation
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.backbones.cells import Cell, Layered

CONTROLLERS: dict[str, type[nn.RNNCell] | type[nn.GRUCell]] = {"rnn": nn.RNNCell, "gru": nn.GRUCell}


class StackCell(Cell):
    """One layer; its state is the hidden state (B, H) and the stacks (B, S, depth, W), the top first."""

    def __init__(
        self, input_size: int, hidden_size: int, num_stacks: int, stack_size: int, depth: int, controller: str
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.shape = (num_stacks, depth, stack_size)
        self.controller = CONTROLLERS[controller](input_size + num_stacks * stack_size, hidden_size)
        self.degrees = nn.Linear(hidden_size, 3 * num_stacks)
        self.new_top = nn.Linear(hidden_size, num_stacks * stack_size)

    def initial_state(self, batch_size: int) -> State:
        weight = self.new_top.weight
        return weight.new_zeros(batch_size, self.output_size), weight.new_zeros(batch_size, *self.shape)

    def step(self, given: Tensor, state: State) -> tuple[Tensor, State]:
        h, stacks = state
        count, _, width = self.shape
        h = self.controller(torch.cat([given, stacks[:, :, 0].flatten(1)], 1), h)
        push, pop, leave = self.degrees(h).view(-1, count, 1, 1, 3).softmax(-1).unbind(-1)
        top = self.new_top(h).tanh().view(-1, count, 1, width)
        padded = torch.cat([top, stacks, torch.zeros_like(top)], 2)
        stacks = push * padded[:, :, :-2] + leave * stacks + pop * padded[:, :, 2:]
        return h, (h, stacks)


class StackRNN(Layered):
    """A recurrent network with differentiable stacks.

    Args:
        input_size: E, width of the inputs.
        hidden_size: H, width of the hidden state and the output.
        num_layers: Layers on top of each other, each with its own stacks.
        num_stacks: Stacks of each layer.
        stack_size: Numbers in each element of a stack.
        depth: Elements that a stack holds, at least as many as an episode pushes; elements pushed deeper are lost.
        controller: ``rnn`` or ``gru``.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        num_stacks: int = 2,
        stack_size: int = 4,
        depth: int = 64,
        controller: str = "rnn",
    ) -> None:
        for name, value in (("num_stacks", num_stacks), ("stack_size", stack_size), ("depth", depth)):
            validation.integer(name, value, 1)
        validation.choice("controller", controller, CONTROLLERS)
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        super().__init__(StackCell(size, hidden_size, num_stacks, stack_size, depth, controller) for size in sizes)
