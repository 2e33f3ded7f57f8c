"""A grid LSTM: memory along depth as well as along time (Kalchbrenner et al. 2016, sections 3 and 4).

At each layer and step two LSTM cells read the hidden states from the step before and the layer below,
H = [h_time, h_depth]:

    (h_time', m_time')   = LSTM_time(H, m_time)           to the next step
    (h_depth', m_depth') = LSTM_depth(H, m_depth)         to the layer above

The input enters as h_depth and m_depth of the first layer; the last layer's h_depth is the output. With ``tied``, all
layers share their weights. Gated memory along depth lets many layers train where a stack of LSTMs does not. The forget
gates along depth are initialised so open that the input reaches the top, as in highway layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lhy_rl.core import validation
from lhy_rl.functional.fused.plain import plain
from lhy_rl.nn.acceleration.inventory import hooked
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.backbones.cells import Cell, Layered
from lhy_rl.nn.layers.highway import closed_by


class GridCell(Cell):
    """All layers of one step; its state is the hidden states and the memories along time, (B, layers, H) each."""

    def __init__(self, input_size: int, hidden_size: int, depth: int, tied: bool) -> None:
        super().__init__()
        self.output_size, self.depth = hidden_size, depth
        self.input = nn.Linear(input_size, 2 * hidden_size)
        blocks = 1 if tied else depth
        self.along_time = nn.ModuleList(nn.LSTMCell(hidden_size, hidden_size) for _ in range(blocks))
        upward = [nn.LSTMCell(hidden_size, hidden_size) for _ in range(blocks)]
        for cell in upward:
            nn.init.constant_(cell.bias_ih.data.view(4, -1)[1], closed_by(depth))  # input, forget, candidate, output
        self.along_depth = nn.ModuleList(upward)

    def initial_state(self, batch_size: int) -> State:
        zeros = self.input.weight.new_zeros(batch_size, self.depth, self.output_size)
        return zeros, zeros

    def project(self, x: Tensor) -> Tensor:
        return self.input(x)  # type: ignore[no-any-return]

    def step(self, given: Tensor, state: State) -> tuple[Tensor, State]:
        h, m = given.chunk(2, -1)  # along depth
        if self.depth > len(self.along_time) == 1 and given.device.type == "cpu" and not self.called_singly():
            return self.at_once(h, m, state)
        after = []
        for level, (h_time, m_time) in enumerate(zip(*(s.unbind(1) for s in state), strict=True)):
            block = level % len(self.along_time)
            after.append(self.along_time[block](h, (h_time, m_time)))  # its input and hidden state make up H
            h, m = self.along_depth[block](h_time, (h, m))
        return h, tuple(torch.stack(tensors, 1) for tensors in zip(*after, strict=True))

    def called_singly(self) -> bool:
        """Whether each cell must be called by itself: in plain mode, or if a cell has a hook."""
        return plain() or hooked(self.along_depth[0], self.along_time[0])

    def at_once(self, h: Tensor, m: Tensor, state: State) -> tuple[Tensor, State]:
        """:meth:`step` of tied layers, with the cells along time computed as one batch."""
        before = [s.transpose(0, 1) for s in state]  # (layers, B, H)
        heights = self.rise(h, m, before[0])
        below = torch.cat([h[None], heights[:-1]])
        after = self.along_time[0](below.flatten(0, 1), tuple(s.flatten(0, 1) for s in before))
        return heights[-1], tuple(s.view_as(below).transpose(0, 1) for s in after)

    def rise(self, h: Tensor, m: Tensor, h_time: Tensor) -> Tensor:
        """h_depth' of all tied layers, (layers, B, H): one LSTM runs over the layers as over a sequence.

        Args:
            h, m: (B, H), h_depth and m_depth of the first layer.
            h_time: (layers, B, H), the hidden states along time.
        """
        weights = tuple(self.along_depth[0].parameters())
        begun = (h[None].contiguous(), m[None].contiguous())
        return torch.lstm(h_time, begun, weights, True, 1, 0.0, True, False, False)[0]


class GridLSTM(Layered):
    """A grid LSTM of two dimensions, depth and time.

    Args:
        input_size: E, width of the inputs.
        hidden_size: H, width of the hidden states, the memories and the output.
        num_layers: Layers along depth.
        tied: All layers share their weights.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, *, tied: bool = False) -> None:
        validation.flag("tied", tied)
        super().__init__([GridCell(input_size, hidden_size, num_layers, tied)])
