"""RNN, GRU and LSTM as sequence backbones: any number of episodes inside a sequence, one run a layer.

Training data are T steps of B environments, and episodes begin anywhere inside. Stepping through time to
reset the state there costs small kernel calls at every step. Instead the sequences are cut at the starts
and the pieces, packed by length without padding, run side by side (:mod:`lhy_rl.functional.recurrence` on a
CPU, cuDNN on a GPU); without starts inside, torch's fused kernels run on the sequences as they are.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from lhy_rl.functional.recurrence import run_gru, run_lstm, run_rnn
from lhy_rl.nn.sequence import SequenceBackbone, State


@dataclass(frozen=True)
class Pieces:
    """How (T, B) sequences fall into S pieces at the starts, the longest first, packed (``PackedSequence``'s layout).

    Attributes:
        column: (S,) the sequence that a piece is from.
        first: (S,) the step at which it begins.
        sizes: Pieces that have a step 0, a step 1, ...; the sum is T*B.
        rows: (T*B,) the row of the flattened (T*B) data that each packed row is.
        last: (B,) the last piece of each sequence.
        end: (B,) the packed row at which it ends.
    """

    column: Tensor
    first: Tensor
    sizes: list[int]
    rows: Tensor
    last: Tensor
    end: Tensor

    @classmethod
    def cut(cls, start: Tensor) -> Pieces:
        """Cut at ``start`` (T, B) bool; every sequence begins a piece at step 0."""
        steps, batch = start.shape
        begin = start.T.clone()
        begin[:, 0] = True
        column, first = begin.nonzero(as_tuple=True)
        length = torch.diff(column * steps + first, append=first.new_tensor([steps * batch]))
        length, order = length.sort(descending=True, stable=True)
        column, first = column[order], first[order]
        step = torch.arange(int(length[0]), device=start.device)[:, None]
        inside = step < length  # (longest, S)
        sizes = inside.sum(1)
        rows = ((first + step) * batch + column)[inside]
        last = torch.empty(batch, dtype=torch.long, device=start.device)
        ends = (first + length == steps).nonzero()[:, 0]
        last[column[ends]] = ends
        end = (sizes.cumsum(0) - sizes)[length[last] - 1] + last
        return cls(column, first, sizes.tolist(), rows, last, end)


class Recurrent(SequenceBackbone):
    """Torch recurrent layers under the backbone contract; the state is (B, layers, H) tensors.

    With starts inside the sequences it is differentiable once.

    Args:
        input_size: E, width of the inputs.
        hidden_size: H, width of state and output. More remembers more and costs H^2.
        num_layers: Layers on top of each other, each reading the one below.
    """

    network: type[nn.RNNBase]
    state_tensors = 1

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__()
        make: Any = self.network
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(make(size, hidden_size) for size in sizes)
        self.output_size = hidden_size

    def initial_state(self, batch_size: int) -> State:
        weight = next(self.parameters())
        return (weight.new_zeros(batch_size, len(self.layers), self.output_size),) * self.state_tensors

    def forward(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        begins = start.any(1).tolist()
        if not any(begins[1:]):
            return self._through_layers(x, self.reset(state, start[0]) if begins[0] else state, None)
        pieces = Pieces.cut(start)
        state = tuple(s[pieces.column] for s in state)
        state = self.reset(state, (pieces.first > 0) | start[0, pieces.column])
        packed, final = self._through_layers(x.flatten(0, 1).index_select(0, pieces.rows), state, pieces)
        y = torch.empty_like(packed).index_copy(0, pieces.rows, packed)
        return y.reshape(*start.shape, -1), final

    def _through_layers(self, x: Tensor, state: State, pieces: Pieces | None) -> tuple[Tensor, State]:
        """(T, B, E), or packed (T*B, E), to outputs and the final states of the B sequences."""
        finals = []
        for depth, layer in enumerate(self.layers):
            initial = tuple(s[:, depth].contiguous() for s in state)
            if pieces is not None and not x.is_cuda:
                states = self.run(layer, x, initial, pieces.sizes)
                x, final = states[0], tuple(s[pieces.end] for s in states)
            else:
                given = tuple(s[None] for s in initial)
                packed = x if pieces is None else PackedSequence(x, torch.tensor(pieces.sizes))
                y, ended = layer(packed, given if self.state_tensors > 1 else given[0])
                final = tuple(s[0] for s in (ended if self.state_tensors > 1 else (ended,)))
                x = y
                if pieces is not None:
                    x, final = y.data, tuple(s[pieces.last] for s in final)
            finals.append(final)
        return x, tuple(torch.stack(tensors, 1) for tensors in zip(*finals, strict=True))

    @abstractmethod
    def run(self, layer: Any, x: Tensor, initial: State, sizes: list[int]) -> State:
        """One layer over packed rows (R, E): its states after each, (R, H) tensors, the output first."""


class RNN(Recurrent):
    """h' = tanh(W x + U h + b)   (Elman 1990)."""

    network = nn.RNN

    def run(self, layer: Any, x: Tensor, initial: State, sizes: list[int]) -> State:
        x = F.linear(x, layer.weight_ih_l0, layer.bias_ih_l0 + layer.bias_hh_l0)
        return (run_rnn(x, initial[0], layer.weight_hh_l0, sizes),)


class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014)."""

    network = nn.GRU

    def run(self, layer: Any, x: Tensor, initial: State, sizes: list[int]) -> State:
        x = F.linear(x, layer.weight_ih_l0, layer.bias_ih_l0)
        return (run_gru(x, initial[0], layer.weight_hh_l0, layer.bias_hh_l0, sizes),)


class LSTM(Recurrent):
    """Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000)."""

    network = nn.LSTM
    state_tensors = 2

    def run(self, layer: Any, x: Tensor, initial: State, sizes: list[int]) -> State:
        x = F.linear(x, layer.weight_ih_l0, layer.bias_ih_l0 + layer.bias_hh_l0)
        return run_lstm(x, initial[0], initial[1], layer.weight_hh_l0, sizes)
