"""Backbones made of cells: a function of one step, run over time by one loop.

What a step needs of its input alone is computed for all steps at once, before the loop; the loop has what depends on
the step before. A step at which no episode begins costs nothing for the starts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from lhy_rl.nn.backbones.base import SequenceBackbone, State


class Cell(nn.Module, ABC):
    """One layer's step. A subclass sets ``output_size`` (H)."""

    output_size: int

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The state at the start of an episode, each tensor (B, ...)."""

    def project(self, x: Tensor) -> Tensor:
        """What the steps need of their inputs: (T, B, E) to (T, B, P)."""
        return x

    @abstractmethod
    def step(self, given: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: (B, P) of :meth:`project` and the state before, to the output (B, H) and the state after."""

    def run(self, x: Tensor, state: State, start: Tensor, begins: list[bool]) -> tuple[Tensor, State]:
        """The layer over time: (T, B, E) to (T, B, H); ``begins`` says at which steps any episode begins."""
        outputs = []
        for given, start_t, begin in zip(self.project(x), start, begins, strict=True):
            y, state = self.step(given, with_initial(self, state, start_t) if begin else state)
            outputs.append(y)
        return torch.stack(outputs), state


def with_initial(cell: Cell, state: State, start: Tensor) -> State:
    """The state with the rows where ``start`` (B,) is true set to the initial one."""
    initial = cell.initial_state(len(start))
    return tuple(torch.where(start.view(-1, *[1] * (s.dim() - 1)), i, s) for i, s in zip(initial, state, strict=True))


class CellBackbone(SequenceBackbone):
    """Layers of cells, each reading the one below; the state is (B, layers, ...) tensors."""

    def __init__(self, cells: Iterable[Cell]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(cells)
        self.output_size = self.cells[-1].output_size

    @property
    def cells(self) -> list[Cell]:
        """The layers, the first one first."""
        return list(self.layers)  # type: ignore[arg-type]

    def initial_state(self, batch_size: int) -> State:
        return together([cell.initial_state(batch_size) for cell in self.cells])

    def forward(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        begins, finals = start.any(1).tolist(), []
        for depth, cell in enumerate(self.cells):
            x, final = cell.run(x, tuple(s[:, depth] for s in state), start, begins)
            finals.append(final)
        return x, together(finals)


def together(states: Sequence[State]) -> State:
    """Each layer's (B, ...) tensors to (B, layers, ...)."""
    return tuple(torch.stack(tensors, 1) for tensors in zip(*states, strict=True))
