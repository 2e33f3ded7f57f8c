"""Networks that a user wrote, for tests of agents that take them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
from torch import Tensor, nn

from lhy_rl.nn.backbones.base import SequenceBackbone, State, step_by_step
from lhy_rl.nn.encoders.base import Encoder, EncoderOptions
from lhy_rl.nn.encoders.mlp import MLPEncoder


class Doubling(Encoder):
    """A linear layer on twice the numbers."""

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        super().__init__()
        self.layer = nn.Linear(space.shape[0], options.embedding_size)
        self.output_size = options.embedding_size

    def forward(self, obs: Tensor) -> Tensor:
        return self.layer(2 * obs.float())


class Zeroed(MLPEncoder):
    """An encoder of ours that reads otherwise: nothing at all."""

    def forward(self, obs: Tensor) -> Tensor:
        return 0 * super().forward(obs)


class Leaky(SequenceBackbone):
    """h' = 0.9 h + tanh(W x + b)."""

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1) -> None:
        super().__init__()
        self.input = nn.Linear(input_size, hidden_size)
        self.output_size = hidden_size

    def initial_state(self, batch_size: int) -> State:
        return (self.input.weight.new_zeros(batch_size, self.output_size),)

    def forward(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        if len(x) != 1:
            return step_by_step(self, x, state, start)
        (h,) = self.reset(state, start[0])
        h = 0.9 * h + self.input(x[0]).tanh()
        return h[None], (h,)


class Unfinished(Encoder):
    """Lacks a forward pass."""


def no_class() -> None:
    """Not what it should be."""


class WithoutSize(Encoder):
    """Does not say how wide it is."""

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        super().__init__()
        self.layer = nn.Linear(space.shape[0], options.embedding_size)

    def forward(self, obs: Tensor) -> Tensor:
        return self.layer(obs)


class Wider(Doubling):
    """Says that it is wider than it is."""

    def __init__(self, space: gym.Space[Any], options: EncoderOptions) -> None:
        super().__init__(space, options)
        self.output_size += 1


class Flattening(Doubling):
    """Takes time and instances for one dimension."""

    def forward(self, obs: Tensor) -> Tensor:
        return super().forward(obs).flatten(0, 1)


class Lonely(Doubling):
    """Made without the space."""

    def __init__(self) -> None:
        super().__init__(gym.spaces.Box(-1, 1, (4,)), EncoderOptions())


class Forgetful(Leaky):
    """Returns no memory."""

    def forward(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        return self.input(x)  # type: ignore[return-value]


class TimeFirst(Leaky):
    """Its memory has the instances second, as torch's own."""

    def initial_state(self, batch_size: int) -> State:
        return (self.input.weight.new_zeros(1, batch_size, self.output_size),)

    def forward(self, x: Tensor, state: State, start: Tensor) -> tuple[Tensor, State]:
        return self.input(x), state
