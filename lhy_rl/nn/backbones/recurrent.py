"""RNN, GRU and LSTM as sequence backbones: any number of episodes in a sequence, one kernel call per layer.

Training data are T steps of B environments, and episodes begin anywhere inside. Looping over time to reset the state
there would cost small kernel calls at every step. If no episode begins inside, torch's fused kernels run on the
sequences as they are. Otherwise there are two ways. For RNN and GRU the sequences are split at the starts, and the
pieces, packed by length without padding, run side by side (:mod:`lhy_rl.functional.fused.packed_rnn` on a CPU, cuDNN on
a GPU). The LSTM has a fused kernel on a CPU, too, and gates that can be made to forget: its pieces follow each other
with pauses between (:mod:`lhy_rl.nn.backbones.episode_packing`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from lhy_rl.core import validation
from lhy_rl.functional.fused.packed_rnn import run_gru, run_rnn
from lhy_rl.nn.acceleration.inventory import hooked
from lhy_rl.nn.backbones.base import SequenceBackbone, State
from lhy_rl.nn.backbones.cells import together
from lhy_rl.nn.backbones.episode_packing import EpisodePieces, PackedEpisodes
from lhy_rl.nn.layers.highway import closed_by

SHUT = 1e4  # added to or subtracted from a gate's input, opens or shuts the gate whatever its other inputs are


class Recurrent(SequenceBackbone):
    """Torch's recurrent layers as a backbone; the state is (B, layers, H) tensors.

    If episodes begin inside the sequences, it is differentiable only once.

    Args:
        input_size: E, width of the inputs.
        hidden_size: H, width of state and output. A larger one remembers more; the cost grows with H^2.
        num_layers: Layers on top of each other, each reading the one below.
        highway: From the second layer on, a gate mixes a layer's output with its input (Srivastava et al. 2015; Zilly
            et al. 2017), so that many layers train.
    """

    network: type[nn.RNNBase]
    state_tensors = 1

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, *, highway: bool = False) -> None:
        validation.flag("highway", highway)
        super().__init__()
        make: Any = self.network
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(make(size, hidden_size) for size in sizes)
        self.output_size = hidden_size
        self.gates = nn.ModuleList(nn.Linear(hidden_size, hidden_size) for _ in sizes[1:]) if highway else None

    def train(self, mode: bool = True) -> Self:
        """Set the mode; torch's layers stay in training mode, because cuDNN computes no gradients in evaluation mode.

        This changes no outputs, as the layers have no dropout."""
        super().train(mode)
        self.layers.train()
        return self

    def carry(self, depth: int, given: Tensor, y: Tensor) -> Tensor:
        """The input of the next layer: this layer's output y, mixed with its own input if there are highways."""
        if self.gates is None or depth == 0:
            return y
        return torch.lerp(given, y, torch.sigmoid(self.gates[depth - 1](given) - closed_by(len(self.gates))))

    def initial_state(self, batch_size: int) -> State:
        weight = next(self.parameters())
        return (weight.new_zeros(batch_size, len(self.layers), self.output_size),) * self.state_tensors

    def forward(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        begins = start.any(1).tolist()
        if any(begins[1:]):
            return self.run_across(x, state, start)
        finals = []
        for depth, layer, initial in self._each_layer(self.reset(state, start[0]) if begins[0] else state):
            given = tuple(s[None] for s in initial)
            y, ended = layer(x, given if self.state_tensors > 1 else given[0])
            x = self.carry(depth, x, y)
            finals.append(tuple(s[0] for s in (ended if self.state_tensors > 1 else (ended,))))
        return x, together(finals)

    @abstractmethod
    def run_across(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        """:meth:`forward` for sequences in which episodes begin."""

    def run_packed(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        """:meth:`run_across` with torch's own layers, on the pieces between the starts, packed by length."""
        pieces = EpisodePieces.split(start)
        state = tuple(s[pieces.column] for s in state)
        state = self.reset(state, (pieces.first > 0) | start[0, pieces.column])
        x = x.flatten(0, 1).index_select(0, pieces.rows)
        finals = []
        for depth, layer, initial in self._each_layer(state):
            given = tuple(s[None] for s in initial)
            packed, ended = layer(
                PackedSequence(x, torch.tensor(pieces.sizes)), given if self.state_tensors > 1 else given[0]
            )
            x = self.carry(depth, x, packed.data)
            finals.append(tuple(s[0, pieces.last] for s in (ended if self.state_tensors > 1 else (ended,))))
        y = torch.empty_like(x).index_copy(0, pieces.rows, x)
        return y.reshape(*start.shape, -1), together(finals)

    def _each_layer(self, state: State) -> Iterator[tuple[int, Any, State]]:
        """Yield each layer's index, the layer, and its part of the state, (B, H) tensors."""
        for depth, layer in enumerate(self.layers):
            yield depth, layer, tuple(s[:, depth].contiguous() for s in state)


class SplitAtStarts(Recurrent):
    """Runs the pieces between the starts side by side."""

    def run_across(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        if x.device.type != "cpu" or hooked(*self.layers):
            return self.run_packed(x, state, start)
        pieces = EpisodePieces.split(start)
        state = tuple(s[pieces.column] for s in state)
        state = self.reset(state, (pieces.first > 0) | start[0, pieces.column])
        x = x.flatten(0, 1).index_select(0, pieces.rows)
        finals = []
        for depth, layer, (initial,) in self._each_layer(state):
            ran = self.run(layer, x, initial, pieces.sizes)
            finals.append((ran[pieces.end],))
            x = self.carry(depth, x, ran)
        y = torch.empty_like(x).index_copy(0, pieces.rows, x)
        return y.reshape(*start.shape, -1), together(finals)

    @abstractmethod
    def run(self, layer: Any, x: Tensor, initial: Tensor, sizes: list[int]) -> Tensor:
        """Run one layer over packed rows: (R, E) and initial states (S, H) to states (R, H)."""


class RNN(SplitAtStarts):
    """h' = tanh(W x + U h + b)   (Elman 1990)."""

    network = nn.RNN

    def run(self, layer: Any, x: Tensor, initial: Tensor, sizes: list[int]) -> Tensor:
        x = F.linear(x, layer.weight_ih_l0, layer.bias_ih_l0 + layer.bias_hh_l0)
        return run_rnn(x, initial, layer.weight_hh_l0, sizes)


class GRU(SplitAtStarts):
    """Gated recurrent unit (Cho et al. 2014)."""

    network = nn.GRU

    def run(self, layer: Any, x: Tensor, initial: Tensor, sizes: list[int]) -> Tensor:
        x = F.linear(x, layer.weight_ih_l0, layer.bias_ih_l0)
        return run_gru(x, initial, layer.weight_hh_l0, layer.bias_hh_l0, sizes)


class LSTM(Recurrent):
    """Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    If episodes begin inside, the pieces are packed into tracks with a pause between two: a step at which the input and
    the forget gate are shut, so that cell and output become 0, the initial state, and no gradient passes. Shorter
    tracks are padded at their ends with steps that keep the cell.
    """

    network = nn.LSTM
    state_tensors = 2
    gate_weights: Tensor

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, *, highway: bool = False) -> None:
        super().__init__(input_size, hidden_size, num_layers, highway=highway)
        shut = torch.full((hidden_size, 1), -SHUT)
        free = torch.zeros(2 * hidden_size, 1)  # the candidate and the output gate are not affected
        pause, keep = torch.cat([shut, shut, free]), torch.cat([shut, -shut, free])
        self.register_buffer(
            "gate_weights", torch.cat([pause, keep], 1), persistent=False
        )  # (4H, 2), weights of two inputs

    def run_across(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        if hooked(*self.layers):
            return self.run_packed(x, state, start)
        packed, x, finals = PackedEpisodes.pack(start), x.flatten(0, 1), []
        state = tuple(F.pad(s, (0, 0, 0, 0, 0, 1)).index_select(0, packed.begins) for s in state)
        for depth, layer, (h, c) in self._each_layer(state):
            given = x.new_zeros(len(packed.gate_inputs), x.shape[1] + 2)
            given[:, -2:] = packed.gate_inputs
            given = given.index_copy(0, packed.rows, F.pad(x, (0, 2))).view(-1, len(packed.begins), x.shape[1] + 2)
            weights = [torch.cat([layer.weight_ih_l0, self.gate_weights], 1), layer.weight_hh_l0]
            weights += [layer.bias_ih_l0, layer.bias_hh_l0]
            y, _, kept = torch.lstm(given, (h[None], c[None]), weights, True, 1, 0.0, True, False, False)
            ran = y.flatten(0, 1).index_select(0, packed.rows)
            finals.append((ran[-start.shape[1] :], kept[0, packed.ends]))
            x = self.carry(depth, x, ran)
        return x.view(*start.shape, -1), together(finals)
