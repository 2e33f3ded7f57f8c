"""RNN, GRU and LSTM as sequence backbones, through torch's fused kernels.

Training data are T steps of B environments, and episodes begin anywhere inside. Stepping through time to
reset the state there costs small kernel calls at every step. Instead the sequences are cut at the starts,
the pieces are padded to one length and run in one call a layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.nn.sequence import SequenceBackbone, State


@dataclass(frozen=True)
class Pieces:
    """How (T, B) sequences fall into S pieces at the starts, padded to the longest piece, L steps.

    Attributes:
        column: (S,) the sequence that a piece is from, ascending.
        first: (S,) the step at which it begins.
        length: (S,) its steps.
        rows: (L, S) the row of the flattened (T*B) data at each place; padding repeats the piece's last row.
        place: (T*B,) the place, in flattened (L*S), of each row.
        last: (B,) the last piece of each sequence.
    """

    column: Tensor
    first: Tensor
    length: Tensor
    rows: Tensor
    place: Tensor
    last: Tensor

    @classmethod
    def cut(cls, start: Tensor) -> Pieces:
        """Cut at ``start`` (T, B) bool; every sequence begins a piece at step 0."""
        steps, batch = start.shape
        begin = start.T.clone()
        begin[:, 0] = True
        column, first = begin.nonzero(as_tuple=True)
        length = torch.diff(column * steps + first, append=first.new_tensor([steps * batch]))
        step = torch.arange(int(length.max()), device=start.device)[:, None]
        rows = (first + torch.minimum(step, length - 1)) * batch + column
        inside = step < length
        place = torch.empty(steps * batch, dtype=torch.long, device=start.device)
        place[rows[inside]] = inside.flatten().nonzero()[:, 0]
        last = torch.diff(column, append=column.new_tensor([batch])).nonzero()[:, 0]
        return cls(column, first, length, rows, place, last)


class Recurrent(SequenceBackbone):
    """Torch recurrent layers under the backbone contract; the state is (B, layers, H) tensors.

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
        pieces = None
        if len(start) > 1 and bool(start[1:].any()):
            pieces = Pieces.cut(start)
            state = tuple(s[pieces.column] for s in state)
            start = (pieces.first > 0) | start[0, pieces.column]
        else:
            start = start[0]
        state = self.reset(state, start)
        finals = []
        for depth, layer in enumerate(self.layers):
            initial = tuple(s[:, depth].contiguous() for s in state)
            x, final = self._run_layer(layer, x, initial, pieces)
            finals.append(final)
        return x, tuple(torch.stack(tensors, 1) for tensors in zip(*finals, strict=True))

    def _run_layer(self, layer: nn.Module, x: Tensor, initial: State, pieces: Pieces | None) -> tuple[Tensor, State]:
        """One layer over (T, B, E); the final state is that of the B sequences."""
        given = tuple(s[None] for s in initial)
        hx = given if self.state_tensors > 1 else given[0]
        if pieces is None:
            y, final = layer(x, hx)
            return y, tuple(s[0] for s in (final if self.state_tensors > 1 else (final,)))
        padded = x.flatten(0, 1)[pieces.rows]  # (L, S, E)
        y, _ = layer(padded, hx)  # (L, S, H)
        outputs = y.flatten(0, 1)[pieces.place].reshape(*x.shape[:2], -1)
        return outputs, self._final_state(layer, padded, y, initial, pieces)

    def _final_state(self, layer: Any, x: Tensor, y: Tensor, initial: State, pieces: Pieces) -> State:
        """The state at the end of each sequence's last piece, (B, H) tensors; here the output is all the state."""
        return (y[pieces.length[pieces.last] - 1, pieces.last],)


class RNN(Recurrent):
    """h' = tanh(W x + U h + b)   (Elman 1990)."""

    network = nn.RNN


class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014)."""

    network = nn.GRU


class LSTM(Recurrent):
    """Long short-term memory with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000)."""

    network = nn.LSTM
    state_tensors = 2

    def _final_state(self, layer: Any, x: Tensor, y: Tensor, initial: State, pieces: Pieces) -> State:
        """The fused kernel gives the cell state only behind the padding; it follows from the outputs.

        With all h known, the gates of all steps are one matrix product, and c' = f c + i g unrolls to
        c_n = c_0 prod_t f_t + sum_t i_t g_t prod_{s>t} f_s, the products being sums of log-sigmoids.
        """
        last, steps = pieces.last, int(pieces.length[pieces.last].max())
        hidden = initial[0][last][None]  # (1, B, H)
        before = torch.cat([hidden, y[: steps - 1, last]])  # (steps, B, H): h before each step
        gates = F.linear(x[:steps, last], layer.weight_ih_l0, layer.bias_ih_l0) + F.linear(
            before, layer.weight_hh_l0, layer.bias_hh_l0
        )
        i, f, g, _ = gates.chunk(4, -1)
        inside = (torch.arange(steps, device=x.device)[:, None] < pieces.length[last])[..., None]
        log_forget = F.logsigmoid(f).masked_fill(~inside, 0.0)
        kept_from = log_forget.flip(0).cumsum(0).flip(0)  # log prod of f from each step on
        written = torch.sigmoid(i) * torch.tanh(g) * (kept_from - log_forget).exp() * inside
        cell = initial[1][last] * kept_from[0].exp() + written.sum(0)
        return y[pieces.length[last] - 1, last], cell
