"""Acting with small networks on a CPU: the same arithmetic in numpy, where an operation costs a fifth of torch's.

A policy of a few dozen units spends its time in the overhead of calls, not in arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lhy_rl.nn.backbones.base import SequenceBackbone, State
from lhy_rl.nn.backbones.recurrent import GRU, LSTM, RNN
from lhy_rl.nn.backbones.stack_rnn import StackCell, StackRNN
from lhy_rl.nn.encoders.base import Encoder
from lhy_rl.nn.encoders.mlp import MLPEncoder
from lhy_rl.nn.encoders.tokens import TokenEncoder
from lhy_rl.nn.heads.base import Head, in_space
from lhy_rl.nn.heads.categorical import CategoricalHead
from lhy_rl.nn.heads.gaussian import GaussianHead
from lhy_rl.nn.policies.actor_critic import ActorCritic

WIDEST = 256  # in wider networks the arithmetic dominates, and torch is as fast

Array = np.ndarray
Map = Callable[[Array], Array]
Cell = Callable[[Array, tuple[Array, ...]], tuple[Array, ...]]
"""Inputs (B, E) and states (B, ...) to the next states, the output first."""
Choice = Callable[[Array, Array, Array | None], Array]
"""Outputs of the head's linear layer (B, A), noise (B, A) and legal actions (B, A) to actions."""

ACTIVATIONS: dict[type[nn.Module], Map] = {
    nn.Tanh: lambda x: np.tanh(x, out=x),
    nn.ReLU: lambda x: np.maximum(x, 0.0, out=x),
    nn.Identity: lambda x: x,
}


class FastActor:
    """The actor of a policy in numpy; it uses the current weights as long as they stay at the same place in memory.

    Args:
        policy: The policy.
        read: The encoder, observations (B, ...) to (B, E).

    Attributes:
        parameters, places: The policy's parameters by name, and the memory address of each.
        features: With a backbone, the head's inputs (B, H) at each step since :meth:`begin`.
    """

    def __init__(self, policy: ActorCritic, read: Map) -> None:
        self.policy, self.read, self.output = policy, read, linear(policy.actor.output)
        self.parameters = policy.inventory.parameters
        self.places = places(policy)
        self.states: list[tuple[Array, ...]] = []
        self.features: list[Array] = []

    def begin(self, state: State) -> None:
        """Set the actor's part of the memory, and take the current weights."""
        cells, choose = cells_of(self.policy.trunk.core), choice(self.policy.actor)
        assert cells is not None and choose is not None
        self.cells, self.choose, self.space = cells, choose, self.policy.actor.space
        self.states = [tuple(s[:, depth].numpy().copy() for s in state) for depth in range(len(cells))]
        self.features = []

    @property
    def state(self) -> State:
        """The actor's part of the memory after the last step."""
        return tuple(torch.from_numpy(np.stack(layers, 1)) for layers in zip(*self.states, strict=True))

    def __call__(self, obs: Array, noise: Array, start: Array, action_mask: Array | None = None) -> Array:
        """Choose actions for one step.

        Args:
            obs: (B, ...).
            noise: (B, A) of :meth:`~lhy_rl.nn.heads.base.Head.noise`.
            start: (B,) bool: an episode begins with this observation.
            action_mask: (B, A) bool.

        Returns:
            Actions (B, ...), not clipped to the bounds.
        """
        x = self.read(obs)
        if self.cells and start.any():
            for states in self.states:
                for s in states:
                    s[start] = 0.0
        for depth, cell in enumerate(self.cells):
            self.states[depth] = cell(x, self.states[depth])
            x = self.states[depth][0]
        if self.cells:
            self.features.append(x.copy())
        return self.choose(self.output(x), noise, action_mask)

    def for_environment(self, actions: Array) -> Array:
        """The actions as the environment takes them."""
        return in_space(actions, self.space)


def fast_actor(policy: ActorCritic, last: FastActor | None = None) -> FastActor | None:
    """A numpy actor of the policy, ``last`` if it is still valid, or None if numpy would not be faster or exact.

    The policy must be small, on a CPU, read vectors or tokens, have a categorical or Gaussian head, and no hooks."""
    if policy.inventory.listened or policy.trunk.dropout.p:
        return None
    same = last is not None and last.policy is policy and last.parameters is policy.inventory.parameters
    if last is not None and same and last.places == places(policy):
        return last
    widths = [max(p.shape[1:], default=0) for p in policy.trunk.parameters()]  # of the inputs; tables may be long
    if policy.device.type != "cpu" or max(widths, default=0) > WIDEST:
        return None
    read, cells, choose = reader(policy.trunk.encoder), cells_of(policy.trunk.core), choice(policy.actor)
    return None if read is None or cells is None or choose is None else FastActor(policy, read)


def places(policy: ActorCritic) -> list[int]:
    """The memory address of each parameter."""
    return [p.data_ptr() for p in policy.inventory.parameters.values()]


def numbers(tensor: Tensor) -> Array:
    """A parameter as an array that shares its memory."""
    array: Array = tensor.detach().numpy()
    return array


def linear(layer: nn.Linear) -> Map:
    """x W^T + b."""
    weight, bias = numbers(layer.weight).T, numbers(layer.bias)

    def apply(x: Array) -> Array:
        y: Array = x @ weight
        y += bias
        return y

    return apply


