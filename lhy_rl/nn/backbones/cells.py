"""Backbones made of cells: functions of one step, which a loop runs over time.

What depends on the input alone is computed for all steps at once, before the loop; only what depends on the previous
step is computed in the loop. States are reset only at steps where an episode begins.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from lhy_rl.nn.backbones.base import SequenceBackbone, State


class Layer(nn.Module, ABC):
    """One layer over time. A subclass sets ``output_size`` (H)."""

    output_size: int

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The state at the start of an episode, each tensor (B, ...)."""

    @abstractmethod
    def run(self, x: Tensor, state: State, start: Tensor, begins: list[bool]) -> tuple[Tensor, State]:
        """Run over time: (T, B, E) and the state before to (T, B, H) and the state after.

        Args:
            start: (T, B) bool: an episode begins here.
            begins: T flags: an episode begins in some row of the batch.
        """


class Cell(Layer):
    """A layer that is a function of one step."""

    def project(self, x: Tensor) -> Tensor:
        """The part of all steps that depends on the inputs alone: (T, B, E) to (T, B, P)."""
        return x

    @abstractmethod
    def step(self, given: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: (B, P) of :meth:`project` and the state before, to the output (B, H) and the state after."""

    def run(self, x: Tensor, state: State, start: Tensor, begins: list[bool]) -> tuple[Tensor, State]:
        outputs = []
        for given, start_t, begin in zip(self.project(x), start, begins, strict=True):
            y, state = self.step(given, with_initial(self, state, start_t) if begin else state)
            outputs.append(y)
        return torch.stack(outputs), state


def with_initial(cell: Layer, state: State, start: Tensor) -> State:
    """The state with the rows where ``start`` (B,) is true set to the initial one."""
    initial = cell.initial_state(len(start))
    return tuple(torch.where(start.view(-1, *[1] * (s.dim() - 1)), i, s) for i, s in zip(initial, state, strict=True))


class Layered(SequenceBackbone):
    """Layers on top of each other, each reading the one below; the state is (B, layers, ...) tensors."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        super().__init__()
        self.layers: Sequence[Layer] = nn.ModuleList(layers)  # type: ignore[assignment]
        self.output_size = self.layers[-1].output_size

    def initial_state(self, batch_size: int) -> State:
        return together([layer.initial_state(batch_size) for layer in self.layers])

    def forward(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        begins, finals = start.any(1).tolist(), []
        for depth, layer in enumerate(self.layers):
            x, final = layer.run(x, tuple(s[:, depth] for s in state), start, begins)
            finals.append(final)
        return x, together(finals)


def together(states: Sequence[State]) -> State:
    """The layers' states, (B, ...) tensors, stacked to (B, layers, ...)."""
    return tuple(torch.stack(tensors, 1) for tensors in zip(*states, strict=True))
