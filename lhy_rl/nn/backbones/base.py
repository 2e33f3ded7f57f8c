"""The base class of sequence backbones: networks that carry a state through time."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lhy_rl.core.errors import suggest
from lhy_rl.core.registry import Registry, is_ours
from lhy_rl.nn.own_networks import tried_core

State = tuple[Tensor, ...]
"""A backbone's memory: tensors with the batch first, so that a state is indexed, repeated and stored like data."""

cores = Registry(
    "core",
    {
        "rnn": "lhy_rl.nn.backbones.recurrent:RNN",
        "gru": "lhy_rl.nn.backbones.recurrent:GRU",
        "lstm": "lhy_rl.nn.backbones.recurrent:LSTM",
        "stack_rnn": "lhy_rl.nn.backbones.stack_rnn:StackRNN",
        "memory_network": "lhy_rl.nn.backbones.memory_network:MemoryNetwork",
        "attention": "lhy_rl.nn.backbones.attention:Attention",
        "ntm": "lhy_rl.nn.backbones.ntm:NTM",
        "grid_lstm": "lhy_rl.nn.backbones.grid_lstm:GridLSTM",
        "grid_lstm_2d": "lhy_rl.nn.backbones.grid_lstm_2d:GridLSTM2D",
    },
)


class SequenceBackbone(nn.Module, ABC):
    """Base class of backbones: maps (T, B, E) to (T, B, H) and carries a state.

    It is made as ``X(input_size, hidden_size, num_layers)``; further arguments must have defaults, which a policy's
    ``core_options`` overrides. A subclass sets ``output_size`` (H) and implements :meth:`initial_state` and
    :meth:`forward`; without a faster way, ``forward`` may handle one step and call :func:`step_by_step` for more.
    """

    output_size: int

    @abstractmethod
    def initial_state(self, batch_size: int) -> State:
        """The state at the start of an episode, each tensor (B, ...)."""

    @abstractmethod
    def forward(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        """Run over time.

        Args:
            x: (T, B, E) inputs.
            state: The state before the first step.
            start: (T, B) bool: an episode begins here, so the state before this step is the initial one.

        Returns:
            Outputs (T, B, H) and the state after the last step.
        """

    def reset(self, state: State, start: Tensor) -> State:
        """The state with the rows where ``start`` (B,) is true set to the initial one."""
        initial = self.initial_state(len(start))
        return tuple(
            torch.where(start.reshape(-1, *[1] * (s.dim() - 1)), i, s) for i, s in zip(initial, state, strict=True)
        )


CoreChoice = str | type[SequenceBackbone]
"""A name in :data:`cores`, ``"module:Class"``, or a custom class."""


def make_core(
    core: CoreChoice, input_size: int, hidden_size: int, num_layers: int = 1, options: Mapping[str, Any] | None = None
) -> SequenceBackbone:
    """The backbone of that name or class.

    Args:
        options: Further options of this backbone.

    Raises:
        UserError: The name is unknown, the backbone does not have an option or refuses its value, or a custom class
            does not fulfil the interface.
    """
    kind = cores.choose(core, SequenceBackbone)
    allowed = list(inspect.signature(kind).parameters)[3:]
    for name in options or {}:
        if name not in allowed:
            raise suggest(name, allowed, f"option of core {kind.__name__}")
    make = kind if is_ours(kind) else partial(tried_core, kind)
    made: SequenceBackbone = make(input_size, hidden_size, num_layers, **(options or {}))
    return made


def step_by_step(core: SequenceBackbone, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
    """Run a backbone one step at a time: the reference that every faster ``forward`` must equal."""
    outputs = []
    for x_t, start_t in zip(x, start, strict=True):
        y, state = core(x_t[None], core.reset(state, start_t), torch.zeros_like(start_t)[None])
        outputs.append(y)
    return torch.cat(outputs), state


def index_state(state: State, index: Tensor) -> State:
    """The rows ``index`` of a state."""
    return tuple(s[index] for s in state)


def repeat_state(state: State, n: int) -> State:
    """Every row n times in a row: rows 0, 0, ..., 1, 1, ..."""
    return tuple(s.repeat_interleave(n, 0) for s in state)