def chain(modules: Iterable[nn.Module]) -> Map | None:
    """Layers one after the other; None if one of them is not supported in numpy."""
    steps: list[Map] = []
    for module in modules:
        if isinstance(module, nn.Linear):
            steps.append(linear(module))
        elif type(module) in ACTIVATIONS and (steps or isinstance(module, nn.Identity)):
            steps.append(ACTIVATIONS[type(module)])
        else:
            return None

    def apply(x: Array) -> Array:
        for step in steps:
            x = step(x)
        return x

    return apply


def reader(encoder: Encoder) -> Map | None:
    """An encoder of vectors or of one token as a function in numpy; None for any other encoder."""
    if type(encoder) is TokenEncoder and encoder.first is not None and not len(encoder.layers):
        table, first = numbers(encoder.embedding.weight), encoder.first
        return lambda obs: table[obs - first]
    if type(encoder) is not MLPEncoder:  # a subclass may compute something else
        return None
    layers, scale = chain(encoder.layers), np.float32(encoder.scale)
    if layers is None:
        return None

    def read(obs: Array) -> Array:
        x = obs.reshape(len(obs), -1).astype(np.float32, copy=False)
        return layers(x if scale == 1 else x * scale)

    return read


def cells_of(core: SequenceBackbone | None) -> list[Cell] | None:
    """The layers of a backbone as functions in numpy: empty without a backbone, None if it is not supported."""
    if core is None:
        return []
    makers: dict[type[SequenceBackbone], Callable[[Any], Cell]] = {
        RNN: rnn_cell, GRU: gru_cell, LSTM: lstm_cell, StackRNN: stack_cell,
    }  # fmt: skip
    if type(core) not in makers or getattr(core, "gates", None) is not None:
        return None
    return [makers[type(core)](layer) for layer in core.layers]  # type: ignore[union-attr]


def weights(layer: nn.Module) -> list[Array]:
    """A recurrent layer's W (E, G), U (H, G) and their biases (G,)."""
    w, u, b_w, b_u = (numbers(p) for p in layer.parameters())
    return [w.T, u.T, b_w, b_u]


def rnn_cell(layer: nn.Module) -> Cell:
    """h' = tanh(W x + U h + b)."""
    w, u, b_w, b_u = weights(layer)
    wu, b = np.concatenate([w, u]), b_w + b_u

    def cell(x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        return (np.tanh(np.concatenate([x, states[0]], 1) @ wu + b),)

    return cell


def gru_cell(layer: nn.Module) -> Cell:
    """Gates r, z, n in torch's order; sigmoid z is computed as (1 + tanh(z / 2)) / 2."""
    w, u, b_w, b_u = weights(layer)
    width = len(u)

    def cell(x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        (h,) = states
        from_x, from_h = x @ w + b_w, h @ u + b_u
        rz = 0.5 + 0.5 * np.tanh(0.5 * (from_x[:, : 2 * width] + from_h[:, : 2 * width]))
        n = np.tanh(from_x[:, 2 * width :] + rz[:, :width] * from_h[:, 2 * width :])
        return (n + rz[:, width:] * (h - n),)

    return cell


def lstm_cell(layer: nn.Module) -> Cell:
    """Gates i, f, g, o in torch's order; one tanh for all, since sigmoid z is (1 + tanh(z / 2)) / 2."""
    w, u, b_w, b_u = weights(layer)
    width = len(u)
    half = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), width)
    wu, b = np.concatenate([w, u]) * half, (b_w + b_u) * half

    def cell(x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        h, c = states
        gates = np.concatenate([x, h], 1) @ wu
        gates += b
        np.tanh(gates, out=gates)
        g = gates[:, 2 * width : 3 * width].copy()
        gates *= 0.5
        gates += 0.5
        c = gates[:, width : 2 * width] * c
        c += gates[:, :width] * g
        return gates[:, 3 * width :] * np.tanh(c), c

    return cell


def stack_cell(layer: StackCell) -> Cell:
    """As :meth:`lhy_rl.nn.backbones.stack_rnn.StackCell.step`."""
    controller = (gru_cell if isinstance(layer.controller, nn.GRUCell) else rnn_cell)(layer.controller)
    degrees, new_top, (count, _, width) = linear(layer.degrees), linear(layer.new_top), layer.shape

    def cell(x: Array, states: tuple[Array, ...]) -> tuple[Array, ...]:
        h, stacks = states
        (h,) = controller(np.concatenate([x, stacks[:, :, 0].reshape(len(x), -1)], 1), (h,))
        raw = degrees(h).reshape(-1, count, 3)
        raw = np.exp(raw - raw.max(2, keepdims=True))
        push, pop, leave = np.moveaxis(raw / raw.sum(2, keepdims=True), 2, 0)[..., None, None]
        after = leave * stacks
        after[:, :, 0] += push[:, :, 0] * np.tanh(new_top(h)).reshape(-1, count, width)
        after[:, :, 1:] += push * stacks[:, :, :-1]
        after[:, :, :-1] += pop * stacks[:, :, 1:]
        return h, after

    return cell


def choice(head: Head) -> Choice | None:
    """The function that draws a head's actions; None if the head is not supported."""
    if type(head) is CategoricalHead:
        first = head.start

        def pick(logits: Array, noise: Array, action_mask: Array | None) -> Array:
            logits += noise
            if action_mask is not None:
                logits[~action_mask] = -np.inf
            actions: Array = logits.argmax(1)
            return actions + first if first else actions

        return pick
    if type(head) is GaussianHead:
        deviation, shape = np.exp(numbers(head.log_std)), head.shape
        return lambda mean, noise, action_mask: (mean + deviation * noise).reshape(len(mean), *shape)
    return None
