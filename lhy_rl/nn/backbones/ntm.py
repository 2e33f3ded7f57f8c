"""A neural Turing machine: a controller that reads and writes a memory by attention (Graves et al. 2014).

Each head has a weight w_t(i) on every location i of a memory of N rows M_t(i), from the controller's output:

    w_c(i) ~ exp(beta cos(k, M_{t-1}(i)))                   by content                     (eqs. 5 and 6)
    w_g = g w_c + (1 - g) w_{t-1}                           or where it was                (eq. 7)
    w_s(i) = sum_j s(j) w_g(i - j),  j = -1, 0, 1           and shifted                    (eq. 8)
    w_t(i) ~ w_s(i)^gamma                                   and sharpened                  (eq. 9)
    M_t(i) = M_{t-1}(i) (1 - w_t(i) e) + w_t(i) a           erase e, then add a            (eqs. 3 and 4)
    r_t = sum_i w_t(i) M_t(i)                               what a reading head reads      (eq. 2)

The memory begins with the constant 1e-6 (Collier and Beel 2018) and the heads at location 0. It learns loops ("write
on, go back, read on") that generalise to longer inputs, but learns them late, and needs gradient clipping and a falling
learning rate. The memory must have as many rows as the task writes: writing past the end overwrites the beginning.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lhy_rl.core import validation
from lhy_rl.nn.backbones.base import State
from lhy_rl.nn.backbones.cells import Cell, Layered

CONTROLLERS = ("mlp", "lstm")
INITIAL = 1e-6  # initial value of the memory
SHIFTS = 3  # by -1, 0 or 1


class NTMCell(Cell):
    """One layer; its state is the memory (B, N, W), the heads' weights (B, 2 heads, N) with writing heads first, the
    vectors read (B, heads, W) and, with an LSTM, its h and c (B, H)."""

    def __init__(
        self, input_size: int, hidden_size: int, locations: int, location_size: int, heads: int, controller: str
    ) -> None:
        super().__init__()
        self.output_size, self.heads, self.shape = hidden_size, heads, (locations, location_size)
        given = input_size + heads * location_size
        self.lstm = nn.LSTMCell(given, hidden_size) if controller == "lstm" else None
        self.mlp = nn.Linear(given, hidden_size) if controller == "mlp" else None
        # for each head: key, strength, gate, shift, sharpening; for a writing head also: erase and add
        self.addressing = nn.Linear(hidden_size, 2 * heads * (location_size + 3 + SHIFTS))
        self.writing = nn.Linear(hidden_size, heads * 2 * location_size)
        self.output = nn.Linear(hidden_size + heads * location_size, hidden_size)

    def initial_state(self, batch_size: int) -> State:
        weight, (locations, width) = self.output.weight, self.shape
        memory = weight.new_full((batch_size, locations, width), INITIAL)
        focus = weight.new_zeros(batch_size, 2 * self.heads, locations)
        focus[:, :, 0] = 1.0
        read = weight.new_zeros(batch_size, self.heads, width)
        hidden = weight.new_zeros(batch_size, self.output_size)
        return (memory, focus, read, hidden, hidden) if self.lstm is not None else (memory, focus, read)

    def step(self, given: Tensor, state: State) -> tuple[Tensor, State]:
        memory, focus, read, *hidden = state
        given = torch.cat([given, read.flatten(1)], 1)
        if self.lstm is not None:
            h, c = self.lstm(given, hidden)
            hidden = [h, c]
        else:
            assert self.mlp is not None
            h = self.mlp(given).tanh()
        focus = self.address(self.addressing(h), memory, focus)
        writing, reading = focus.chunk(2, 1)  # (B, heads, N)
        erase, add = self.writing(h).view(len(h), self.heads, -1).chunk(2, -1)  # (B, heads, W)
        keep = 1 - writing[..., None] * erase.sigmoid()[:, :, None]  # (B, heads, N, W)
        memory = memory * keep.prod(1) + writing.transpose(1, 2) @ add.tanh()
        read = reading @ memory
        return self.output(torch.cat([h, read.flatten(1)], 1)).tanh(), (memory, focus, read, *hidden)

    def address(self, raw: Tensor, memory: Tensor, before: Tensor) -> Tensor:
        """All heads' weights (B, 2 heads, N) from the controller's outputs and the previous weights."""
        widths = [self.shape[1], 1, 1, SHIFTS, 1]
        key, strength, gate, shift, sharpen = torch.split(raw.view(len(raw), 2 * self.heads, -1), widths, -1)
        cosine = F.normalize(key.tanh(), dim=-1, eps=1e-8) @ F.normalize(memory, dim=-1, eps=1e-8).transpose(1, 2)
        content = (F.softplus(strength) * cosine).softmax(-1)
        gated = torch.lerp(before, content, gate.sigmoid())
        back, stay, on = shift.softmax(-1).unbind(-1)
        shifted = (
            back[..., None] * gated.roll(-1, -1) + stay[..., None] * gated + on[..., None] * gated.roll(1, -1)
        )  # (B, 2 heads, N)
        weights: Tensor = (shifted.clamp(min=1e-12).log() * (1 + F.softplus(sharpen))).softmax(-1)
        return weights


class NTM(Layered):
    """A neural Turing machine.

    Args:
        input_size: E, width of the inputs.
        hidden_size: H, width of the controller and the output.
        num_layers: Layers on top of each other, each with its own memory.
        locations: N, rows of the memory: as many as an episode writes, and at least 3.
        location_size: W, numbers in each row.
        num_heads: Number of reading heads, and of writing heads.
        controller: ``mlp`` (one layer, without a memory of its own) or ``lstm``.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        locations: int = 40,
        location_size: int = 16,
        num_heads: int = 1,
        controller: str = "mlp",
    ) -> None:
        for name, value, least in (
            ("locations", locations, SHIFTS), ("location_size", location_size, 1), ("num_heads", num_heads, 1)
        ):  # fmt: skip
            validation.integer(name, value, least)
        validation.choice("controller", controller, CONTROLLERS)
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        super().__init__(NTMCell(size, hidden_size, locations, location_size, num_heads, controller) for size in sizes)
