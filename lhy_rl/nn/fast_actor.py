"""Acting with small networks on a CPU: the same arithmetic in numpy, where an operation costs a fifth of torch's.

A policy of a few dozen units spends its time not in arithmetic but in calls. The weights are not copied: numpy sees
torch's memory.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import nn

from lhy_rl.nn.heads import CategoricalHead, GaussianHead
from lhy_rl.nn.mlp import MLPEncoder
from lhy_rl.nn.policy import ActorCritic

WIDEST = 128  # above, the arithmetic counts and torch is as fast

Array = np.ndarray
ACTIVATIONS: dict[type[nn.Module], Callable[[Array], Array]] = {
    nn.Tanh: lambda x: np.tanh(x, out=x),
    nn.ReLU: lambda x: np.maximum(x, 0.0, out=x),
    nn.Identity: lambda x: x,
}


def fast_actor(policy: ActorCritic) -> Callable[[Array, Array], Array] | None:
    """From observations (B, ...) and noise (B, A) of :meth:`Head.noise` to actions (B, ...).

    None where the policy is not an MLP with one categorical or Gaussian head on a CPU.
    """
    encoder, head = policy.trunk.encoder, policy.actor
    if policy.device.type != "cpu" or policy.recurrent or policy.trunk.dropout.p:
        return None
    if not isinstance(encoder, MLPEncoder) or encoder.scale != 1:
        return None
    layers: list[tuple[Array, Array, Callable[[Array], Array]]] = []
    for module in [*encoder.layers, head.output]:
        if isinstance(module, nn.Linear) and max(module.weight.shape) <= WIDEST:
            weight, bias = module.weight.detach().numpy().T, module.bias.detach().numpy()
            layers.append((weight, bias, ACTIVATIONS[nn.Identity]))
        elif type(module) in ACTIVATIONS and layers:
            layers[-1] = (*layers[-1][:2], ACTIVATIONS[type(module)])
        else:
            return None

    def output(obs: Array) -> Array:
        x = obs.reshape(len(obs), -1)
        for weight, bias, activation in layers:
            x = x @ weight
            x += bias
            x = activation(x)
        return x

    if type(head) is CategoricalHead:
        first = head.start
        return lambda obs, noise: (output(obs) + noise).argmax(1) + first
    if type(head) is GaussianHead:
        log_std, shape = head.log_std.detach().numpy(), head.shape
        return lambda obs, noise: (output(obs) + np.exp(log_std) * noise).reshape(len(obs), *shape)
    return None
